"""What a handler of Qlib loads: which expressions, of which instruments, and how far they look back and ahead."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rollq.workers.qlib.data.content import Spans, calendar_of
from rollq.workers.qlib.natives import Handler
from rollq.workers.qlib.quiet import quietly

FIELD = re.compile(r"(?<!\$)\$(\w+)")
ELSEWHERE = re.compile(r"\$\$|\b(ChangeInstrument|Mask)\s*\(")  # they read other files than those of the instrument
FAR = 1_000_000  # sessions: an operator that looks at all there is
LABEL, DAY = "label", "day"


@dataclass(frozen=True)
class Loaded:
    """What a handler loads.

    Args:
        handler: made, but nothing loaded.
    """

    handler: Handler

    @cached_property
    def groups(self) -> dict[str, list[str]] | None:
        """Expressions by group, such as ``feature`` and ``label``; None if the loader has none that can be read."""
        found: dict[str, list[str]] = {}
        for loader in _leaves(self.handler.data_loader):
            fields = getattr(loader, "fields", None)
            # Without groups all are features.
            groups = fields if isinstance(fields, Mapping) else {"feature": fields}
            for group, pair in groups.items():
                if not isinstance(pair, list | tuple) or not pair:
                    return None
                found.setdefault(str(group), []).extend(str(one) for one in pair[0])
        return found or None

    @property
    def lookahead(self) -> int | None:
        """Sessions that the labels look ahead; None if it cannot be read."""
        if self.groups is None:
            return None
        return max((_reach(one)[1] for one in self.groups.get(LABEL, [])), default=0)

    @property
    def lookback(self) -> int:
        """Sessions that anything looks back."""
        return max((_reach(one)[0] for group in (self.groups or {}).values() for one in group), default=FAR)

    @property
    def fields(self) -> frozenset[str] | None:
        """The fields that are read, such as ``close``; None: not known."""
        if self.groups is None or self.reads_elsewhere:
            return None
        return frozenset(name.lower() for group in self.groups.values() for one in group for name in FIELD.findall(one))

    @property
    def reads_elsewhere(self) -> bool:
        """Whether something is read beside the instruments' own files."""
        return self.groups is None or any(
            ELSEWHERE.search(one) is not None for group in self.groups.values() for one in group
        )

    @property
    def freq(self) -> object:
        """The frequency of the data."""
        return next((getattr(one, "freq", DAY) for one in _leaves(self.handler.data_loader)), DAY)

    def spans(self, folder: Path) -> Spans:
        """The instruments, each with the days from and to which it belongs; of the data folder of this process."""
        wanted = self.handler.instruments
        if self.reads_elsewhere:
            days = calendar_of(folder)
            return {one.name: [(days[0], days[-1])] for one in sorted((folder / "features").iterdir())}
        with quietly():
            from qlib.data import D

            if isinstance(wanted, list | tuple):
                days = calendar_of(folder)
                return {str(name): [(days[0], days[-1])] for name in wanted}
            config = wanted if isinstance(wanted, Mapping) else D.instruments("all" if wanted is None else wanted)
            # Without its filters: they pick among these by their values, which are hashed.
            listed = D.list_instruments({**config, "filter_pipe": []}, as_list=False)
        return {
            str(name): sorted((f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}") for start, end in spans)
            for name, spans in listed.items()
        }


def _leaves(loader: object) -> Iterator[object]:
    nested = getattr(loader, "data_loader_l", None)
    for one in nested if isinstance(nested, list) else ():
        yield from _leaves(one)
    if not isinstance(nested, list):
        yield loader


def _reach(expression: str) -> tuple[int, int]:
    """How many sessions an expression looks back and ahead."""
    with quietly():
        from qlib.data.data import ExpressionD

        back, ahead = ExpressionD.get_expression_instance(expression).get_extended_window_size()
    return _sessions(back), _sessions(ahead)


def _sessions(count: float) -> int:
    return FAR if math.isinf(count) else max(0, int(count))

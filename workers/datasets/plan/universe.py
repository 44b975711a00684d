"""The universe of a table: which instruments count at which time, by a list, a column, or a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import DataError, TemplateError
from rollq.workers.datasets.panel_arguments import check_universe
from rollq.workers.datasets.prices import UNIVERSE_KEY as KEY
from rollq.workers.datasets.segment_rows import LOOK
from rollq.workers.expressions.evaluation import evaluate
from rollq.workers.expressions.expression import parse
from rollq.workers.expressions.grid import Grid

KEYS = ("list", "column", "rule")
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Universe:
    """``names``: a list of instruments; ``column``: one that is true, or above 0, where an instrument belongs to it;
    ``rule``: an expression that is. What is given holds together: a rule ranks those that the others leave.
    """

    names: tuple[str, ...] | None = None
    column: str | None = None
    rule: str | None = None

    @property
    def texts(self) -> list[str]:
        """The expressions, in the order in which they are asked."""
        return [*([f"`{self.column}`"] if self.column else []), *([self.rule] if self.rule else [])]

    @property
    def if_empty(self) -> str:
        """What helps where a segment has no rows."""
        if not self.texts:
            return LOOK
        return (
            f"No row belongs to the universe there: look at {' and '.join(self.texts)}, and at the join of it. "
            "A list of changes is joined with known: and the column of their dates."
        )

    def members(self, grid: Grid, columns: Mapping[str, str]) -> Flags:
        """Which rows belong to it: times x instruments.

        Args:
            grid: with the rows that there are as its members.
            columns: of the table, with their kinds.

        Raises:
            DataError: none does, or an instrument of the list has no row.
        """
        member = np.ones(grid.shape, bool) if grid.member is None else grid.member
        if self.names is not None and (lost := sorted(set(self.names) - set(grid.instruments[member.any(axis=0)]))):
            raise DataError(
                f"{KEY}: {lost[0]!r} has no row in the table ({len(lost)} of {len(self.names)}).",
                "Name instruments as the table does.",
            )
        for text in self.texts:
            # Each sees the members that the one before it left.
            made = evaluate({"": parse(text, columns=columns, lead=None, key=KEY)}, replace(grid, member=member))
            member = member & (np.nan_to_num(next(made)[1], nan=0.0) > 0)
        if not member.any():
            raise DataError(f"{KEY}: no instrument ever belongs to it.", "Look at its column or rule.")
        return member


def read_universe(spec: object, key: str = KEY) -> Universe:
    """The universe that a template describes; None: all instruments.

    Raises:
        TemplateError: it is no list and no mapping of ``list``, ``column`` and ``rule``; or a rule cannot be read.
    """
    if spec is None or (isinstance(spec, Sequence) and not isinstance(spec, str)):
        return Universe(_listed(spec, key))
    if not isinstance(spec, Mapping) or not spec:
        fix = "Write [AAPL, AMD], {column: in_index} or {rule: rank(value, descending=True) <= 200}."
        raise TemplateError("the universe is a list, a column or a rule.", fix, key)
    for name in spec:
        if name not in KEYS:
            raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), KEYS), f"{key}.{name}")
    for name in ("column", "rule"):
        if spec.get(name) is not None and (not isinstance(spec[name], str) or not spec[name]):
            raise TemplateError(f"{spec[name]!r} is no text.", "Write it as text.", f"{key}.{name}")
    if spec.get("rule"):
        parse(spec["rule"], columns=None, lead=None, key=f"{key}.rule")
    return Universe(_listed(spec.get("list"), f"{key}.list"), spec.get("column"), spec.get("rule"))


def _listed(names: object, key: str) -> tuple[str, ...] | None:
    found = check_universe(names)
    if found == ():
        raise TemplateError("the universe is empty.", "Name instruments of the table, or leave it out.", key)
    return found

"""An expression: its tree, the columns that it uses, and how far it looks back and ahead."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import pandas as pd

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.functions.catalog import known_function
from rollq.workers.expressions.functions.function import Function, Kind
from rollq.workers.expressions.node import Call, Column, Node
from rollq.workers.expressions.parsing.reader import Reader
from rollq.workers.expressions.parsing.tokens import Misread
from rollq.workers.expressions.span import Positions, Span, latest

LABEL: Final = "label"
SHOWN = 100  # characters of a text in a message
CONDITIONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne", "both", "either", "negated", "and", "or", "not"})
Lead = Mapping[str, Span] | Literal["label"] | None


@dataclass(frozen=True)
class Expression:
    """What a text of the language means.

    Args:
        node: its tree.
    """

    node: Node

    @property
    def text(self) -> str:
        """The canonical text: two expressions with the same one have the same values."""
        return self.node.text

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that it uses, sorted."""
        return tuple(sorted({one.name for one in _walk(self.node) if isinstance(one, Column)}))

    @property
    def column(self) -> str | None:
        """The column that it is; None if it is more than one."""
        return self.node.name if isinstance(self.node, Column) else None

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Those of its columns that stand where numbers are wanted, and not only groups, sorted."""
        return tuple(sorted(set(_numbers(self.node))))

    @cached_property
    def across(self) -> bool:
        """Whether a value depends on the other instruments of its row."""
        return any(one.across for one in self._functions())

    @property
    def lookback(self) -> Span:
        """How far before a row its value looks, at most: each part of the span on its own."""
        return -self._looks[0].nearest(Span())

    @property
    def lookahead(self) -> Span:
        """How far after a row its value looks, at most."""
        return self._looks[1].forward

    def lookahead_of(self, column: str) -> Span:
        """How far after a row it looks at one of its columns."""
        return _looks(self.node, column)[1].forward

    def last_of(self, column: str) -> Span:
        """The last row at which it looks at one of its columns, as a distance from its own: negative in the past."""
        return _looks(self.node, column)[1]

    def looks_at_own_row(self, column: str) -> bool:
        """Whether a value uses this column of its own row, or of a later one."""
        last = self.last_of(column)
        return column in self.columns and (not last or bool(last.forward))

    @property
    def is_condition(self) -> bool:
        """Whether it is true or false: a comparison, or several of them joined."""
        return isinstance(self.node, Call) and self.node.function.lower() in CONDITIONS

    def first_seen(self, times: pd.DatetimeIndex) -> Positions:
        """For each time, the position of the first time that its value looks at; below 0 where that lies before all."""
        return _seen(self.node, times, np.arange(len(times)), first=True)

    def last_seen(self, times: pd.DatetimeIndex) -> Positions:
        """For each time, the position of the last time that its value looks at; beyond the last where steps are counted
        and there are no more.
        """
        return _seen(self.node, times, np.arange(len(times)), first=False)

    @cached_property
    def _looks(self) -> tuple[Span, Span]:
        return _looks(self.node, None)

    def _functions(self) -> Iterator[Function]:
        return (known_function(one.function) for one in _walk(self.node) if isinstance(one, Call))


def parse(text: str, *, columns: Collection[str] | None, lead: Lead, key: str = "") -> Expression:
    """The expression of a text.

    Args:
        text: of the language, or of Qlib's.
        columns: those of the table; a mapping to ``number`` or ``category`` says their kinds, too. None: not known yet.
        lead: columns that are known in advance, and how far; None: nothing is; ``LABEL``: it may look ahead.
        key: where in the template it stands, for messages.

    Raises:
        TemplateError: it cannot be read, a column or function is unknown, or it looks ahead and must not.
    """
    try:
        expression = Expression(Reader(text, columns).tree())
    except Misread as error:
        where = f", at {text[error.place : error.place + 12]!r} (character {error.place + 1})" if text.strip() else ""
        raise TemplateError(f"{_short(text)!r}{where}: {error.cause}.", error.fix, key) from None
    if expression.lookback.is_too_long or expression.lookahead.is_too_long:
        raise TemplateError(f"{_short(text)!r} looks further than a hundred years.", "Write shorter spans.", key)
    if lead != LABEL:
        _check_lead(expression, text, lead, key)
    return expression


def _check_lead(expression: Expression, text: str, lead: Mapping[str, Span] | None, key: str) -> None:
    """Refuse what looks ahead further than its columns are known."""
    if not expression.lookahead:
        return
    if not expression.columns:
        raise TemplateError(f"{_short(text)!r} looks ahead.", "Only a label may look ahead.", key)
    for column in expression.columns:
        ahead = expression.lookahead_of(column)
        if not ahead:
            continue
        if lead is None or column not in lead:
            fix = "Only a label may look ahead, or a column that known_ahead names."
            raise TemplateError(f"{_short(text)!r} looks {ahead} ahead of {column!r}.", fix, key)
        if not ahead.within(lead[column]):
            # Steps and hours are not compared: where the table has a gap, a step is longer than it seems.
            fix = f"Look at most {lead[column]} ahead, in the same unit."
            raise TemplateError(
                f"{_short(text)!r} looks {ahead} ahead of {column!r}, which is known {lead[column]} ahead.", fix, key
            )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _walk(node: Node) -> Iterator[Node]:
    """A tree and all that is in it."""
    yield node
    if isinstance(node, Call):
        for one in node.arguments:
            yield from _walk(one)


def _numbers(node: Node) -> Iterator[str]:
    """The columns of a tree whose values are computed with."""
    if isinstance(node, Column):
        yield node.name
    elif isinstance(node, Call):
        kinds = [one.kind for one in known_function(node.function).parameters if one.is_tree]
        for position, one in enumerate(node.arguments):
            kind = kinds[min(position, len(kinds) - 1)]  # any number of the last one may follow
            if kind is Kind.FACTORS and isinstance(one, Call) and one.function == "group":
                one = one.arguments[0]
            if not isinstance(one, Column) or kind is Kind.VALUES:
                yield from _numbers(one)


def _looks(node: Node, column: str | None) -> tuple[Span, Span]:
    """The first and the last row that a tree looks at; of one column, or of all."""
    if not isinstance(node, Call):
        return Span(), Span()
    first, last = known_function(node.function).looks(dict(node.options))
    seen = [_looks(one, column) for one in node.arguments if column is None or _uses(one, column)]
    if not seen:
        return Span(), Span()
    inner_first, inner_last = seen[0]
    for one in seen[1:]:
        inner_first, inner_last = inner_first.nearest(one[0]), inner_last.farthest(one[1])
    return first + inner_first, last + inner_last


def _uses(node: Node, column: str) -> bool:
    return any(isinstance(one, Column) and one.name == column for one in _walk(node))


def _seen(node: Node, times: pd.DatetimeIndex, positions: Positions, first: bool) -> Positions:
    """The positions of the first or last rows that a tree looks at from some positions."""
    if not isinstance(node, Call):
        return positions
    looks = known_function(node.function).looks(dict(node.options))
    choose = np.minimum if first else np.maximum
    there = latest(times, positions, looks[0 if first else 1])
    found = positions
    for one in node.arguments:
        found = choose(found, _seen(one, times, there, first))
    return found

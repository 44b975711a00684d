"""The tree of an expression. Two trees are the same where their canonical texts are."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field

from rollq.workers.expressions.span import Span

# Functions that stand without brackets: a column of such a name is written so that it is meant.
ALSO_FUNCTIONS = {
    *("minute", "hour", "weekday", "day", "day_of_year", "week", "month", "quarter", "year", "days_left"),
    *("month_start", "month_end", "quarter_end", "year_end"),
    *("day_sin", "day_cos", "week_sin", "week_cos", "year_sin", "year_cos"),
}
Option = float | bool | str | Span | None


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float
    text: str = field(init=False)

    def __post_init__(self) -> None:
        whole = self.value.is_integer() and abs(self.value) < 1e15
        object.__setattr__(self, "text", str(int(self.value)) if whole else repr(self.value))


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    name: str
    text: str = field(init=False)

    def __post_init__(self) -> None:
        plain = self.name.isidentifier() and not keyword.iskeyword(self.name) and not self.name.startswith("__")
        quoted = f"col({self.name!r})" if "`" in self.name or "\n" in self.name else f"`{self.name}`"
        object.__setattr__(self, "text", self.name if plain and self.name not in ALSO_FUNCTIONS else quoted)


@dataclass(frozen=True)
class Call:
    """A function of the language, of trees and options; operators are functions, too.

    ``text`` is its canonical form: what two calls have in common where they are the same.
    """

    function: str
    arguments: tuple[Node, ...]
    options: tuple[tuple[str, Option], ...]
    text: str

    def option(self, name: str) -> Option:
        """The value of an option."""
        return dict(self.options)[name]


Node = Number | Column | Call


def option_text(value: Option) -> str:
    """An option as it stands in a text."""
    if isinstance(value, float):
        return Number(value).text
    return repr(value) if isinstance(value, str) else str(value)

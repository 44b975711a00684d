"""What a function of the language is: parameters, arithmetic, formula, and how far it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.node import Option
from rollq.workers.expressions.span import Span

Options = Mapping[str, Option]
Compute = Callable[[Grid, Sequence[Values], Options], Values]
Looks = Callable[[Options], tuple[Span, Span]]


class Kind(Enum):
    """What may stand at the place of a parameter."""

    VALUES = "an expression"
    GROUP = "a column of groups"
    FACTORS = "columns of groups, or expressions"  # any number of them
    WINDOW = "a number of steps of at least 1, or a span such as 24h or 7d"
    DISTANCE = "a number of steps, or a span such as 24h or 7d"
    SPAN = "a span such as 24h or 7d"
    STEPS = "a number of steps"
    SHIFT = "a whole number other than 0"
    WHOLE = "a whole number"
    NUMBER = "a number"
    FLAG = "True or False"
    TEXT = "a text in quotes"


class Required(Enum):
    """A parameter without a default."""

    REQUIRED = "required"


REQUIRED: Final = Required.REQUIRED
TREES = (Kind.VALUES, Kind.GROUP, Kind.FACTORS)


@dataclass(frozen=True)
class Parameter:
    """A parameter: its name, what it takes, and the bounds of a number or of steps."""

    name: str
    kind: Kind = Kind.VALUES
    default: Option | Required = REQUIRED
    least: float | None = None
    most: float | None = None

    @property
    def is_tree(self) -> bool:
        """Whether an expression stands there."""
        return self.kind in TREES


def span_of(options: Options, name: str) -> Span:
    """An option that is a window or a distance."""
    return cast(Span, options[name])


def number_of(options: Options, name: str) -> float:
    """An option that is a number."""
    return float(cast(float, options[name]))


def whole_of(options: Options, name: str) -> int | None:
    """An option that is a whole number, or None."""
    return None if options[name] is None else int(number_of(options, name))


def here(_: Options) -> tuple[Span, Span]:
    """It looks at its own row."""
    return Span(), Span()


def back_by_window(options: Options) -> tuple[Span, Span]:
    """It looks at a window that ends here."""
    window = span_of(options, "window")
    # A window of 20 steps begins 19 steps ago. One of 24 hours begins after what lies 24 hours ago, whose being there
    # shows that the window is whole.
    return (Span(steps=1) if window.is_steps else Span()) + -window, Span()


def at_distance(sign: int) -> Looks:
    """It looks at one row so far away: ``sign`` is -1 for the past, 1 for what lies ahead."""

    def looks(options: Options) -> tuple[Span, Span]:
        distance = span_of(options, "distance")
        there = distance if sign > 0 else -distance
        return there, there

    return looks


def back_by_distance(options: Options) -> tuple[Span, Span]:
    """It looks at its own row and at one so far back."""
    there = at_distance(-1)(options)[0]
    return there.nearest(Span()), Span()


@dataclass(frozen=True)
class Function:
    """A function of the language.

    Args:
        name, parameters: how it is called.
        compute: from the grid, the matrices of its trees and its options, the matrix of its values. A matrix may have
            one column alone, where all instruments have the same value, and one row, where all times have.
        formula: what it gives, for the reference.
        example: a call, for the reference.
        looks: the first and the last row that it looks at, as distances from its own.
        across: it looks at the other instruments of its row.
        topic: where it stands in the reference.
        qlib: it is one of Qlib's, with Qlib's semantics.
        check: of all options together: why they do not go together; "" if they do.
    """

    name: str
    parameters: tuple[Parameter, ...]
    compute: Compute
    formula: str
    example: str
    looks: Looks = here
    across: bool = False
    topic: str = ""
    qlib: bool = False
    check: Callable[[Options], str] = lambda options: ""

"""A rolling window: how many rows it has at each time, and how many of them must have a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.span import Positions, Span, window_begins

AT_ONCE = 2**17  # values of a block: what stays in a processor's cache


@dataclass(frozen=True)
class Window:
    """A window that ends at each row.

    Args:
        rows: how many rows it has; one number, or one for each time.
        least: how many of them must have a value; None: all.
    """

    rows: int | Positions
    least: int | None = None

    @classmethod
    def of(cls, times: pd.DatetimeIndex, span: Span, least: int | None = None) -> Window:
        """The window (t - span, t]; where the times begin later, it counts a row without a value more."""
        if span.is_steps:
            return cls(span.steps, least)
        rows = np.arange(len(times)) - window_begins(times, span) + 1
        if len(rows) and (rows == rows[-1]).all():
            return cls(int(rows[-1]), least)
        return cls(rows, least)

    @property
    def most(self) -> int:
        """Rows of the longest."""
        return self.rows if isinstance(self.rows, int) else int(self.rows.max(initial=1))

    @property
    def column(self) -> int | npt.NDArray[np.int64]:
        """``rows`` in a form that broadcasts over instruments."""
        return self.rows if isinstance(self.rows, int) else self.rows[:, None]

    def enough(self, count: Values, at_least: int = 1) -> npt.NDArray[np.bool_]:
        """Where there are values enough, of ``count`` values."""
        needed = self.column if self.least is None else self.least
        return (count >= needed) & (count >= at_least)


def by_columns(function: Callable[..., Values], *inputs: Values, rows_kept: float = 1.0) -> Values:
    """``function`` of matrices, computed in blocks of instruments so that what it keeps besides is small.

    Args:
        inputs: matrices of the same number of rows; those of one column belong to every block.
        rows_kept: how many matrices of the size of a block the function needs at once, about.
    """
    rows = max(len(one) for one in inputs)
    width = max(one.shape[1] for one in inputs)
    at_once = max(1, int(AT_ONCE / rows_kept) // max(rows, 1))
    if width <= at_once:
        return function(*(np.ascontiguousarray(one) for one in inputs))
    result = np.empty((rows, width))
    for part in parts(width, at_once):
        blocks = (one if one.shape[1] == 1 else np.ascontiguousarray(one[:, part]) for one in inputs)
        result[:, part] = function(*blocks)
    return result


def parts(length: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size``, one after the other."""
    for begin in range(0, length, size):
        yield slice(begin, min(begin + size, length))

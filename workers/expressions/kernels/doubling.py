"""Windows by doubling: blocks of 1, 2, 4, ... rows are joined, so that a value depends on its window alone.

The cost is log2(window) passes (the sparse table of Bender and Farach-Colton, The LCA Problem Revisited, 2000; here
blocks do not overlap, because a sum counts each row once). A running sum, as in pandas, would carry the rounding of one
huge value into every later one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.span import Positions

State = tuple[
    Values, ...
]  # what is known of a block of rows that ends at each row; matrices of the same number of rows
# Joins a block, the one of earlier rows that ends where it begins, and the number of rows of the first.
Join = Callable[[State, State, "int | Values"], State]


def folded(state: State, rows: int | Positions, join: Join, empty: Sequence[float]) -> State:
    """The state of the last ``rows`` rows, from that of each row alone.

    Args:
        state: of blocks of one row.
        rows: the length of the window, or one for each row.
        join: of two neighbouring blocks.
        empty: of a block that has no rows, one number for each part of the state.
    """
    if isinstance(rows, int):
        return _folded_alike(state, rows, join, empty)
    return _folded_each(state, rows, join, empty)


def later(values: Values, rows: int, fill: float = np.nan) -> Values:
    """``values`` moved ``rows`` rows down, or up where that is negative; ``fill`` comes in."""
    if rows == 0:
        return values
    result = np.full_like(values, fill)
    if rows > 0:
        result[rows:] = values[:-rows]
    else:
        result[:rows] = values[-rows:]
    return result


def rolling(values: Values, window: int, combine: Callable[[Values, Values], Values]) -> Values:
    """``combine`` (add, maximum, minimum) over the last ``window`` rows; NaN where one of them is missing."""
    return folded((values,), window, lambda new, old, _: (combine(new[0], old[0]),), (np.nan,))[0]


def _folded_alike(state: State, rows: int, join: Join, empty: Sequence[float]) -> State:
    """Windows of one length."""
    result: State | None = None
    size, covered = 1, 0
    while True:
        # The window in binary: each bit that is set takes the block of its size, further back than what is covered so
        # far.
        if rows & size:
            part = _all_later(state, covered, empty)
            result = part if result is None else join(result, part, covered)
            covered += size
        if covered == rows and result is not None:
            return result
        state = join(state, _all_later(state, size, empty), size)
        size *= 2


def _folded_each(state: State, rows: Positions, join: Join, empty: Sequence[float]) -> State:
    """Windows of a length of their own at each row; the same additions in the same order."""
    width = max(one.shape[1] for one in state)
    result = tuple(np.full((len(rows), width), fill) for fill in empty)
    size, covered = 1, np.zeros_like(rows)
    while True:
        chosen = np.flatnonzero(rows & size)
        begins = chosen - covered[chosen]
        part = tuple(_taken(one, begins, width, fill) for one, fill in zip(state, empty, strict=True))
        first = covered[chosen] == 0
        for whole, one in zip(result, part, strict=True):
            whole[chosen[first]] = one[first]
        joined = chosen[~first]
        if len(joined):
            known = tuple(whole[joined] for whole in result)
            more = join(known, tuple(one[~first] for one in part), covered[joined][:, None].astype(np.float64))
            for whole, one in zip(result, more, strict=True):
                whole[joined] = one
        covered[chosen] += size
        if (covered == rows).all():
            return result
        state = join(state, _all_later(state, size, empty), size)
        size *= 2


def _all_later(state: State, rows: int, empty: Sequence[float]) -> State:
    return tuple(later(one, rows, fill) for one, fill in zip(state, empty, strict=True))


def _taken(values: Values, rows: Positions, width: int, fill: float) -> Values:
    """Rows of a matrix by their positions; ``fill`` for those before its first."""
    found = np.where((rows >= 0)[:, None], values[np.maximum(rows, 0)], fill)
    return np.broadcast_to(found, (len(rows), width))

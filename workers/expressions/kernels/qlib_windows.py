"""Windows whose rows are counted from the first that has a value, as Qlib's series begin with the first value of their
instrument.
"""

from __future__ import annotations

import numpy as np

from rollq.workers.expressions.grid import Flags, Values
from rollq.workers.expressions.kernels.doubling import State, folded, later
from rollq.workers.expressions.kernels.sums import known
from rollq.workers.expressions.kernels.window import Window, by_columns


def place_of_highest(values: Values, window: Window) -> Values:
    """The place of the greatest value among the rows of the window, from 1; of equal ones the first.

    A row without a value that lies behind one with a value counts as the greatest, as it does in ``numpy.argmax``,
    which Qlib uses.
    """

    def block(one: Values) -> Values:
        there = np.isfinite(one)
        number, begin, ago = (_highest_with_gaps if _has_gaps(there) else _highest)(one, there, window)
        return np.where(number >= (window.least or 1), begin + 1 - ago, np.nan)

    return by_columns(block, values, rows_kept=10)


def weighted_mean(values: Values, window: Window) -> Values:
    """The sum of j / (1 + ... + m) x[j] over the m rows of the window, divided by the number of its values.

    By its name it would be the sum alone; Qlib takes the mean.
    """

    def block(one: Values) -> Values:
        cleaned, there = known(one)
        zero = np.zeros_like(there)
        state = (there, zero, cleaned, np.zeros_like(cleaned))
        number, begin, total, aged = folded(state, window.rows, _weighted, (0.0,) * 4)
        rows = begin + 1
        found = (rows * total - aged) / (rows * (rows + 1) / 2) / number
        return np.where(window.enough(number), found, np.nan)

    return by_columns(block, values, rows_kept=8)


def _has_gaps(there: Flags) -> bool:
    """Whether a row without a value lies behind one with a value."""
    return bool((np.logical_or.accumulate(there, axis=0) & ~there).any())


def _highest(values: Values, there: Flags, window: Window) -> State:
    """Number of values, how long ago the first was, and how long ago the greatest."""
    number = there.astype(np.float64)
    state = (number, np.zeros_like(number), np.where(there, values, -np.inf), np.zeros_like(number))
    number, begin, _, ago = folded(state, window.rows, _first_greatest, (0.0, 0.0, -np.inf, 0.0))
    return number, begin, ago


def _highest_with_gaps(values: Values, there: Flags, window: Window) -> State:
    """The same, from the oldest row of the windows to the last; a gap stays the greatest once it was found."""
    number, begin = np.zeros_like(values), np.zeros_like(values)
    best, ago = np.full_like(values, -np.inf), np.zeros_like(values)
    cleaned = np.where(there, values, np.nan)
    for back in reversed(range(min(window.most, len(values)))):
        row = later(cleaned, back)
        inside = np.broadcast_to(np.asarray(back < window.column), row.shape)
        known_here = inside & ~np.isnan(row)
        begin = np.where((number == 0) & known_here, back, begin)
        gap = inside & np.isnan(row) & (number > 0)
        number += known_here
        better = (gap & (best < np.inf)) | (known_here & (row > best))
        best = np.where(gap, np.inf, np.where(better, row, best))
        ago = np.where(better, back, ago)
    return number, begin, ago


def _begin(new: State, old: State, rows: int | Values) -> tuple[Values, Values]:
    """Number of values, and how long ago the first was."""
    return new[0] + old[0], np.where(old[0] > 0, old[1] + rows, new[1])


def _first_greatest(new: State, old: State, rows: int | Values) -> State:
    """Number, first, greatest, and how long ago that was; of equal ones the earlier."""
    earlier = (old[2] >= new[2]) & (old[0] > 0)
    return *_begin(new, old, rows), np.maximum(new[2], old[2]), np.where(earlier, old[3] + rows, new[3])


def _weighted(new: State, old: State, rows: int | Values) -> State:
    """Number, first, sum, and sum of the values times how long ago they were."""
    return *_begin(new, old, rows), new[2] + old[2], new[3] + old[3] + rows * old[2]

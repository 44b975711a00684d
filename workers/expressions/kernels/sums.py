"""Sums, counts and extremes of rolling windows."""

from __future__ import annotations

import numpy as np

from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.kernels.doubling import State, folded
from rollq.workers.expressions.kernels.window import Window, by_columns


def known(values: Values) -> tuple[Values, Values]:
    """Values with 0 for those that are missing or not finite, and 1 where one is known; a column alone if all are."""
    there = np.isfinite(values)
    if there.all():
        return values, np.ones((len(values), 1))
    return np.where(there, values, 0.0), there.astype(np.float64)


def count(values: Values, window: Window) -> Values:
    """How many values of the window are known; the rows of the window must not all be there."""

    def block(one: Values) -> Values:
        there = np.isfinite(one).astype(np.float64)
        found = folded((there,), window.rows, _add, (0.0,))[0]
        return np.where(found >= (window.least or 0), found, np.nan)

    return by_columns(block, values, rows_kept=3)


def total(values: Values, window: Window) -> Values:
    """The sum of the known values of the window."""
    return by_columns(lambda one: _totals(one, window)[0], values, rows_kept=4)


def mean(values: Values, window: Window) -> Values:
    """The sum of the known values of the window, divided by their number."""

    def block(one: Values) -> Values:
        found, number = _totals(one, window)
        return found / number

    return by_columns(block, values, rows_kept=4)


def highest(values: Values, window: Window) -> Values:
    """The greatest known value of the window."""
    return by_columns(lambda one: _extreme(one, window), values, rows_kept=4)


def lowest(values: Values, window: Window) -> Values:
    """The smallest known value of the window."""
    return by_columns(lambda one: -_extreme(-one, window), values, rows_kept=4)


def since_highest(values: Values, window: Window) -> Values:
    """Rows since the greatest known value of the window; of equal ones, since the last."""

    def block(one: Values) -> Values:
        cleaned, there = known(one)
        cleaned = np.where(there > 0, cleaned, -np.inf)
        number, _, ago = folded((there, cleaned, np.zeros_like(one)), window.rows, _later_greater, (0.0, -np.inf, 0.0))
        return np.where(window.enough(number), ago, np.nan)

    return by_columns(block, values, rows_kept=8)


def _totals(values: Values, window: Window) -> tuple[Values, Values]:
    """Sum and number of the known values; NaN where they are too few."""
    cleaned, there = known(values)
    found, number = folded((cleaned, there), window.rows, _add, (0.0, 0.0))
    return np.where(window.enough(number), found, np.nan), number


def _extreme(values: Values, window: Window) -> Values:
    """The greatest known value; NaN where they are too few."""
    cleaned, there = known(values)
    cleaned = np.where(there > 0, cleaned, -np.inf)
    number, found = folded((there, cleaned), window.rows, _greater, (0.0, -np.inf))
    return np.where(window.enough(number), found, np.nan)


def _add(new: State, old: State, _: object) -> State:
    return tuple(one + two for one, two in zip(new, old, strict=True))


def _greater(new: State, old: State, _: object) -> State:
    return new[0] + old[0], np.maximum(new[1], old[1])


def _later_greater(new: State, old: State, rows: int | Values) -> State:
    """Number, greatest, and how long ago it was."""
    earlier = old[1] > new[1]
    return new[0] + old[0], np.maximum(new[1], old[1]), np.where(earlier, old[2] + rows, new[2])

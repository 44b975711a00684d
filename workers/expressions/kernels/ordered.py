"""What needs the values of a rolling window in order: quantiles, ranks, distances from the mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.kernels.doubling import later
from rollq.workers.expressions.kernels.sums import known
from rollq.workers.expressions.kernels.window import Window, by_columns, parts

WINDOWS_AT_ONCE = 2**20  # values of the windows that are laid side by side


def quantile(values: Values, window: Window, share: float) -> Values:
    """The value below which a share of the window lies; between two values, on the straight line between them."""

    def of(sides: Values, number: Values) -> Values:
        sides.sort(axis=2)  # values that are missing go to the end
        place = share * (number - 1)
        low = np.clip(np.floor(place), 0, sides.shape[2] - 1).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(number - 1, 0).astype(np.int64))
        below = np.take_along_axis(sides, low[..., None], axis=2)[..., 0]
        above = np.take_along_axis(sides, high[..., None], axis=2)[..., 0]
        return np.where(place > low, below + (above - below) * (place - low), below)

    return _of_windows(values, window, of)


def mean_distance(values: Values, window: Window) -> Values:
    """The mean distance of the values from their mean."""

    def block(one: Values) -> Values:
        cleaned = np.where(np.isfinite(one), one, np.nan)
        total, number = np.zeros_like(cleaned), np.zeros_like(cleaned)
        for there in _backwards(cleaned, window):
            total += np.where(np.isnan(there), 0.0, there)
            number += ~np.isnan(there)
        mean, apart = total / number, np.zeros_like(cleaned)
        for there in _backwards(cleaned, window):
            apart += np.where(np.isnan(there), 0.0, np.abs(there - mean))
        return np.where(window.enough(number), apart / number, np.nan)

    return by_columns(block, values, rows_kept=8)


def rank(values: Values, window: Window) -> Values:
    """The place of the row's value among those of the window, divided by their number; equal ones share places."""

    def block(one: Values) -> Values:
        here = np.where(np.isfinite(one), one, np.nan)
        smaller, equal, number = np.zeros_like(here), np.zeros_like(here), np.zeros_like(here)
        for there in _backwards(here, window):
            smaller += there < here
            equal += there == here
            number += ~np.isnan(there)
        found = (smaller + (equal + 1) / 2) / number
        return np.where(window.enough(number) & ~np.isnan(here), found, np.nan)

    return by_columns(block, values, rows_kept=8)


def _backwards(values: Values, window: Window) -> Iterator[Values]:
    """The values of each row of the window: the row itself, the one before, and so on. Sums in this order depend on the
    window alone.
    """
    for back in range(min(window.most, len(values))):
        there = later(values, back)
        yield there if isinstance(window.rows, int) else np.where(back < window.column, there, np.nan)


def _of_windows(values: Values, window: Window, function: Callable[[Values, Values], Values]) -> Values:
    """A function of windows side by side (times, instruments, rows of the window) and of their numbers."""
    longest = min(window.most, len(values))

    def block(one: Values) -> Values:
        cleaned, there = known(one)
        cleaned = np.where(there > 0, cleaned, np.nan)
        padded = np.concatenate([np.full((longest - 1, one.shape[1]), np.nan), cleaned])
        every = np.lib.stride_tricks.sliding_window_view(padded, longest, axis=0)
        result = np.empty_like(one)
        for part in parts(len(one), max(1, WINDOWS_AT_ONCE // (longest * one.shape[1]))):
            sides = every[part].copy()
            if not isinstance(window.rows, int):
                age = np.arange(longest)[::-1]
                sides[np.broadcast_to(age >= window.rows[part, None, None], sides.shape)] = np.nan
            number = np.count_nonzero(~np.isnan(sides), axis=2).astype(np.float64)
            enough = number >= (_rows(window, part) if window.least is None else window.least)
            result[part] = np.where(enough & (number > 0), function(sides, number), np.nan)
        return result

    return by_columns(block, values, rows_kept=4)


def _rows(window: Window, part: slice) -> int | Values:
    """How many rows the windows of a part have."""
    return window.rows if isinstance(window.rows, int) else window.rows[part, None].astype(np.float64)

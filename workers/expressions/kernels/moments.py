"""Variances, correlations and straight lines of rolling windows.

Two blocks are joined by their means and sums of squared deviations (Chan, Golub and LeVeque, Updating Formulae and a
Pairwise Algorithm for Computing Sample Variances, 1979), so that nothing is lost where a series is far from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.kernels.doubling import State, folded
from rollq.workers.expressions.kernels.sums import known
from rollq.workers.expressions.kernels.window import Window, by_columns


def variance(values: Values, window: Window) -> Values:
    """Sample variance: the sum of squared deviations, divided by the number of values less 1."""

    def block(one: Values) -> Values:
        cleaned, there = known(one)
        number, _, squares = folded((there, cleaned, np.zeros_like(there)), window.rows, _spread, (0.0, 0.0, 0.0))
        return np.where(window.enough(number, 2), squares / (number - 1), np.nan)

    return by_columns(block, values, rows_kept=6)


def deviation(values: Values, window: Window) -> Values:
    """Sample standard deviation."""
    return np.sqrt(variance(values, window))


@dataclass(frozen=True)
class Pair:
    """Of two series where both are known: number, sums of squares and of products of the deviations."""

    number: Values
    xx: Values
    yy: Values
    xy: Values


def of_pairs(x: Values, y: Values, window: Window, function: Callable[[Pair], Values]) -> Values:
    """A function of the pairs of the window; NaN where there are fewer than two."""

    def block(one: Values, two: Values) -> Values:
        pair = _pair(one, two, window)
        return np.where(window.enough(pair.number, 2), function(pair), np.nan)

    return by_columns(block, x, y, rows_kept=12)


def moving_correlation(x: Values, y: Values, window: Window, still: float) -> Values:
    """Pearson's correlation; NaN where one of the two, on its own, has a deviation of at most ``still``."""

    def block(one: Values, two: Values) -> Values:
        pair = _pair(one, two, window)
        found = np.where(window.enough(pair.number, 2), _pearson(pair), np.nan)
        if (np.isfinite(one) == np.isfinite(two)).all():
            # What is known of the pairs is what is known of each.
            limit = still * still * (pair.number - 1)
            return np.where((pair.xx <= limit) | (pair.yy <= limit), np.nan, found)
        return np.where((deviation(one, window) <= still) | (deviation(two, window) <= still), np.nan, found)

    return by_columns(block, x, y, rows_kept=12)


def _pearson(pair: Pair) -> Values:
    return pair.xy / np.sqrt(pair.xx * pair.yy)


def _pair(one: Values, two: Values, window: Window) -> Pair:
    """What is known of the pairs of the windows."""
    there = np.isfinite(one) & np.isfinite(two)
    number = np.ones((len(there), 1)) if there.all() else there.astype(np.float64)
    zero = np.zeros_like(number)
    state = (number, np.where(there, one, 0.0), np.where(there, two, 0.0), zero, zero, zero)
    number, _, _, xx, yy, xy = folded(state, window.rows, _both, (0.0,) * 6)
    return Pair(number, xx, yy, xy)


def covariance(x: Values, y: Values, window: Window) -> Values:
    """Sample covariance."""
    return of_pairs(x, y, window, lambda pair: pair.xy / (pair.number - 1))


def correlation(x: Values, y: Values, window: Window) -> Values:
    """Pearson's correlation; NaN where one of the two stands still."""
    return of_pairs(x, y, window, _pearson)


@dataclass(frozen=True)
class Line:
    """The straight line by least squares through the values of a window, over the numbers of their rows."""

    last: Values  # the value of the row itself
    position: Values  # the mean of the positions; the row itself is at 0, those before it below
    mean: Values  # of the values
    tt: Values  # sums of squares and products of the deviations
    ty: Values
    yy: Values

    @property
    def slope(self) -> Values:
        """Change of the line in a step."""
        return self.ty / self.tt

    @property
    def share(self) -> Values:
        """R squared: what of the variance the line explains."""
        return self.ty * self.ty / (self.tt * self.yy)

    @property
    def rest(self) -> Values:
        """The value of the row less that of the line."""
        return self.last - (self.mean - self.slope * self.position)


def of_lines(values: Values, window: Window, function: Callable[[Line], Values]) -> Values:
    """A function of the line through the window; NaN where there are fewer than two values."""

    def block(one: Values) -> Values:
        cleaned, there = known(one)
        zero = np.zeros_like(there)
        state = (there, zero, cleaned, zero, zero, zero)
        number, position, mean, tt, ty, yy = folded(state, window.rows, _line, (0.0,) * 6)
        found = function(Line(one, position, mean, tt, ty, yy))
        return np.where(window.enough(number, 2), found, np.nan)

    return by_columns(block, values, rows_kept=12)


def _shares(new: State, old: State) -> tuple[Values, Values, Values]:
    """The number of both, the share of the old ones, and what the squares of a difference of means count."""
    number = new[0] + old[0]
    share = old[0] / np.maximum(number, 1)
    return number, share, new[0] * share


def _spread(new: State, old: State, _: object) -> State:
    """Number, mean, squares."""
    number, share, weight = _shares(new, old)
    apart = old[1] - new[1]
    return number, new[1] + apart * share, new[2] + old[2] + apart * apart * weight


def _both(new: State, old: State, _: object) -> State:
    """Number, two means, their squares, their products."""
    number, share, weight = _shares(new, old)
    x, y = old[1] - new[1], old[2] - new[2]
    squares = new[3] + old[3] + x * x * weight, new[4] + old[4] + y * y * weight
    return number, new[1] + x * share, new[2] + y * share, *squares, new[5] + old[5] + x * y * weight


def _line(new: State, old: State, rows: int | Values) -> State:
    """Number, mean position, mean value, squares of positions, products, squares of values."""
    number, share, weight = _shares(new, old)
    # An empty block has no position: its share is 0, or that of the other one is.
    t, y = old[1] - rows - new[1], old[2] - new[2]
    products = new[3] + old[3] + t * t * weight, new[4] + old[4] + t * y * weight, new[5] + old[5] + y * y * weight
    return number, new[1] + t * share, new[2] + y * share, *products

"""Skewness and kurtosis of rolling windows, by moments of blocks that are joined.

The formulas for two blocks are Pébay's (Formulas for Robust, One-Pass Parallel Computation of Covariances and
Arbitrary-Order Statistical Moments, 2008).
"""

from __future__ import annotations

import numpy as np

from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.kernels.doubling import State, folded
from rollq.workers.expressions.kernels.sums import known
from rollq.workers.expressions.kernels.window import Window, by_columns


def skewness(values: Values, window: Window) -> Values:
    """Sample skewness, n sqrt(n - 1) / (n - 2) * m3 / m2^1.5 of the sums of powers of the deviations."""

    def block(one: Values) -> Values:
        number, second, third, _ = _moments(one, window)
        found = number * np.sqrt(number - 1) / (number - 2) * third / second**1.5
        return np.where(window.enough(number, 3), found, np.nan)

    return by_columns(block, values, rows_kept=12)


def kurtosis(values: Values, window: Window) -> Values:
    """Sample excess kurtosis, (n - 1) / ((n - 2)(n - 3)) * ((n + 1) n m4 / m2^2 - 3 (n - 1))."""

    def block(one: Values) -> Values:
        number, second, _, fourth = _moments(one, window)
        inner = (number + 1) * number * fourth / second**2 - 3 * (number - 1)
        found = (number - 1) / ((number - 2) * (number - 3)) * inner
        return np.where(window.enough(number, 4), found, np.nan)

    return by_columns(block, values, rows_kept=12)


def _moments(values: Values, window: Window) -> State:
    """Number, and sums of the second, third and fourth powers of the deviations."""
    cleaned, there = known(values)
    zero = np.zeros_like(there)
    number, _, second, third, fourth = folded((there, cleaned, zero, zero, zero), window.rows, _join, (0.0,) * 5)
    return number, second, third, fourth


def _join(new: State, old: State, _: object) -> State:
    """The moments of two neighbouring blocks."""
    a, b = new[0], old[0]
    number = a + b
    n = np.maximum(number, 1)
    d = old[1] - new[1]
    share = d / n  # what the mean moves by, for each old value
    second = new[2] + old[2] + d * share * a * b
    third = new[3] + old[3] + d * share**2 * a * b * (a - b) + 3 * share * (a * old[2] - b * new[2])
    fourth = new[4] + old[4] + d * share**3 * a * b * (a * a - a * b + b * b)
    fourth += 6 * share**2 * (a * a * old[2] + b * b * new[2]) + 4 * share * (a * old[3] - b * new[3])
    return number, new[1] + share * b, second, third, fourth

"""Means whose weights fall off exponentially. They end where what is left out would not count, so that they, too,
depend on a window alone.
"""

from __future__ import annotations

import math

import numpy as np

from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.kernels.doubling import State, folded
from rollq.workers.expressions.kernels.sums import known
from rollq.workers.expressions.kernels.window import by_columns

NEGLIGIBLE = 1e-9  # a weight, beside that of the row itself, from which on rows are left out


def rows_of(decay: float) -> int:
    """Rows of the window of a decay: how many have a weight that counts."""
    return max(1, math.ceil(math.log(NEGLIGIBLE) / math.log(decay))) if decay > 0 else 1


def decayed_mean(values: Values, decay: float, least: int) -> Values:
    """sum of decay^k x[t - k], divided by the sum of decay^k of the values that are known."""

    def join(new: State, old: State, rows: int | Values) -> State:
        less = decay**rows
        return new[0] + old[0], new[1] + old[1] * less, new[2] + old[2] * less

    def block(one: Values) -> Values:
        cleaned, there = known(one)
        number, weight, total = folded((there, there, cleaned), rows_of(decay), join, (0.0, 0.0, 0.0))
        return np.where(number >= least, total / weight, np.nan)

    return by_columns(block, values, rows_kept=6)

"""The five features of closes that rollq began with. Their bits stay: panels and models are known by them."""

from __future__ import annotations

import numpy as np

from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.kernels.doubling import later, rolling


def momentum(close: Values, window: int) -> Values:
    """close[t] / close[t - window] - 1 (Jegadeesh and Titman, 1993, whose windows are 3 to 12 months)."""
    return close / later(close, window) - 1


def volatility(close: Values, window: int) -> Values:
    """Sample standard deviation of the last ``window`` log returns.

    By sums and sums of squares, s^2 = (sum r^2 - (sum r)^2 / n) / (n - 1), because sums of blocks can be joined.
    """
    logs = np.log(close)
    returns = logs - later(logs, 1)
    total, squares = rolling(returns, window, np.add), rolling(returns**2, window, np.add)
    variance = (squares - total**2 / window) / (window - 1)
    # Where all returns are nearly equal, the difference of the two sums may round to a little below zero.
    return np.sqrt(np.where(variance < 0, 0.0, variance))


def ma_distance(close: Values, window: int) -> Values:
    """close[t] / mean of the last ``window`` closes - 1."""
    return close / (rolling(close, window, np.add) / window) - 1


def high_distance(close: Values, window: int) -> Values:
    """close[t] / highest of the last ``window`` closes - 1 (George and Hwang, 2004, with 52 weeks)."""
    return close / rolling(close, window, np.maximum) - 1


def low_distance(close: Values, window: int) -> Values:
    """close[t] / lowest of the last ``window`` closes - 1."""
    return close / rolling(close, window, np.minimum) - 1

"""Slow, obvious twins of the functions of windows and of rows: plain Python, one value at a time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

NAN = math.nan
Window = Sequence[float]  # the rows of a window, the oldest first; NaN where there is no value
Twin = Callable[[Window], float]


def there(window: Window) -> list[float]:
    """The values of a window."""
    return [one for one in window if math.isfinite(one)]


def line(window: Window) -> tuple[float, float, float]:
    """Slope, value of the line at the last row, R squared."""
    points = [(place, one) for place, one in enumerate(window) if math.isfinite(one)]
    t_mean = sum(t for t, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    tt = sum((t - t_mean) ** 2 for t, _ in points)
    ty = sum((t - t_mean) * (y - y_mean) for t, y in points)
    yy = sum((y - y_mean) ** 2 for _, y in points)
    slope = ty / tt
    share = ty**2 / (tt * yy) if yy > 0 else NAN
    return slope, y_mean + slope * (len(window) - 1 - t_mean), share


def power(window: Window, exponent: int) -> float:
    """The sum of a power of the distances from the mean."""
    values = there(window)
    mean = sum(values) / len(values)
    return sum((one - mean) ** exponent for one in values)


def skew(window: Window) -> float:
    n, m2 = len(there(window)), power(window, 2)
    return n * math.sqrt(n - 1) / (n - 2) * power(window, 3) / m2**1.5 if m2 > 0 else NAN


def kurt(window: Window) -> float:
    n, m2 = len(there(window)), power(window, 2)
    if m2 == 0:
        return NAN
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * n * power(window, 4) / m2**2 - 3 * (n - 1))


def quantile(window: Window, share: float) -> float:
    values = sorted(there(window))
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def place_of(one: float, values: Sequence[float]) -> float:
    """The mean of the places that a value has among others, from 1."""
    smaller = sum(other < one for other in values)
    return smaller + (sum(other == one for other in values) + 1) / 2


def ts_rank(window: Window) -> float:
    values = there(window)
    return place_of(window[-1], values) / len(values) if math.isfinite(window[-1]) else NAN


def since(window: Window, choose: Callable[[list[float]], float]) -> float:
    best = choose(there(window))
    return next(back for back, one in enumerate(reversed(window)) if one == best)


def mean_distance(window: Window) -> float:
    values = there(window)
    mean = sum(values) / len(values)
    return sum(abs(one - mean) for one in values) / len(values)


# Of each function of one window: its twin, and how many values it needs at least.
WINDOWS: dict[str, tuple[Twin, int]] = {
    "mean": (lambda window: sum(there(window)) / len(there(window)), 1),
    "sum": (lambda window: sum(there(window)), 1),
    "max": (lambda window: max(there(window)), 1),
    "min": (lambda window: min(there(window)), 1),
    "argmax": (lambda window: since(window, max), 1),
    "argmin": (lambda window: since(window, min), 1),
    "var": (lambda window: statistics.variance(there(window)), 2),
    "std": (lambda window: statistics.stdev(there(window)), 2),
    "skew": (skew, 3),
    "kurt": (kurt, 4),
    "mad": (mean_distance, 1),
    "median": (lambda window: statistics.median(there(window)), 1),
    "ts_rank": (ts_rank, 1),
    "slope": (lambda window: line(window)[0], 2),
    "resi": (lambda window: window[-1] - line(window)[1], 2),
    "rsquare": (lambda window: line(window)[2], 2),
}


def covariance(x: Window, y: Window) -> float:
    pairs = [(one, two) for one, two in zip(x, y, strict=True) if math.isfinite(one) and math.isfinite(two)]
    x_mean, y_mean = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    return sum((one - x_mean) * (two - y_mean) for one, two in pairs) / (len(pairs) - 1)


def correlation(x: Window, y: Window) -> float:
    pairs = [(one, two) for one, two in zip(x, y, strict=True) if math.isfinite(one) and math.isfinite(two)]
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    spread = math.sqrt(covariance(left, left) * covariance(right, right))
    return covariance(left, right) / spread if spread > 0 else NAN


PAIRS: dict[str, Callable[[Window, Window], float]] = {"cov": covariance, "corr": correlation}

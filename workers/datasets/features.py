"""Features of prices. Each looks back only: a session's value uses its own close and earlier ones.

Input and output are wide frames: sessions x instruments. A gap in prices gives NaN, never a stale value. A value
depends on nothing but the closes of its look-back, to the last bit: a longer history does not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError

Values = npt.NDArray[np.float64]


def momentum(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """close[t] / close[t - window] - 1 (Jegadeesh and Titman, 1993, whose windows are 3 to 12 months)."""
    return close / close.shift(window) - 1


def volatility(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """Sample standard deviation of the last ``window`` daily log returns.

    By sums and sums of squares, s^2 = (sum r^2 - (sum r)^2 / n) / (n - 1), because sums of blocks can be joined.
    """
    returns = log_returns(close)
    total, squares = rolling(returns, window, np.add), rolling(returns**2, window, np.add)
    variance = (squares - total**2 / window) / (window - 1)
    # Where all returns are nearly equal, the difference of the two sums may round to a little below zero.
    return variance.clip(lower=0) ** 0.5


def ma_distance(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """close[t] / mean of the last ``window`` closes - 1."""
    return close / (rolling(close, window, np.add) / window) - 1


def high_distance(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """close[t] / highest of the last ``window`` closes - 1 (George and Hwang, 2004, with 52 weeks)."""
    return close / rolling(close, window, np.maximum) - 1


def low_distance(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """close[t] / lowest of the last ``window`` closes - 1."""
    return close / rolling(close, window, np.minimum) - 1


@dataclass(frozen=True)
class Feature:
    """An op: its function of (close, window), and how many sessions before t a value of t reaches back."""

    function: Callable[[pd.DataFrame, int], pd.DataFrame]
    lookback: Callable[[int], int]
    least: int = 2  # shortest window that says anything


FEATURES: dict[str, Feature] = {
    "momentum": Feature(momentum, lambda window: window, least=1),
    "volatility": Feature(volatility, lambda window: window),
    "ma_distance": Feature(ma_distance, lambda window: window - 1),
    "high_distance": Feature(high_distance, lambda window: window - 1),
    "low_distance": Feature(low_distance, lambda window: window - 1),
}


def rolling(frame: pd.DataFrame, window: int, combine: Callable[[Values, Values], Values]) -> pd.DataFrame:
    """``combine`` (add, maximum, minimum) over the last ``window`` sessions; NaN where one of them is missing.

    Blocks of 1, 2, 4, ... sessions are joined, so that the cost is log2(window) passes (the sparse table of Bender and
    Farach-Colton, The LCA Problem Revisited, 2000; here blocks do not overlap, because a sum counts each session once).
    A running sum, as in pandas, would carry the rounding of one huge close into every later value.
    """
    block = frame.to_numpy(dtype=np.float64)
    result: Values | None = None
    size, covered = 1, 0
    while covered < window:
        # The window in binary: each bit that is set takes the block of its size, further back than what is covered so
        # far.
        if window & size:
            part = _later(block, covered)
            result = part if result is None else combine(result, part)
            covered += size
        block = combine(block, _later(block, size))
        size *= 2
    return pd.DataFrame(result, index=frame.index, columns=frame.columns)


def _later(values: Values, sessions: int) -> Values:
    """``values`` moved ``sessions`` rows down; NaN comes in."""
    if sessions == 0:
        return values
    moved = np.full_like(values, np.nan)
    moved[sessions:] = values[:-sessions]
    return moved


def log_returns(close: pd.DataFrame) -> pd.DataFrame:
    """log(close[t] / close[t - 1])."""
    return np.log(close).diff()


def check_features(specs: object, key: str = "dataset.kwargs.features") -> list[tuple[str, str, int]]:
    """(name, op, window) of each feature, for example ``("momentum_5", "momentum", 5)``.

    Raises:
        TemplateError: a key or op is unknown, or a window is no whole number above 0.
    """
    if not isinstance(specs, Sequence) or isinstance(specs, str) or not specs:
        raise TemplateError("features is a list.", "Write - {op: momentum, windows: [5, 20]} under it.", key)
    found: list[tuple[str, str, int]] = []
    for position, spec in enumerate(specs):
        found.extend(_expand(spec, f"{key}[{position}]"))
    names = [name for name, _, _ in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise TemplateError(f"{doubled[0]} is there twice.", "Name each op and window once.", key)
    return found


def compute(close: pd.DataFrame, features: Sequence[tuple[str, str, int]]) -> Iterator[pd.DataFrame]:
    """The wide frame of each feature, in order."""
    for _, op, window in features:
        yield FEATURES[op].function(close, window)


def lookback(features: Sequence[tuple[str, str, int]]) -> int:
    """Sessions before t that the features of t reach back, at most."""
    return max(FEATURES[op].lookback(window) for _, op, window in features)


def _expand(spec: object, key: str) -> Iterator[tuple[str, str, int]]:
    """The (name, op, window) of one entry of ``features``, one for each of its windows."""
    if not isinstance(spec, Mapping):
        raise TemplateError("a feature is a mapping.", "Write {op: momentum, windows: [5, 20]}.", key)
    for name in spec:
        if name not in ("op", "windows"):
            raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), ("op", "windows")), f"{key}.{name}")
    op, windows = spec.get("op"), spec.get("windows")
    if not isinstance(op, str) or op not in FEATURES:
        raise TemplateError(f"the feature {op!r} is unknown.", did_you_mean(str(op), FEATURES), f"{key}.op")
    if not isinstance(windows, Sequence) or isinstance(windows, str) or not windows:
        raise TemplateError("windows is a list of sessions.", "Write windows: [5, 20].", f"{key}.windows")
    for window in windows:
        least = FEATURES[op].least
        if isinstance(window, bool) or not isinstance(window, int) or window < least:
            raise TemplateError(f"{window!r} sessions are not possible.", f"Use at least {least}.", f"{key}.windows")
        yield f"{op}_{window}", str(op), window

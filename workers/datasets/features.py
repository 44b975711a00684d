"""Features of prices. Each looks back only: a session's value uses its own close and earlier ones.

Input and output are wide frames: sessions x instruments. A gap in prices gives NaN, never a stale value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.components import did_you_mean
from tasks.errors import TemplateError

Feature = Callable[[pd.DataFrame, int], pd.DataFrame]


def momentum(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """close[t] / close[t - window] - 1."""
    return close / close.shift(window) - 1


def volatility(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """Sample standard deviation of the last ``window`` daily log returns."""
    return log_returns(close).rolling(window).std()


def ma_distance(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """close[t] / mean of the last ``window`` closes - 1."""
    return close / close.rolling(window).mean() - 1


def high_distance(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """close[t] / highest of the last ``window`` closes - 1."""
    return close / close.rolling(window).max() - 1


def low_distance(close: pd.DataFrame, window: int) -> pd.DataFrame:
    """close[t] / lowest of the last ``window`` closes - 1."""
    return close / close.rolling(window).min() - 1


FEATURES: dict[str, Feature] = {
    function.__name__: function for function in (momentum, volatility, ma_distance, high_distance, low_distance)
}


def log_returns(close: pd.DataFrame) -> pd.DataFrame:
    """log(close[t] / close[t - 1])."""
    return np.log(close).diff()


def check_features(specs: Any, key: str = "dataset.kwargs.features") -> list[tuple[str, str, int]]:
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
        yield FEATURES[op](close, window)


def _expand(spec: Any, key: str) -> Iterator[tuple[str, str, int]]:
    if not isinstance(spec, Mapping):
        raise TemplateError("a feature is a mapping.", "Write {op: momentum, windows: [5, 20]}.", key)
    for name in spec:
        if name not in ("op", "windows"):
            raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), ("op", "windows")), f"{key}.{name}")
    op, windows = spec.get("op"), spec.get("windows")
    if op not in FEATURES:
        raise TemplateError(f"the feature {op!r} is unknown.", did_you_mean(str(op), FEATURES), f"{key}.op")
    if not isinstance(windows, Sequence) or isinstance(windows, str) or not windows:
        raise TemplateError("windows is a list of sessions.", "Write windows: [5, 20].", f"{key}.windows")
    for window in windows:
        least = 2 if op == "volatility" else 1
        if isinstance(window, bool) or not isinstance(window, int) or window < least:
            raise TemplateError(f"{window!r} sessions are not possible.", f"Use at least {least}.", f"{key}.windows")
        yield f"{op}_{window}", str(op), window

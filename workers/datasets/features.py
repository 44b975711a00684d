"""Features of prices. Each looks back only: a session's value uses its own close and earlier ones.

Input and output are wide frames: sessions x instruments. A gap in prices gives NaN, never a stale value. A value
depends on nothing but the closes of its look-back, to the last bit: a longer history does not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.kernels import price_features


@dataclass(frozen=True)
class Feature:
    """An op: its function of (close, window), and how many sessions before t a value of t reaches back."""

    function: Callable[[Values, int], Values]
    lookback: Callable[[int], int]
    least: int = 2  # shortest window that says anything


FEATURES: dict[str, Feature] = {
    "momentum": Feature(price_features.momentum, lambda window: window, least=1),
    "volatility": Feature(price_features.volatility, lambda window: window),
    "ma_distance": Feature(price_features.ma_distance, lambda window: window - 1),
    "high_distance": Feature(price_features.high_distance, lambda window: window - 1),
    "low_distance": Feature(price_features.low_distance, lambda window: window - 1),
}


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
        yield applied(FEATURES[op].function, close, window)


def applied(function: Callable[[Values, int], Values], close: pd.DataFrame, window: int) -> pd.DataFrame:
    """A function of closes and a window, on a wide frame."""
    with np.errstate(all="ignore"):
        values = function(close.to_numpy(dtype=np.float64), window)
    return pd.DataFrame(values, index=close.index, columns=close.columns)


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

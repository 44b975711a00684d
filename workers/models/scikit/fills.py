"""What stands for a missing feature: found on train, one value for each feature."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rollq.tasks.errors import ComponentError

Values = npt.NDArray[np.float64]
KINDS = ("median", "mean")
UNKNOWN = -1.0  # the code of an unknown category


def check_fill(fill: object) -> None:
    """Refuse what is neither a kind nor a number.

    Raises:
        ComponentError: it is none.
    """
    number = isinstance(fill, int | float) and not isinstance(fill, bool) and math.isfinite(fill)
    if fill is not None and not number and fill not in KINDS:
        raise ComponentError(f"{fill!r} is unknown.", "Use median, mean or a number.", "model.kwargs.fill")


def fills_of(fill: object, features: Values, categories: list[int]) -> list[float]:
    """A value for each feature.

    Args:
        fill: ``median``, ``mean`` or a number.
        features: train: rows x features; a feature without any value is filled with 0.
        categories: positions of those that are codes: they get that of an unknown category.
    """
    if isinstance(fill, str):
        known = ~np.isnan(features)
        summary = np.median if fill == "median" else np.mean
        found = [
            float(summary(column[there])) if there.any() else 0.0
            for column, there in zip(features.T, known.T, strict=True)
        ]
    else:
        found = [float(str(fill))] * features.shape[1]
    for place in categories:
        found[place] = UNKNOWN
    return found


def filled(features: Values, fills: list[float]) -> Values:
    """A copy of rows x features without NaN."""
    return np.where(np.isnan(features), np.array(fills), features)

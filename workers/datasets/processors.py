"""Processors change features. Those that learn something learn it from the window's own train segment alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError

Matrix = npt.NDArray[np.float32]
State = Mapping[str, Sequence[float]]
OPS = {"zscore": {"clip"}, "robust_zscore": {"clip"}, "fill_na": {"value"}}


def check_processors(specs: object, key: str = "dataset.kwargs.processors") -> list[dict[str, object]]:
    """The processors that a template describes.

    Raises:
        TemplateError: a key or op is unknown.
    """
    if not isinstance(specs, Sequence) or isinstance(specs, str):
        raise TemplateError("processors is a list.", "Write - {op: zscore} under it.", key)
    for position, spec in enumerate(specs):
        where = f"{key}[{position}]"
        op = spec.get("op") if isinstance(spec, Mapping) else spec
        if not isinstance(spec, Mapping) or not isinstance(op, str) or op not in OPS:
            raise TemplateError(f"the processor {op!r} is unknown.", did_you_mean(str(op), OPS), f"{where}.op")
        for name, value in spec.items():
            if name not in {"op", *OPS[str(op)]}:
                raise TemplateError(f"unknown key {name!r}.", did_you_mean(name, OPS[str(op)]), f"{where}.{name}")
            if name != "op" and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise TemplateError(f"{value!r} is not a number.", "Use a number.", f"{where}.{name}")
            if name == "clip" and not value > 0:
                raise TemplateError(f"{value!r} leaves nothing.", "Use a number above 0.", f"{where}.{name}")
    return [dict(spec) for spec in specs]


def fit(specs: Sequence[Mapping[str, object]], train: Matrix) -> list[State]:
    """What each processor learns from the features of train (rows x features), as JSON-able state."""
    states: list[State] = []
    for spec in specs:
        state = _learn(spec, train)
        states.append(state)
        # Each learns from what the ones before it leave, as features go through them later.
        train = _apply_one(spec, state, train)
    return states


def apply(specs: Sequence[Mapping[str, object]], states: Sequence[State], features: Matrix) -> Matrix:
    """The features after all processors."""
    for spec, state in zip(specs, states, strict=True):
        features = _apply_one(spec, state, features)
    return features


def _learn(spec: Mapping[str, object], train: Matrix) -> State:
    """What one processor learns from train: a centre and a scale per feature; of zscore the mean and the deviation with
    n.

    ``robust_zscore`` takes the median and the median absolute deviation instead (Hampel, 1974; Qlib's
    RobustZScoreNorm).
    """
    if spec["op"] == "fill_na":
        return {}
    exact = train.astype(np.float64)
    with np.errstate(all="ignore"):
        if spec["op"] == "zscore":
            centre, scale = _nan(np.nanmean, exact), _nan(np.nanstd, exact)
        else:
            # 1.4826: the median absolute deviation of a normal distribution is 1/1.4826 of its standard deviation.
            centre = _nan(np.nanmedian, exact)
            scale = 1.4826 * _nan(np.nanmedian, np.abs(exact - centre))
    # A feature that is the same everywhere is centred and no more; the negation catches NaN, too.
    scale[~(scale > 0)] = 1.0
    return {"centre": centre.tolist(), "scale": scale.tolist()}


def _nan(function: Callable[..., object], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``function`` over rows, 0 for a feature without a value (numpy would warn)."""
    filled = np.where(np.isnan(values).all(axis=0), 0.0, values)
    return np.asarray(function(filled, axis=0), dtype=np.float64)


def _apply_one(spec: Mapping[str, object], state: State, features: Matrix) -> Matrix:
    if spec["op"] == "fill_na":
        filled: Matrix = np.where(np.isnan(features), np.float32(_amount(spec, "value") or 0.0), features)
        return filled
    scaled = (features - np.array(state["centre"])) / np.array(state["scale"])
    clip = _amount(spec, "clip")
    clipped: Matrix = (scaled if clip is None else np.clip(scaled, -clip, clip)).astype(np.float32)
    return clipped


def _amount(spec: Mapping[str, object], name: str) -> float | None:
    value = spec.get(name)
    return value if isinstance(value, int | float) else None

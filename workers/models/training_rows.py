"""What models ask of a dataset: rows whose label is known, and features that are known by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.errors import PermanentError, StateError

TRAIN = "train"
Fitted = TypeVar("Fitted")


@dataclass(frozen=True)
class Rows:
    """Rows to learn from: ``features`` (rows x features, may hold NaN), ``label`` (rows, no NaN), feature ``names``,
    ``index`` (datetime, instrument), and ``weight`` (rows, above 0), if the dataset has weights.
    """

    features: npt.NDArray[np.generic]
    label: npt.NDArray[np.generic]
    names: list[str]
    index: pd.MultiIndex
    weight: npt.NDArray[np.float64] | None = None


def known_rows(dataset: Dataset, segment: str) -> Rows:
    """The rows of a segment that have a label, and a weight, where there are weights.

    Raises:
        PermanentError: none has one, a weight is negative or infinite, or every feature of train is NaN.
    """
    frame = dataset.prepare(segment, "feature")
    features, index = frame.to_numpy(), frame.index
    label = dataset.prepare(segment, "label").to_numpy().ravel()
    weight = _weight(dataset, segment)
    # A row without a weight, or with none, has nothing to say.
    known = ~np.isnan(label) if weight is None else ~np.isnan(label) & (weight > 0)
    if not known.any():
        raise PermanentError(f"The segment {segment} has no row with a label.", "Look at its data.")
    if not known.all():
        features, label, index = features[known], label[known], index[known]
        weight = None if weight is None else weight[known]
    if segment == TRAIN and np.isnan(features).all():
        raise PermanentError("Every feature of train is NaN.", "Start train later, or use shorter windows.")
    return Rows(features, label, _names(frame), index, weight)


def features_like(fitted: list[str], dataset: Dataset, segment: str) -> pd.DataFrame:
    """The features of a segment, if they are those that a model was fitted on.

    Raises:
        PermanentError: they are others.
    """
    frame = dataset.prepare(segment, "feature")
    check_names(fitted, _names(frame))
    return frame


def check_names(fitted: list[str], given: list[str]) -> None:
    """Refuse other features than the fitted ones, or another order.

    Raises:
        PermanentError: it names those that are missing or unknown.
    """
    # The order counts: models know features by their position.
    if given != fitted:
        raise PermanentError(f"The model was fitted on other features: {_difference(fitted, given)}.")


def need_fitted(value: Fitted | None) -> Fitted:
    """What ``fit`` made.

    Raises:
        StateError: nothing yet.
    """
    if value is None:
        raise StateError("The model is not fitted.", "Call fit, or load a saved one.")
    return value


def _weight(dataset: Dataset, segment: str) -> npt.NDArray[np.float64] | None:
    """The weights of a segment's rows; None where the dataset has none."""
    if not getattr(dataset, "weighted", False):  # a dataset need not be a ``rollq.Dataset``
        return None
    weight: npt.NDArray[np.float64] = dataset.prepare(segment, "weight").to_numpy(np.float64).ravel()
    for wrong, found in (("a negative", weight < 0), ("an infinite", np.isinf(weight))):
        if found.any():
            raise PermanentError(f"The segment {segment} has {wrong} weight.", "Look at dataset.kwargs.weight.")
    return weight


def _names(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns]


def _difference(fitted: Iterable[str], given: Iterable[str]) -> str:
    one, other = set(fitted), set(given)
    parts = [f"missing {', '.join(sorted(one - other))}"] if one - other else []
    parts += [f"unknown {', '.join(sorted(other - one))}"] if other - one else []
    return "; ".join(parts) or "their order differs"

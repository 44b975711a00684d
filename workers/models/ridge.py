"""Ridge regression, saved as its coefficients."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Checkpoint, Model
from rollq.tasks.errors import ComponentError, PermanentError
from rollq.workers.models.learning.packages import need_package
from rollq.workers.models.training_rows import TRAIN, features_like, known_rows, need_fitted

FILE = "ridge.json"


@dataclass(frozen=True)
class Line:
    """What was learned: a weight for each feature, and what is added to their sum."""

    weights: tuple[float, ...]
    intercept: float


class RidgeModel(Model):
    """Linear regression with an L2 penalty (Hoerl and Kennard, 1970), solved by scikit-learn's ``Ridge``.

    A feature that is NaN counts as 0: features are ranks of the day, centred on 0, so that is the middle of the day.
    With ``normalize: none``, put a processor ``zscore`` before it, or 0 is no middle.

    Args:
        alpha: weight of the penalty, above 0.
        fit_intercept: learn what is added to every score, too.

    Raises:
        ComponentError: scikit-learn is not installed, or a value is out of range.
    """

    def __init__(self, alpha: float = 1.0, fit_intercept: bool = True) -> None:
        """scikit-learn is only looked for, not imported: a template is checked with the model made, and the import
        takes a second.
        """
        need_package("sklearn", "sklearn", "RidgeModel")
        _check(alpha, fit_intercept)
        self._kwargs = {"alpha": float(alpha), "fit_intercept": fit_intercept}
        self._features: list[str] = []
        self._line: Line | None = None

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Solve ``train``, with weights if it has some; ``valid`` is not used. Rows without a label are left out.

        Raises:
            ComponentError: ``init_model`` is given; there is one solution, wherever one starts.
            PermanentError: train has no row with a label or no feature with a value, or holds infinite values.
        """
        if init_model is not None:
            raise ComponentError("a RidgeModel cannot start from another model.", "Leave out warm_start.", "init_model")
        rows = known_rows(dataset, TRAIN)
        features, label = _exact(rows.features), rows.label.astype(np.float64)
        if not (np.isfinite(features).all() and np.isfinite(label).all()):
            raise PermanentError("Train holds infinite values.", "Look at its prices, or use normalize: rank.")
        if checkpoint is not None:
            checkpoint()
        self._line = _solve(features, label, rows.weight, **self._kwargs)
        self._features = rows.names

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """Scores of a segment.

        Raises:
            StateError: the model is not fitted.
            PermanentError: the dataset has other features than the model was fitted on.
        """
        line = need_fitted(self._line)
        features = features_like(self._features, dataset, segment)
        scores = np.full(len(features), line.intercept)
        # Feature by feature and no matrix product: BLAS rounds a row differently in other company, and a day must have
        # the same scores whether it is predicted alone or with others.
        for column, weight in zip(features.to_numpy().T, line.weights, strict=True):
            scores += _exact(column) * weight
        return pd.Series(scores, index=features.index, name="score")

    def save(self, folder: Path) -> None:
        """Write ``ridge.json``: the arguments, the features, their weights and the intercept, to the last bit."""
        # No MLmodel: MLflow keeps models of scikit-learn as pickles, and a loader of our own would need rollq there.
        line = need_fitted(self._line)
        content = {"kwargs": self._kwargs, "features": self._features, "weights": line.weights}
        text = json.dumps({**content, "intercept": line.intercept}, indent=1, sort_keys=True, allow_nan=False)
        (folder / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        model = cls(**content["kwargs"])
        model._features = content["features"]
        model._line = Line(tuple(content["weights"]), content["intercept"])
        return model


def _check(alpha: object, fit_intercept: object) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < math.inf:
        raise ComponentError(f"{alpha!r} is no penalty.", "Use a number above 0.", "model.kwargs.alpha")
    if not isinstance(fit_intercept, bool):
        raise ComponentError(f"{fit_intercept!r} is no answer.", "Use true or false.", "model.kwargs.fit_intercept")


def _exact(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """A copy as float64, with 0 for NaN."""
    exact = values.astype(np.float64)
    exact[np.isnan(exact)] = 0.0
    return exact


def _solve(
    features: npt.NDArray[np.float64],
    label: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64] | None,
    **kwargs: object,
) -> Line:
    """Minimise ``sum(weight (label - features w - b)^2) + alpha |w|^2``; ``features`` are overwritten."""
    from sklearn.linear_model import Ridge  # a second to import: only where it is needed
    from threadpoolctl import threadpool_limits

    # A worker has one thread; and with several, sums would be cut, and so rounded, by how many there are.
    with threadpool_limits(1):
        # Cholesky's solution is exact and has no tolerance or random start, so it is the same on every run.
        ridge = Ridge(**kwargs, solver="cholesky", copy_X=False).fit(features, label, weight)
    return Line(tuple(float(weight) for weight in ridge.coef_), float(ridge.intercept_))

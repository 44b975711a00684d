"""A baseline: the mean of train for every row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Checkpoint, Model
from rollq.tasks.errors import ComponentError
from rollq.workers.models.training_rows import TRAIN, known_rows, need_fitted

FILE = "mean.json"


class MeanModel(Model):
    """The mean label of train, weighted if rows have weights: the control that has no skill.

    Its score is the same for each row, on purpose: ``SignalRecord`` does not ask it for ``allow_constant``.
    """

    constant: ClassVar[bool] = True

    def __init__(self) -> None:
        self._mean: float | None = None

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Take the mean of ``train``.

        Raises:
            ComponentError: ``init_model`` is given.
            PermanentError: train has no row with a label.
        """
        if init_model is not None:
            raise ComponentError("a MeanModel cannot start from another model.", "Leave out warm_start.", "init_model")
        rows = known_rows(dataset, TRAIN)
        self._mean = float(np.average(rows.label.astype(np.float64), weights=rows.weight))

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """The mean for every row of a segment.

        Raises:
            StateError: the model is not fitted.
        """
        return pd.Series(need_fitted(self._mean), index=dataset.prepare(segment, "feature").index, name="score")

    def save(self, folder: Path) -> None:
        """Write ``mean.json``."""
        text = json.dumps({"mean": need_fitted(self._mean)}, allow_nan=False)
        (folder / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        model = cls()
        model._mean = json.loads((folder / FILE).read_text(encoding="utf-8"))["mean"]
        return model

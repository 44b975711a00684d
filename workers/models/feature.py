"""A baseline: one feature is the score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Checkpoint, Model
from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import ComponentError, PermanentError

FILE, KEY = "feature.json", "model.kwargs.feature"


class FeatureModel(Model):
    """A named feature is the score; nothing is learned. What a model must beat: last week's value (seasonal naive),
    momentum, reversal.

    Args:
        feature: its name, as the dataset has it.
        sign: 1, or -1: the lower the better.

    Raises:
        ComponentError: ``sign`` is neither.
    """

    def __init__(self, feature: str, sign: int = 1) -> None:
        if isinstance(sign, bool) or sign not in (1, -1):
            raise ComponentError(f"{sign!r} is no sign.", "Use 1 or -1.", "model.kwargs.sign")
        self._feature, self._sign = feature, sign

    def check_dataset(self, dataset: Dataset) -> None:
        """Look whether the feature is there.

        Raises:
            ComponentError: it is not.
        """
        names = getattr(dataset, "feature_names", None)
        if isinstance(names, list | tuple) and self._feature not in names:
            raise ComponentError(
                f"there is no feature {self._feature!r}.", did_you_mean(str(self._feature), names), KEY
            )

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """There is nothing to learn; only the feature is looked for.

        Raises:
            ComponentError: ``init_model`` is given.
            PermanentError: the feature is not there.
        """
        if init_model is not None:
            raise ComponentError("a FeatureModel cannot start from another.", "Leave out warm_start.", "init_model")
        self.predict(dataset, "train")

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """The feature of a segment with its sign; where it is missing there is no score.

        Raises:
            PermanentError: the feature is not there.
        """
        frame = dataset.prepare(segment, "feature")
        if self._feature not in frame:
            fix = did_you_mean(str(self._feature), [str(name) for name in frame])
            raise PermanentError(f"There is no feature {self._feature!r}.", fix)
        return (self._sign * frame[self._feature].astype("float64")).rename("score")

    def save(self, folder: Path) -> None:
        """Write ``feature.json``."""
        text = json.dumps({"feature": self._feature, "sign": self._sign}, indent=1, sort_keys=True)
        (folder / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))

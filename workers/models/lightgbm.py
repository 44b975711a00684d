"""LightGBM, deterministic and on one thread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import pandas as pd

from tasks.errors import ComponentError, PermanentError, StateError
from workers.datasets.base import Dataset
from workers.models.base import Checkpoint, Model

LOSSES = {"mse": "regression", "mae": "regression_l1", "huber": "huber"}
# One thread per worker, the same result on every run; bins and filters come from the window's own train rows.
FIXED: dict[str, Any] = {
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
    "feature_pre_filter": False,
}


class LGBModel(Model):
    """Gradient boosted trees (Ke et al., 2017).

    Args:
        loss: ``mse``, ``mae`` or ``huber``.
        num_boost_round: most trees.
        early_stopping_rounds: stop when valid has not improved for so many rounds; None: never.
        seed: of everything random.
        params: further LightGBM parameters, such as ``num_leaves`` or ``learning_rate``. ``num_threads``,
            ``deterministic`` and the like are rollq's: a worker has one thread.

    Raises:
        ComponentError: the loss is unknown, or ``params`` names what is rollq's.
    """

    def __init__(
        self,
        loss: str = "mse",
        num_boost_round: int = 100,
        early_stopping_rounds: int | None = None,
        seed: int = 7,
        **params: Any,
    ) -> None:
        if loss not in LOSSES:
            raise ComponentError(f"{loss!r} is unknown.", f"Use one of {', '.join(LOSSES)}.", "model.kwargs.loss")
        for name in params:
            if name in FIXED:
                raise ComponentError(
                    f"{name} is set by rollq to {FIXED[name]}.", "Leave it out.", f"model.kwargs.{name}"
                )
        self._kwargs = {
            "loss": loss,
            "num_boost_round": num_boost_round,
            "early_stopping_rounds": early_stopping_rounds,
            "seed": seed,
            **params,
        }
        self._params = {**params, "objective": LOSSES[loss], "seed": seed, **FIXED}
        self._rounds = num_boost_round
        self._patience = early_stopping_rounds
        self._booster: lgb.Booster | None = None
        self.evals: dict[str, list[float]] = {}

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None) -> None:
        """Train on ``train``; stop early on ``valid`` if asked.

        Raises:
            PermanentError: train has no row with a label, or every feature is NaN.
        """
        train = self._data(dataset, "train")
        sets, names = [train], ["train"]
        if "valid" in dataset.segments:
            sets.append(self._data(dataset, "valid", train))
            names.append("valid")
        recorded: dict[str, Any] = {}
        callbacks = [lgb.record_evaluation(recorded)]
        if self._patience and "valid" in names:
            callbacks.append(lgb.early_stopping(self._patience, first_metric_only=True, verbose=False))
        if checkpoint is not None:
            callbacks.append(lambda _: checkpoint())
        self._booster = lgb.train(
            self._params,
            train,
            self._rounds,
            valid_sets=sets[1:] or sets,
            valid_names=names[1:] or names,
            callbacks=callbacks,
        )
        self.evals = {f"{name}_{metric}": list(v) for name, found in recorded.items() for metric, v in found.items()}

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """Scores of a segment.

        Raises:
            StateError: the model is not fitted.
        """
        features = dataset.prepare(segment, "feature")
        scores = self._fitted().predict(features.to_numpy(), num_threads=1)
        return pd.Series(scores, index=features.index, name="score")

    def save(self, folder: Path) -> None:
        """Write ``model.txt`` (the Booster's text, as any LightGBM reads it) and ``params.json``."""
        (folder / "model.txt").write_text(self._fitted().model_to_string(), encoding="utf-8")
        (folder / "params.json").write_text(json.dumps(self._kwargs, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        model = cls(**json.loads((folder / "params.json").read_text(encoding="utf-8")))
        model._booster = lgb.Booster(model_str=(folder / "model.txt").read_text(encoding="utf-8"))
        return model

    def _data(self, dataset: Dataset, segment: str, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        features = dataset.prepare(segment, "feature").to_numpy()
        label = dataset.prepare(segment, "label").to_numpy().ravel()
        known = ~np.isnan(label)
        if not known.any():
            raise PermanentError(f"The segment {segment} has no row with a label.", "Look at its prices.")
        if not known.all():
            features, label = features[known], label[known]
        if reference is None and np.isnan(features).all():
            raise PermanentError("Every feature of train is NaN.", "Start train later, or use shorter windows.")
        return lgb.Dataset(features, label, reference=reference, params=FIXED)

    def _fitted(self) -> lgb.Booster:
        if self._booster is None:
            raise StateError("The model is not fitted.", "Call fit, or load a saved one.")
        return self._booster

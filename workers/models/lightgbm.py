"""LightGBM, deterministic and on one thread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import lightgbm as lgb
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Checkpoint, Model
from rollq.tasks.errors import ComponentError, PermanentError
from rollq.workers.models.lightgbm_params import check_features, check_params
from rollq.workers.models.lightgbm_table import FIXED, OWN, Params, Range
from rollq.workers.models.mlmodel import write_lightgbm
from rollq.workers.models.training_rows import TRAIN, check_names, features_like, known_rows, need_fitted

LOSSES = {"mse": "regression", "mae": "regression_l1", "huber": "huber"}
SAME_LOSS = {  # as LightGBM calls them
    "mse": ("regression", "regression_l2", "l2", "mean_squared_error", "rmse", "l2_root", "root_mean_squared_error"),
    "mae": ("regression_l1", "l1", "mean_absolute_error"),
}
OWN_KWARGS = set(OWN.values())
# LightGBM keeps seeds in signed numbers of 32 bits.
SEED = Range(0, 2**31 - 1, whole=True)
NEEDS_VALID, VALID_FIX = "early_stopping_rounds needs a segment valid.", "Add it under dataset.kwargs.segments."


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
        ComponentError: the loss is unknown, a number is out of range, or ``params`` names what is rollq's, what
            LightGBM does not know, or what has no effect.
    """

    warm_starts = True

    def __init__(
        self,
        loss: str = "mse",
        num_boost_round: int = 100,
        early_stopping_rounds: int | None = None,
        seed: int = 7,
        **params: object,
    ) -> None:
        """Everything is checked here, so that a wrong value is found when the template is loaded and not in every
        window.
        """
        if loss not in tuple(LOSSES):  # whatever it is: a list has no hash
            raise ComponentError(
                f"{loss!r} is unknown.", f"{_hint(loss)}Use one of {', '.join(LOSSES)}.", "model.kwargs.loss"
            )
        _check_count(num_boost_round, "num_boost_round")
        if early_stopping_rounds is not None:
            _check_count(early_stopping_rounds, "early_stopping_rounds")
        if not SEED.holds(seed):
            raise ComponentError(f"{seed!r} is no seed.", f"Use {SEED}.", "model.kwargs.seed")
        kwargs = {
            "loss": loss,
            "num_boost_round": num_boost_round,
            "early_stopping_rounds": early_stopping_rounds,
            "seed": seed,
            **params,
        }
        self._take(kwargs)
        check_params(params, self._own)

    def _take(self, kwargs: Params) -> None:
        """Set up from kwargs without checking them. ``FIXED`` comes last: nothing that a template says goes
        before it.
        """
        self._kwargs = dict(kwargs)
        self._rounds: int = kwargs["num_boost_round"]
        self._patience: int | None = kwargs["early_stopping_rounds"]
        self._others = {name: value for name, value in kwargs.items() if name not in OWN_KWARGS}
        self._own: dict[str, object] = {"objective": LOSSES[kwargs["loss"]], "seed": kwargs["seed"]}
        if self._patience is not None:
            self._own["early_stopping_round"] = self._patience
        self._params = {**self._others, "objective": self._own["objective"], "seed": kwargs["seed"], **FIXED}
        self._booster: lgb.Booster | None = None
        self._features: list[str] = []
        self.evals: dict[str, list[float]] = {}

    def check_dataset(self, dataset: Dataset) -> None:
        """Look whether the parameters fit the features and segments.

        Raises:
            ComponentError: there is no ``valid`` to stop early on, or a parameter names other features.
        """
        if self._patience and "valid" not in dataset.segments:
            raise ComponentError(NEEDS_VALID, VALID_FIX, "model.kwargs.early_stopping_rounds")
        names = getattr(dataset, "feature_names", None)
        if isinstance(names, list | tuple):
            check_features(self._others, self._own, len(names))

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Train on ``train``; stop early on ``valid`` if asked. ``evals`` has the losses by round afterwards.

        Rows without a label are left out. Bins come from the rows of train alone. With ``init_model`` up to
        ``num_boost_round`` trees are added to its trees; ``evals`` has the losses of the new rounds.

        Raises:
            ComponentError: ``init_model`` is no LGBModel.
            PermanentError: a segment has no row with a label, every feature of train is NaN, there is no ``valid`` to
                stop early on, or ``init_model`` was fitted on other features.
        """
        if self._patience and "valid" not in dataset.segments:
            raise PermanentError(NEEDS_VALID, VALID_FIX)
        train = self._data(dataset, TRAIN)
        start = None if init_model is None else self._start(init_model)
        sets, names = [train], [TRAIN]
        if "valid" in dataset.segments:
            # Bins are those of train (`reference`): valid may not say where they lie.
            sets.append(self._data(dataset, "valid", train))
            names.append("valid")
        recorded: dict[str, dict[str, list[float]]] = {}
        callbacks = [lgb.record_evaluation(recorded)]
        if self._patience:
            # With several metrics the first one decides, as the template lists them; LightGBM would stop at whichever
            # stands still.
            callbacks.append(lgb.early_stopping(self._patience, first_metric_only=True, verbose=False))
        if checkpoint is not None:
            checkpoint()
            # After each tree: the only moment at which LightGBM lets Python in, and so at which an attempt can stop.
            callbacks.append(lambda _: checkpoint())
        self._booster = lgb.train(
            self._params,
            train,
            self._rounds,
            # Without valid the losses of train are recorded, so that every model has a curve.
            valid_sets=sets[1:] or sets,
            valid_names=names[1:] or names,
            init_model=start,
            callbacks=callbacks,
        )
        self.evals = {f"{name}_{metric}": list(v) for name, found in recorded.items() for metric, v in found.items()}

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """Scores of a segment.

        Raises:
            StateError: the model is not fitted.
            PermanentError: the dataset has other features than the model was fitted on.
        """
        booster = need_fitted(self._booster)
        features = features_like(self._features, dataset, segment)
        scores = booster.predict(features.to_numpy(), num_threads=1)
        return pd.Series(scores, index=features.index, name="score")

    def save(self, folder: Path) -> None:
        """Write ``model.txt`` (the Booster's text, as any LightGBM reads it), ``params.json`` and ``MLmodel``."""
        params = {"kwargs": self._kwargs, "features": self._features}
        (folder / "model.txt").write_text(need_fitted(self._booster).model_to_string(), encoding="utf-8")
        (folder / "params.json").write_text(json.dumps(params, indent=1, sort_keys=True), encoding="utf-8")
        write_lightgbm(folder, "model.txt")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        params = json.loads((folder / "params.json").read_text(encoding="utf-8"))
        model = cls.__new__(cls)
        model._take(params["kwargs"])  # unchecked: what serves is loaded, whatever would be refused today
        model._features = params["features"]
        model._booster = lgb.Booster(model_str=(folder / "model.txt").read_text(encoding="utf-8"))
        return model

    def _data(self, dataset: Dataset, segment: str, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        rows = known_rows(dataset, segment)
        if reference is None:
            self._features = rows.names
        return lgb.Dataset(rows.features, rows.label, reference=reference, params=FIXED)

    def _start(self, earlier: Model) -> lgb.Booster:
        """The Booster to add trees to; it holds no trees that early stopping dropped, just as if it was loaded."""
        if not isinstance(earlier, LGBModel):
            raise ComponentError(
                f"an LGBModel cannot start from a {type(earlier).__name__}.",
                "Leave out warm_start, or start from an LGBModel.",
                "init_model",
            )
        booster = need_fitted(earlier._booster)
        check_names(earlier._features, self._features)
        return booster


def _hint(loss: object) -> str:
    """Which loss is meant by LightGBM's name of one."""
    meant = next((ours for ours, names in SAME_LOSS.items() if loss in names), None)
    return f"Did you mean {meant!r}? " if meant else ""


def _check_count(value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ComponentError(
            f"{value!r} is no number of rounds.", "Use a whole number above 0.", f"model.kwargs.{name}"
        )

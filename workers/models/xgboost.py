"""XGBoost, deterministic and on one thread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Checkpoint, Model
from rollq.tasks.errors import ComponentError, PermanentError
from rollq.workers.models.learning import own_functions
from rollq.workers.models.learning.arguments import NEEDS_VALID, VALID_FIX, check_training, loss_of, quantiles_of
from rollq.workers.models.learning.importance import write_importance
from rollq.workers.models.learning.losses import check_kind, is_ranking
from rollq.workers.models.learning.outputs import Form, Values
from rollq.workers.models.learning.packages import need_package
from rollq.workers.models.learning.targets import Target, queries, weights_of_queries
from rollq.workers.models.training_rows import TRAIN, Rows, check_names, features_like, known_rows, need_fitted
from rollq.workers.models.xgboost_params import FIXED, OBJECTIVES, ask_xgboost, by_position, reason_of, told_metrics
from rollq.workers.models.xgboost_params import check_names as check_params
from rollq.workers.models.xgboost_training import Objective, calling, evaluation_of, objective_of, stopping

if TYPE_CHECKING:
    import xgboost

FIX = "Look at model.kwargs, and at the labels of train."
FILE, STATE = "model.json", "params.json"


class XGBModel(Model):
    """Gradient boosted trees of XGBoost (Chen and Guestrin, 2016).

    Args:
        loss: ``mse``, ``mae``, ``huber``, ``quantile``, ``poisson``, ``gamma``, ``tweedie``, ``binary``,
            ``multiclass``, ``cross_entropy``, ``lambdarank``, as XGBoost calls them, too; or a registered
            class of one's own.
        num_boost_round: most rounds.
        early_stopping_rounds: stop when valid has not improved for so many rounds; None: never.
        seed: of everything random.
        objective: another name of ``loss``.
        grades: of ``lambdarank``: so many grades are made of the labels of each time, by their quantile.
        metric: one or several of XGBoost's, or registered classes; the first one decides when to stop.
        params: further parameters of XGBoost; ``alpha`` is the list of quantiles.

    Raises:
        ComponentError: XGBoost is not installed, or a parameter is unknown, out of range or without effect.
    """

    warm_starts = True

    def __init__(
        self,
        loss: object = "mse",
        num_boost_round: int = 100,
        early_stopping_rounds: int | None = None,
        seed: int = 7,
        objective: object = None,
        grades: int | None = None,
        metric: object = None,
        **params: object,
    ) -> None:
        """Everything is checked here, the parameters by XGBoost itself."""
        need_package("xgboost", "xgboost", "XGBModel")
        loss = loss_of(loss, objective, tuple(OBJECTIVES))
        check_training(loss, num_boost_round, early_stopping_rounds, seed, grades)
        check_params(params, loss)
        if loss == "quantile":
            params = {**params, "alpha": quantiles_of(params.get("alpha"))}
        self._take(
            {
                "loss": loss,
                "num_boost_round": num_boost_round,
                "early_stopping_rounds": early_stopping_rounds,
                "seed": seed,
                "grades": grades,
                "metric": metric,
                "params": {name: value for name, value in params.items() if value is not None},
            }
        )
        self._own_functions()
        ask_xgboost(self._params, self._loss, type(self))

    def _take(self, kwargs: Mapping[str, object]) -> None:
        """Set up from kwargs without checking them."""
        self._kwargs = dict(kwargs)
        self._loss, others = kwargs["loss"], kwargs["params"]
        given: dict[str, object] = dict(others) if isinstance(others, Mapping) else {}
        alpha = given.pop("alpha", None)
        self._quantiles = [float(one) for one in alpha] if isinstance(alpha, list) else []
        self._params: dict[str, object] = {**by_position(given), "seed": kwargs["seed"], **FIXED}
        if self._loss in tuple(OBJECTIVES):
            self._params["objective"] = OBJECTIVES[str(self._loss)]
        if self._quantiles:
            self._params["quantile_alpha"] = self._quantiles
        if told := told_metrics(kwargs["metric"]):
            self._params["eval_metric"] = list(told)
        elif own_functions.own_metrics(kwargs["metric"]):
            self._params["disable_default_eval_metric"] = 1
        elif self._loss not in tuple(OBJECTIVES):
            self._params["eval_metric"] = ["rmse"]
        self._booster: xgboost.Booster | None = None
        self._features: list[str] = []
        self._categories: list[str] = []
        self._classes: tuple[float, ...] = ()
        self.evals: dict[str, list[float]] = {}

    def check_dataset(self, dataset: Dataset) -> None:
        """Look whether the parameters fit the features, the label and the segments.

        Raises:
            ComponentError: there is no ``valid`` to stop early on, the loss takes other labels, or a parameter names
                other features.
        """
        if self._kwargs["early_stopping_rounds"] and "valid" not in dataset.segments:
            raise ComponentError(NEEDS_VALID, VALID_FIX, "model.kwargs.early_stopping_rounds")
        check_kind(self._loss, dataset)
        names = getattr(dataset, "feature_names", None)
        if isinstance(names, list | tuple):
            ask_xgboost(self._params, self._loss, type(self), len(names))

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Train on ``train``; stop early on ``valid`` if asked. ``evals`` has the losses by round afterwards.

        With ``init_model`` up to ``num_boost_round`` rounds are added to its trees.

        Raises:
            ComponentError: ``init_model`` is no XGBModel.
            PermanentError: a segment has no row with a label, or a label that the loss does not take, there is no
                ``valid`` to stop early on, or ``init_model`` was fitted on other features.
        """
        import xgboost

        patience = self._kwargs["early_stopping_rounds"]
        if patience and "valid" not in dataset.segments:
            raise PermanentError(NEEDS_VALID, VALID_FIX)
        evals = self._data(dataset)
        start = None if init_model is None else self._start(init_model)
        if checkpoint is not None:
            checkpoint()
        loss, metrics = self._own_functions()
        callbacks = [stopping(patience, self._params, metrics)] if patience else []
        if checkpoint is not None:
            callbacks.append(calling(checkpoint))
        params = {**self._params, **({"num_class": len(self._classes)} if self._classes else {})}
        recorded: dict[str, dict[str, list[float]]] = {}
        try:
            self._booster = xgboost.train(
                params,
                evals[0][0],
                int(str(self._kwargs["num_boost_round"])),
                # Without valid the losses of train are recorded, so that every model has a curve.
                evals=evals[-1:],
                obj=loss,
                custom_metric=evaluation_of(metrics) if metrics else None,
                evals_result=recorded,
                verbose_eval=False,
                callbacks=callbacks,
                xgb_model=start,
            )
        except xgboost.core.XGBoostError as error:
            raise PermanentError(f"XGBoost cannot train it: {reason_of(str(error))}.", FIX) from error
        self.evals = {f"{name}_{metric}": list(v) for name, found in recorded.items() for metric, v in found.items()}

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """Scores of a segment: of quantiles the one nearest to the median, of two classes the probability of 1, of more
        classes the expected value.

        Raises:
            StateError: the model is not fitted.
            PermanentError: the dataset has other features than the model was fitted on.
        """
        index, said = self._said(dataset, segment)
        return pd.Series(self._form.score(said), index=index, name="score")

    def predict_outputs(self, dataset: Dataset, segment: str = "test") -> pd.DataFrame | None:
        """The quantiles, or the probability of each class; None for other losses.

        Raises:
            StateError, PermanentError: as ``predict``.
        """
        return self._form.outputs(*self._said(dataset, segment)) if self._form.says_more else None

    def save(self, folder: Path) -> None:
        """Write ``model.json`` (as any XGBoost reads it), ``params.json`` and ``importance.json``."""
        booster = need_fitted(self._booster)
        state = {"kwargs": self._kwargs, "features": self._features, "categories": self._categories}
        (folder / FILE).write_bytes(bytes(booster.save_raw("json")))
        text = json.dumps({**state, "classes": self._classes}, indent=1, sort_keys=True)
        (folder / STATE).write_text(text, encoding="utf-8")
        kinds = {"gain": "total_gain", "split": "weight"}
        write_importance(folder, {kind: self._importance(booster, name) for kind, name in kinds.items()})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        need_package("xgboost", "xgboost", "XGBModel")
        import xgboost

        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        model = cls.__new__(cls)
        model._take(state["kwargs"])  # unchecked: what serves is loaded, whatever would be refused today
        model._features, model._categories, model._classes = (
            state["features"],
            state["categories"],
            tuple(state["classes"]),
        )
        model._booster = xgboost.Booster({"nthread": 1})
        model._booster.load_model(bytearray((folder / FILE).read_bytes()))
        return model

    @classmethod
    def inner_components(cls, kwargs: Mapping[str, object]) -> Mapping[str, object]:
        """The loss and the metrics of one's own."""
        return own_functions.inner(kwargs)

    @property
    def _form(self) -> Form:
        return Form(self._quantiles, self._classes, self._loss == "binary")

    def _own_functions(self) -> tuple[Objective | None, list[own_functions.Metric]]:
        """Functions of one's own are made anew for each training: they may keep something."""
        loss = None if self._loss in tuple(OBJECTIVES) else own_functions.made_loss(self._loss)
        return None if loss is None else objective_of(loss), own_functions.made_metrics(self._kwargs["metric"])

    def _data(self, dataset: Dataset) -> list[tuple[xgboost.DMatrix, str]]:
        """The rows of train and, if there are, of valid; what a label is to the loss is found on train."""
        rows = known_rows(dataset, TRAIN)
        grades = self._kwargs["grades"]
        target = Target.of_train(self._loss, rows, grades if isinstance(grades, int) else None)
        named = getattr(dataset, "categorical", ())
        self._features, self._classes = rows.names, target.classes
        self._categories = [name for name in rows.names if name in named]
        data = [(self._matrix(target.seen(rows, TRAIN)), TRAIN)]
        if "valid" in dataset.segments:
            data.append((self._matrix(target.seen(known_rows(dataset, "valid"), "valid")), "valid"))
        return data

    def _matrix(self, rows: Rows) -> xgboost.DMatrix:
        """Rows in XGBoost's form; a time that is ranked has one weight, the mean of its rows'."""
        import xgboost

        ranked, weight = is_ranking(self._loss), rows.weight
        sizes = queries(rows.index) if ranked else None
        if sizes is not None and weight is not None:
            weight = weights_of_queries(weight, sizes)
        return xgboost.DMatrix(rows.features, rows.label, weight=weight, group=sizes, nthread=1, **self._types())

    def _types(self) -> dict[str, object]:
        kinds = ["c" if name in self._categories else "q" for name in self._features]
        return {"feature_types": kinds, "enable_categorical": True}

    def _said(self, dataset: Dataset, segment: str) -> tuple[pd.Index, Values]:
        """The rows of a segment, and what the trees say of each."""
        import xgboost

        booster = need_fitted(self._booster)
        features = features_like(self._features, dataset, segment)
        data = xgboost.DMatrix(features.to_numpy(), nthread=1, **self._types())
        return features.index, np.asarray(booster.predict(data), np.float64)

    def _importance(self, booster: xgboost.Booster, kind: str) -> dict[str, float]:
        found = booster.get_score(importance_type=kind)  # those that no tree splits by are left out
        return {name: float(np.sum(found.get(f"f{number}", 0.0))) for number, name in enumerate(self._features)}

    def _start(self, earlier: Model) -> xgboost.Booster:
        if not isinstance(earlier, XGBModel):
            what = f"an XGBModel cannot start from a {type(earlier).__name__}."
            raise ComponentError(what, "Leave out warm_start, or start from an XGBModel.", "init_model")
        booster = need_fitted(earlier._booster)
        check_names(earlier._features, self._features)
        if earlier._quantiles != self._quantiles or earlier._classes != self._classes:
            raise PermanentError("The model to start from has other classes or quantiles.", "Leave out warm_start.")
        return booster

"""CatBoost, deterministic and on one thread."""

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
from rollq.workers.models.catboost_params import BY_FEATURE, FIXED, OBJECTIVES, OF_LOSS, SAID, ask_catboost, reason_of
from rollq.workers.models.catboost_params import check_names as check_params
from rollq.workers.models.learning.arguments import NEEDS_VALID, VALID_FIX, check_training, loss_of, quantiles_of
from rollq.workers.models.learning.importance import write_importance
from rollq.workers.models.learning.losses import check_kind, is_ranking
from rollq.workers.models.learning.outputs import Form, Values
from rollq.workers.models.learning.own_functions import is_own, metrics_of
from rollq.workers.models.learning.packages import need_package
from rollq.workers.models.learning.targets import Target, queries, weights_of_queries
from rollq.workers.models.training_rows import TRAIN, Rows, features_like, known_rows, need_fitted

if TYPE_CHECKING:
    import catboost

FIX = "Look at model.kwargs, and at the labels of train."
FILE, STATE = "model.cbm", "params.json"
UNKNOWN = -1  # the code of a category that is missing
OWN_FIX = "Use one of CatBoost's, or LGBModel or XGBModel."


class CatBoostModel(Model):
    """Gradient boosted trees with ordered statistics of categories (Prokhorenkova et al., 2018).

    Args:
        loss: ``mse``, ``mae``, ``huber``, ``quantile``, ``mape``, ``poisson``, ``tweedie``, ``binary``, ``multiclass``,
            ``multiclassova``, ``cross_entropy``, ``lambdarank`` (CatBoost's YetiRank).
        num_boost_round: most trees.
        early_stopping_rounds: stop when valid has not improved for so many rounds; None: never.
        seed: of everything random.
        objective: another name of ``loss``.
        grades: of ``lambdarank``: so many grades are made of the labels of each time, by their quantile.
        metric: one or several of CatBoost's; the first one decides when to stop.
        params: further parameters of CatBoost; ``alpha`` is the list of quantiles, ``delta`` that of ``huber``,
            ``variance_power`` that of ``tweedie``.

    Raises:
        ComponentError: CatBoost is not installed, or a parameter is unknown or out of range.
    """

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
        """Everything is checked here, the parameters by CatBoost itself."""
        need_package("catboost", "catboost", "CatBoostModel")
        loss = loss_of(loss, objective, tuple(OBJECTIVES))
        if not isinstance(loss, str) or loss not in OBJECTIVES or any(map(is_own, metrics_of(metric))):
            raise ComponentError(
                "a loss or metric of one's own is not for CatBoostModel.", OWN_FIX, "model.kwargs.loss"
            )
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
        ask_catboost(self._params, self._loss, type(self))

    def _take(self, kwargs: Mapping[str, object]) -> None:
        """Set up from kwargs without checking them."""
        self._kwargs = dict(kwargs)
        self._loss, others = str(kwargs["loss"]), kwargs["params"]
        given: dict[str, object] = dict(others) if isinstance(others, Mapping) else {}
        alpha = given.pop("alpha", None)
        self._quantiles = [float(one) for one in alpha] if isinstance(alpha, list) else []
        self._params = {"loss_function": self._named(given), **given, **FIXED}
        self._params |= {"iterations": kwargs["num_boost_round"], "random_seed": kwargs["seed"]}
        # Unless it stops early, all trees count, as with every other model; CatBoost would take the best of them.
        self._params["use_best_model"] = bool(kwargs["early_stopping_rounds"])
        if kwargs["early_stopping_rounds"]:
            self._params["early_stopping_rounds"] = kwargs["early_stopping_rounds"]
        if metrics := metrics_of(kwargs["metric"]):
            self._params |= {"eval_metric": metrics[0], "custom_metric": metrics[1:]}
        self._booster: catboost.CatBoost | None = None
        self._content: bytes | None = None  # of the file that it was loaded from: CatBoost writes it otherwise again
        self._features: list[str] = []
        self._categories: list[str] = []
        self._classes: tuple[float, ...] = ()
        self.evals: dict[str, list[float]] = {}

    def _named(self, given: dict[str, object]) -> str:
        """CatBoost's name of the loss, with its number, which is taken out of ``given``."""
        name = OBJECTIVES[self._loss]
        if self._quantiles:
            return f"{'Multi' * (len(self._quantiles) > 1)}{name}:alpha={','.join(map(str, self._quantiles))}"
        if self._loss not in OF_LOSS:
            return name
        number, usual = OF_LOSS[self._loss]
        return f"{name}:{number}={given.pop(number, usual)}"

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
        if isinstance(names, list | tuple) and not self._params.keys().isdisjoint(BY_FEATURE):
            ask_catboost(self._params, self._loss, type(self), len(names))

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Train on ``train``; stop early on ``valid`` if asked. ``evals`` has the losses by round afterwards.

        The statistics of categories are those of the labels of train alone.

        Raises:
            ComponentError: ``init_model`` is given.
            PermanentError: a segment has no row with a label, or a label that the loss does not take, or there is no
                ``valid`` to stop early on.
        """
        import catboost

        if init_model is not None:
            raise ComponentError("a CatBoostModel cannot start from another.", "Leave out warm_start.", "init_model")
        if self._kwargs["early_stopping_rounds"] and "valid" not in dataset.segments:
            raise PermanentError(NEEDS_VALID, VALID_FIX)
        train, valid = self._data(dataset)
        if checkpoint is not None:
            checkpoint()
        calling = Calling(checkpoint)
        booster = catboost.CatBoost(self._params)
        try:
            booster.fit(train, eval_set=valid, callbacks=[calling])
        except catboost.CatBoostError as error:
            raise PermanentError(f"CatBoost cannot train it: {reason_of(str(error))}.", FIX) from error
        if calling.raised is not None:
            raise calling.raised
        self._booster, self._content = booster, None
        found = booster.get_evals_result().get("validation" if valid is not None else "learn", {})
        name = "valid" if valid is not None else TRAIN
        self.evals = {f"{name}_{metric}": list(values) for metric, values in found.items()}

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
        """Write ``model.cbm`` (as any CatBoost reads it), ``params.json`` and ``importance.json``."""
        booster = need_fitted(self._booster)
        if self._content is None:
            # A time and a random number: without them the same model has the same bytes.
            metadata = booster.get_metadata()
            metadata["model_guid"] = metadata["train_finish_time"] = ""
            booster.save_model(str(folder / FILE), format="cbm")
        else:
            (folder / FILE).write_bytes(self._content)
        state = {"kwargs": self._kwargs, "features": self._features, "categories": self._categories}
        text = json.dumps({**state, "classes": self._classes}, indent=1, sort_keys=True)
        (folder / STATE).write_text(text, encoding="utf-8")
        changes = booster.get_feature_importance(type="PredictionValuesChange", thread_count=1)
        write_importance(folder, {"change": dict(zip(self._features, map(float, changes), strict=True))})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        need_package("catboost", "catboost", "CatBoostModel")
        import catboost

        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        model = cls.__new__(cls)
        model._take(state["kwargs"])  # unchecked: what serves is loaded, whatever would be refused today
        model._features, model._categories = state["features"], state["categories"]
        model._classes = tuple(state["classes"])
        model._content = (folder / FILE).read_bytes()
        model._booster = catboost.CatBoost()
        model._booster.load_model(blob=model._content)
        return model

    @property
    def _form(self) -> Form:
        return Form(self._quantiles, self._classes, self._loss == "binary")

    def _data(self, dataset: Dataset) -> tuple[catboost.Pool, catboost.Pool | None]:
        """The rows of train and, if there are, of valid; what a label is to the loss is found on train."""
        rows = known_rows(dataset, TRAIN)
        grades = self._kwargs["grades"]
        target = Target.of_train(self._loss, rows, grades if isinstance(grades, int) else None)
        named = getattr(dataset, "categorical", ())
        self._features, self._classes = rows.names, target.classes
        self._categories = [name for name in rows.names if name in named]
        train = self._pool(target.seen(rows, TRAIN))
        if "valid" not in dataset.segments:
            return train, None
        return train, self._pool(target.seen(known_rows(dataset, "valid"), "valid"))

    def _pool(self, rows: Rows) -> catboost.Pool:
        """Rows in CatBoost's form; a time that is ranked has one weight, the mean of its rows'."""
        import catboost

        more: dict[str, object] = {} if rows.weight is None else {"weight": rows.weight}
        if is_ranking(self._loss):
            sizes = queries(rows.index)
            more = {"group_id": np.repeat(np.arange(len(sizes)), sizes)}
            if rows.weight is not None:
                more["group_weight"] = np.repeat(weights_of_queries(rows.weight, sizes), sizes)
        frame = self._frame(rows.features)
        return catboost.Pool(frame, rows.label, cat_features=self._categories, thread_count=1, **more)

    def _frame(self, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> pd.DataFrame:
        """Features as CatBoost takes them: codes of categories are whole numbers."""
        frame = pd.DataFrame(values, columns=self._features)
        codes = {name: frame[name].fillna(UNKNOWN).astype(np.int64) for name in self._categories}
        return frame.assign(**codes) if codes else frame

    def _said(self, dataset: Dataset, segment: str) -> tuple[pd.Index, Values]:
        """The rows of a segment, and what the trees say of each."""
        import catboost

        booster = need_fitted(self._booster)
        features = features_like(self._features, dataset, segment)
        pool = catboost.Pool(self._frame(features.to_numpy()), cat_features=self._categories, thread_count=1)
        kind = SAID.get(self._loss, "RawFormulaVal")
        said = np.asarray(booster.predict(pool, prediction_type=kind, thread_count=1), np.float64)
        return features.index, said[:, 1] if kind == "Probability" and not self._classes else said


class Calling:
    """Calls the checkpoint after each tree, the only moment at which an attempt can stop; what it raises is kept:
    CatBoost would make a text of it.
    """

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self._checkpoint = checkpoint
        self.raised: BaseException | None = None

    def after_iteration(self, info: object) -> bool:
        """Whether to go on."""
        try:
            if self._checkpoint is not None:
                self._checkpoint()
        except BaseException as error:  # noqa: BLE001 - it is raised when CatBoost has returned
            self.raised = error
            return False
        return True

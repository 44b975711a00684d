"""LightGBM, deterministic and on one thread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Checkpoint, Model
from rollq.tasks.errors import ComponentError, PermanentError
from rollq.workers.models.learning import own_functions
from rollq.workers.models.learning.arguments import NEEDS_VALID, VALID_FIX, check_training, loss_of, quantiles_of
from rollq.workers.models.learning.importance import summed, write_importance
from rollq.workers.models.learning.losses import LOSSES, check_kind
from rollq.workers.models.learning.outputs import Form, Values, central, quantile_name
from rollq.workers.models.learning.targets import Target
from rollq.workers.models.lightgbm_params import check_features, check_params
from rollq.workers.models.lightgbm_table import FIXED, OBJECTIVES, OWN, OWN_OBJECTIVE, Params
from rollq.workers.models.lightgbm_training import Data, Growth, data_of
from rollq.workers.models.mlmodel import write_lightgbm
from rollq.workers.models.training_rows import TRAIN, check_names, features_like, known_rows, need_fitted

# Those that LightGBM does not see as they are: it has another name for them, or rollq does it.
OWN_KWARGS = {*OWN.values(), "grades"}


class LGBModel(Model):
    """Gradient boosted trees (Ke et al., 2017).

    ``docs/reference/models.md`` says which labels each loss takes, and what comes out.

    Args:
        loss: ``mse``, ``mae``, ``huber``, ``fair``, ``poisson``, ``quantile``, ``mape``, ``gamma``, ``tweedie``,
            ``binary``, ``multiclass``, ``multiclassova``, ``cross_entropy``, ``cross_entropy_lambda``, ``lambdarank``,
            ``rank_xendcg``, as LightGBM calls them, too; or a registered class of one's own.
        num_boost_round: most trees.
        early_stopping_rounds: stop when valid has not improved for so many rounds; None: never.
        seed: of everything random.
        objective: another name of ``loss``.
        grades: of a loss that ranks: so many grades are made of the labels of each time, by their quantile.
        params: further LightGBM parameters, such as ``num_leaves`` or ``learning_rate``; ``alpha`` may be a list of
            quantiles, and ``metric`` may name registered classes. ``num_threads``, ``deterministic`` and the like are
            rollq's: a worker has one thread.

    Raises:
        ComponentError: the loss is unknown, a number is out of range, or ``params`` names what is rollq's, what
            LightGBM does not know, or what has no effect.
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
        **params: object,
    ) -> None:
        """Everything is checked here, so that a wrong value is found when the template is loaded and not in every
        window.
        """
        loss = loss_of(loss, objective, tuple(LOSSES))
        check_training(loss, num_boost_round, early_stopping_rounds, seed, grades)
        if loss == "quantile":
            params = {**params, "alpha": quantiles_of(params.get("alpha"))}
        kwargs = {
            "loss": loss,
            "num_boost_round": num_boost_round,
            "early_stopping_rounds": early_stopping_rounds,
            "seed": seed,
            **({} if grades is None else {"grades": grades}),
            **params,
        }
        self._take(kwargs)
        check_params(self._one_of_each(params), self._own)
        self._growth()  # functions of one's own are made once to see that they can be

    def _take(self, kwargs: Params) -> None:
        """Set up from kwargs without checking them. ``FIXED`` comes last: nothing that a template says goes
        before it.
        """
        self._kwargs = dict(kwargs)
        self._rounds: int = kwargs["num_boost_round"]
        self._patience: int | None = kwargs["early_stopping_rounds"]
        self._loss = kwargs["loss"]
        self._quantiles: list[float] = kwargs["alpha"] if self._loss == "quantile" else []
        self._others = {name: value for name, value in kwargs.items() if name not in OWN_KWARGS}
        objective = OBJECTIVES.get(self._loss, self._loss) if self._loss in tuple(LOSSES) else OWN_OBJECTIVE
        self._own: dict[str, object] = {"objective": objective, "seed": kwargs["seed"]}
        if self._patience is not None:
            self._own["early_stopping_round"] = self._patience
        self._params = {**self._others, "objective": self._own["objective"], "seed": kwargs["seed"], **FIXED}
        self._boosters: list[lgb.Booster] = []
        self._features: list[str] = []
        self._classes: tuple[float, ...] = ()
        self.evals: dict[str, list[float]] = {}

    def check_dataset(self, dataset: Dataset) -> None:
        """Look whether the parameters fit the features, the label and the segments.

        Raises:
            ComponentError: there is no ``valid`` to stop early on, the loss takes other labels, or a parameter names
                other features.
        """
        if self._patience and "valid" not in dataset.segments:
            raise ComponentError(NEEDS_VALID, VALID_FIX, "model.kwargs.early_stopping_rounds")
        check_kind(self._loss, dataset)
        names = getattr(dataset, "feature_names", None)
        if isinstance(names, list | tuple):
            given = self._one_of_each(self._others)
            check_features(given, self._own, len(names), getattr(dataset, "categorical", ()))

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Train on ``train``; stop early on ``valid`` if asked. ``evals`` has the losses by round afterwards.

        Rows without a label are left out. Bins come from the rows of train alone. With ``init_model`` up to
        ``num_boost_round`` trees are added to its trees; ``evals`` has the losses of the new rounds.

        Raises:
            ComponentError: ``init_model`` is no LGBModel, or one of another kind.
            PermanentError: a segment has no row with a label, or a label that the loss does not take, every feature of
                train is NaN, there is no ``valid`` to stop early on, or ``init_model`` was fitted on other features.
        """
        if self._patience and "valid" not in dataset.segments:
            raise PermanentError(NEEDS_VALID, VALID_FIX)
        data = self._data(dataset)
        starts = [None] * max(1, len(self._quantiles)) if init_model is None else self._starts(init_model)
        if checkpoint is not None:
            checkpoint()
        params, growth = self._params, self._growth()
        if self._classes:
            params = {**params, "num_class": len(self._classes)}
        if growth.metrics or growth.loss:
            # Of its own metrics LightGBM is told those alone that it has; a loss of one's own has none by itself.
            theirs = [one for one in own_functions.metrics_of(params.get("metric")) if not own_functions.is_own(one)]
            params = {**params, "metric": theirs or ("None" if growth.metrics else "l2")}
        boosters: list[lgb.Booster] = []
        evals: dict[str, list[float]] = {}
        for number, start in enumerate(starts):
            one = {"alpha": self._quantiles[number]} if self._quantiles else {}
            booster, found = growth.grow({**params, **one}, data, start, checkpoint)
            boosters.append(booster)
            end = f"_{quantile_name(self._quantiles[number])}" if len(starts) > 1 else ""
            evals |= {f"{name}{end}": values for name, values in found.items()}
        self._boosters, self.evals = boosters, evals

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """Scores of a segment: of quantiles the one nearest to the median, of two classes the probability of 1, of more
        classes the expected value, of a ranking or a loss of one's own what the trees say.

        Raises:
            StateError: the model is not fitted.
            PermanentError: the dataset has other features than the model was fitted on.
        """
        booster = need_fitted(self._booster)
        features = features_like(self._features, dataset, segment)
        scores = self._form.score(_predicted(booster, features))
        return pd.Series(scores, index=features.index, name="score")

    def predict_outputs(self, dataset: Dataset, segment: str = "test") -> pd.DataFrame | None:
        """The quantiles, or the probability of each class; None for other losses.

        Raises:
            StateError, PermanentError: as ``predict``.
        """
        if not self._form.says_more:
            return None
        need_fitted(self._booster)
        features = features_like(self._features, dataset, segment)
        found = [_predicted(booster, features) for booster in self._boosters]
        return self._form.outputs(features.index, np.column_stack(found) if self._quantiles else found[0])

    def save(self, folder: Path) -> None:
        """Write ``model.txt`` (the Booster's text, as any LightGBM reads it), ``params.json``, ``importance.json`` and
        ``MLmodel``; of several quantiles ``model.txt`` is the score, and each has a text of its own.
        """
        main = need_fitted(self._booster)
        classes = {"classes": list(self._classes)} if self._classes else {}
        params = {"kwargs": self._kwargs, "features": self._features, **classes}
        (folder / "model.txt").write_text(main.model_to_string(), encoding="utf-8")
        for name, booster in zip(self._texts(), self._boosters, strict=True):
            if booster is not main:
                (folder / name).write_text(booster.model_to_string(), encoding="utf-8")
        (folder / "params.json").write_text(json.dumps(params, indent=1, sort_keys=True), encoding="utf-8")
        write_importance(folder, {kind: self._importance(kind) for kind in ("gain", "split")})
        write_lightgbm(folder, "model.txt")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        params = json.loads((folder / "params.json").read_text(encoding="utf-8"))
        model = cls.__new__(cls)
        model._take(params["kwargs"])  # unchecked: what serves is loaded, whatever would be refused today
        model._features = params["features"]
        model._classes = tuple(params.get("classes", ()))
        texts = [(folder / name).read_text(encoding="utf-8") for name in model._texts()]
        model._boosters = [lgb.Booster(model_str=text) for text in texts]
        return model

    @classmethod
    def inner_components(cls, kwargs: Mapping[str, object]) -> Mapping[str, object]:
        """The loss and the metrics of one's own."""
        return own_functions.inner(kwargs)

    @property
    def _form(self) -> Form:
        return Form(self._quantiles, self._classes, self._loss == "binary")

    @property
    def _booster(self) -> lgb.Booster | None:
        """The one whose predictions are the score; None if nothing is fitted."""
        return self._boosters[self._score] if self._boosters else None

    @property
    def _score(self) -> int:
        return central(self._quantiles) if self._quantiles else 0

    def _texts(self) -> list[str]:
        """The files of the boosters, in their order."""
        names = [f"model_{quantile_name(alpha)}.txt" for alpha in self._quantiles] or [""]
        names[self._score] = "model.txt"
        return names

    def _importance(self, kind: str) -> dict[str, float]:
        found = [booster.feature_importance(kind).tolist() for booster in self._boosters]
        return summed([dict(zip(self._features, one, strict=True)) for one in found])

    def _one_of_each(self, params: Params) -> dict[str, object]:
        """Parameters of one booster, as LightGBM checks them: of several quantiles the first."""
        return {**params, "alpha": self._quantiles[0]} if self._quantiles else dict(params)

    def _growth(self) -> Growth:
        """Functions of one's own are made anew for each training: they may keep something."""
        own = self._own["objective"] == OWN_OBJECTIVE
        loss = own_functions.made_loss(self._loss) if own else None
        metrics = own_functions.made_metrics(self._others.get("metric"))
        return Growth(self._rounds, self._patience, loss, metrics)

    def _data(self, dataset: Dataset) -> Data:
        """The rows of train and valid; what a label is to the loss is found on train."""
        rows = known_rows(dataset, TRAIN)
        target = Target.of_train(self._loss, rows, self._kwargs.get("grades"))
        self._features, self._classes = rows.names, target.classes
        made = partial(data_of, loss=self._loss, categories=_categories(dataset))
        train = made(target.seen(rows, TRAIN))
        if "valid" not in dataset.segments:
            return Data(train)
        # Bins are those of train (`reference`): valid may not say where they lie.
        return Data(train, made(target.seen(known_rows(dataset, "valid"), "valid"), reference=train))

    def _starts(self, earlier: Model) -> list[lgb.Booster]:
        """The Boosters to add trees to; they hold no trees that early stopping dropped, just as if they were loaded."""
        if not isinstance(earlier, LGBModel):
            raise ComponentError(
                f"an LGBModel cannot start from a {type(earlier).__name__}.",
                "Leave out warm_start, or start from an LGBModel.",
                "init_model",
            )
        need_fitted(earlier._booster)
        check_names(earlier._features, self._features)
        if earlier._quantiles != self._quantiles or earlier._classes != self._classes:
            raise PermanentError("The model to start from has other classes or quantiles.", "Leave out warm_start.")
        return earlier._boosters


def _predicted(booster: lgb.Booster, features: pd.DataFrame) -> Values:
    found: Values = np.asarray(booster.predict(features.to_numpy(), num_threads=1))
    return found


def _categories(dataset: Dataset) -> Sequence[str]:
    return tuple(getattr(dataset, "categorical", ()))

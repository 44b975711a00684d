"""Any estimator of scikit-learn's kind as a model."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Checkpoint, Model
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ComponentError, PermanentError
from rollq.tasks.predictions.session_days import session_days
from rollq.workers.models.learning.arguments import check_seed
from rollq.workers.models.learning.outputs import class_outputs, expected
from rollq.workers.models.learning.packages import need_package
from rollq.workers.models.learning.targets import Target
from rollq.workers.models.scikit.estimators import Estimator, made_estimator, packages_in
from rollq.workers.models.scikit.fills import check_fill, filled, fills_of
from rollq.workers.models.scikit.stored import dumped, loaded
from rollq.workers.models.training_rows import TRAIN, Rows, features_like, known_rows, need_fitted

log = logging.getLogger(__name__)

FILE, STATE = "estimator.skops", "model.json"
KEY = "model.kwargs.estimator"
FILL_FIX = (
    "Give model.kwargs.fill: median, or a number; or a processor to the dataset; or begin a pipeline with an imputer."
)
Values = npt.NDArray[np.float64]


class SklearnModel(Model):
    """An estimator of scikit-learn, or a pipeline of several.

    ``docs/reference/models.md`` says how it is seeded, weighted, kept, and what it says.

    Args:
        estimator: its dotted name, such as ``sklearn.ensemble.HistGradientBoostingRegressor``; or the steps of a
            pipeline: a list of names, or of ``{estimator, params}``.
        params: its arguments; of a pipeline each step has its own.
        fill: what stands for a missing feature: ``median`` or ``mean`` of train, or a number; None: they stay missing.
        seed: of everything random that has no ``random_state`` of its own.

    Raises:
        ComponentError: the estimator is not allowed, is none, or refuses its parameters.
    """

    def __init__(
        self, estimator: object, params: Mapping[str, object] | None = None, fill: object = None, seed: int = 7
    ) -> None:
        """The estimator is made at once, because only it knows whether it can use its values."""
        for package in ("sklearn", "skops"):
            need_package(package, "sklearn", type(self).__name__)
        check_seed(seed)
        check_fill(fill)
        if params and isinstance(estimator, list | tuple):
            raise ComponentError(
                "of a pipeline each step has params of its own.", "Move them there.", "model.kwargs.params"
            )
        self._take({"estimator": estimator, "params": dict(params or {}), "fill": fill, "seed": seed})
        self._made()

    def _take(self, kwargs: dict[str, object]) -> None:
        self._kwargs = kwargs
        self._fitted: Estimator | None = None
        self._content: bytes | None = None  # of the file that it was loaded from: skops may write it otherwise again
        self._features: list[str] = []
        self._classes: tuple[float, ...] = ()
        self._fills: list[float] = []

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Fit ``train``; ``valid`` is not used. Rows without a label are left out, weights are handed on.

        Raises:
            ComponentError: ``init_model`` is given.
            PermanentError: the estimator cannot learn from train: it has missing features, say.
        """
        if init_model is not None:
            raise ComponentError("an estimator cannot start from another model.", "Leave out warm_start.", "init_model")
        made, rows = self._made(), known_rows(dataset, TRAIN)
        target = Target.of_train("multiclass" if _is_classifier(made) else "mse", rows, None)
        rows = target.seen(rows, TRAIN)
        self._features, self._classes = rows.names, target.classes
        features = self._known(rows, made, [*getattr(dataset, "categorical", ())])
        if checkpoint is not None:
            checkpoint()
        with _quietly():
            try:
                made.fit(features, rows.label.astype(np.float64), **_weights(made, rows))
            except ValueError as error:
                fix = FILL_FIX if "NaN" in str(error) else "Look at train, or at the estimator's parameters."
                raise PermanentError(f"{type(made).__name__} cannot learn from {TRAIN}: {error}", fix) from error
        self._fitted, self._content = made, None

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """Scores of a segment: what a regressor predicts; of two classes 0 and 1 the probability of 1, of other classes
        the expected value. A row with a missing feature that the estimator does not take has none.

        Raises:
            StateError: the model is not fitted.
            PermanentError: the dataset has other features than the model was fitted on.
        """
        estimator = need_fitted(self._fitted)
        features = features_like(self._features, dataset, segment)
        if not self._classes:
            scores = self._by_session(features, lambda frame: estimator.predict(frame))[:, 0]
        elif callable(getattr(estimator, "predict_proba", None)):
            scores = expected(self._classes, self._probabilities(features))
        else:
            found = self._by_session(
                features, lambda frame: np.asarray(self._classes)[estimator.predict(frame).astype(int)]
            )
            scores = found[:, 0]
        return pd.Series(scores, index=features.index, name="score")

    def predict_outputs(self, dataset: Dataset, segment: str = "test") -> pd.DataFrame | None:
        """The probability of each class; None for a regressor.

        Raises:
            StateError, PermanentError: as ``predict``.
        """
        if not self._classes or not callable(getattr(need_fitted(self._fitted), "predict_proba", None)):
            return None
        features = features_like(self._features, dataset, segment)
        return class_outputs(features.index, self._classes, self._probabilities(features))

    def save(self, folder: Path) -> None:
        """Write ``estimator.skops``, and ``model.json`` with the arguments, features, classes and fills."""
        state = {"kwargs": self._kwargs, "features": self._features, "classes": self._classes, "fills": self._fills}
        (folder / FILE).write_bytes(self._content or dumped(need_fitted(self._fitted)))
        (folder / STATE).write_text(json.dumps(state, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote.

        Raises:
            PermanentError: it holds classes of packages that are not allowed.
        """
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        model = cls.__new__(cls)
        model._take(state["kwargs"])
        model._features, model._classes, model._fills = state["features"], tuple(state["classes"]), state["fills"]
        model._content = (folder / FILE).read_bytes()
        model._fitted = loaded(model._content, current_settings().estimator_packages)
        return model

    @classmethod
    def named_packages(cls, kwargs: Mapping[str, object]) -> Iterable[str]:
        """Those of the estimators."""
        return packages_in({"estimator": kwargs.get("estimator"), "params": kwargs.get("params")})

    def _made(self) -> Estimator:
        """A new estimator as the template has it."""
        named = self._kwargs["estimator"]
        config = {"estimator": named, "params": self._kwargs["params"]} if isinstance(named, str) else named
        return made_estimator(config, int(str(self._kwargs["seed"])), KEY)

    def _known(self, rows: Rows, made: Estimator, categories: Sequence[str]) -> pd.DataFrame:
        """The features of train as the estimator gets them.

        Raises:
            PermanentError: it does not take missing ones, and some are.
        """
        values = rows.features.astype(np.float64)
        places = [rows.names.index(name) for name in categories if name in rows.names]
        if (fill := self._kwargs["fill"]) is not None:
            self._fills = fills_of(fill, values, places)
            values = filled(values, self._fills)
        elif np.isnan(values).any() and not _takes_missing(made):
            column = rows.names[int(np.isnan(values).any(axis=0).argmax())]
            share = np.isnan(values).any(axis=1).mean()
            what = f"{type(made).__name__} takes no missing features, and {share:.1%} of the rows of {TRAIN} have some"
            raise PermanentError(f"{what} ({column}, for one).", FILL_FIX)
        if places and made.get_params(deep=False).get("categorical_features") == "from_dtype":
            made.set_params(categorical_features=places)  # of those estimators that know categories
        return pd.DataFrame(values, columns=rows.names)

    def _probabilities(self, features: pd.DataFrame) -> Values:
        estimator = need_fitted(self._fitted)
        return self._by_session(features, getattr(estimator, "predict_proba"))  # noqa: B009 - not every one has it

    def _by_session(self, features: pd.DataFrame, say: Callable[[pd.DataFrame], npt.NDArray[np.generic]]) -> Values:
        """What is said of each row, rows x values: session by session, because sums are rounded otherwise in other
        company, and a session must have the same scores whether it is predicted alone or with others.
        """
        values = features.to_numpy(np.float64)
        missing = np.zeros(len(values), bool)
        if self._fills:
            values = filled(values, self._fills)
        elif not _takes_missing(need_fitted(self._fitted)):
            missing = np.isnan(values).any(axis=1)
        if missing.any():
            log.warning(
                "%d of %d rows have missing features and get no score: %s", missing.sum(), len(values), FILL_FIX
            )
        parts = []
        with _quietly():
            for rows in _sessions(features.index):
                known = rows[~missing[rows]]
                if len(known):
                    part = pd.DataFrame(np.ascontiguousarray(values[known]), columns=self._features)
                    parts.append((known, np.asarray(say(part), np.float64).reshape(len(known), -1)))
        width = parts[0][1].shape[1] if parts else 1
        found = np.full((len(values), width), np.nan)
        for known, said in parts:
            found[known] = said
        return found


def _sessions(index: pd.Index) -> Iterator[npt.NDArray[np.intp]]:
    """The positions of the rows of each session."""
    codes = session_days(index).factorize()[0]
    order = np.argsort(codes, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _is_classifier(made: Estimator) -> bool:
    from sklearn.base import is_classifier

    return bool(is_classifier(made))


def _takes_missing(made: Estimator) -> bool:
    """Whether NaN goes through it: through each step of a pipeline, up to one that fills them."""
    from sklearn.utils import get_tags

    steps: Sequence[tuple[str, Estimator]] = getattr(made, "steps", [("", made)])
    for _, step in steps:
        if not get_tags(step).input_tags.allow_nan:
            return False
        if type(step).__module__.startswith("sklearn.impute."):
            return True
    return True


def _weights(made: Estimator, rows: Rows) -> dict[str, Values]:
    """The weights, under the name by which fit takes them; of a pipeline the last step has them."""
    if rows.weight is None:
        return {}
    from sklearn.utils.validation import has_fit_parameter

    steps: Sequence[tuple[str, Estimator]] = getattr(made, "steps", [("", made)])
    name, last = steps[-1]
    if not has_fit_parameter(last, "sample_weight"):
        log.warning("the weights of the rows have no effect: %s takes none", type(last).__name__)
        return {}
    return {f"{name}__sample_weight" if name else "sample_weight": rows.weight}


@contextmanager
def _quietly() -> Iterator[None]:
    """On one thread; what scikit-learn warns of goes to the log, each once."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(one.message).strip() for one in caught):
        log.warning("scikit-learn: %s", text)

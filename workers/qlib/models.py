"""Qlib's models as rollq's."""

from __future__ import annotations

import inspect
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Checkpoint, Model
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ComponentError, PermanentError
from rollq.tasks.failures import described
from rollq.workers.qlib import natives, pickles
from rollq.workers.qlib.classes import check_names
from rollq.workers.qlib.datasets import QlibDataset
from rollq.workers.qlib.draws import Draws
from rollq.workers.qlib.experiment import logging_to
from rollq.workers.qlib.pickle_classes import FILLED
from rollq.workers.qlib.quiet import quietly
from rollq.workers.qlib.signatures import parameters_of, takes_any, wrapped

FILE = "params.pkl"  # Qlib's name
# However many threads a file asks for: a worker has one core.
THREADS = frozenset({"num_threads", "num_thread", "nthreads", "nthread", "n_jobs", "thread_count"})
LOADERS = "n_jobs"  # of a model of PyTorch: processes that only read the data
# What a worker needs of a library, where the file does not say otherwise.
USUAL: Mapping[str, Mapping[str, object]] = {"CatBoostModel": {"allow_writing_files": False, "thread_count": 1}}


class QlibModel(Model):
    """A model of Qlib.

    Args:
        kwargs: those of Qlib's class.
    """

    wraps: ClassVar[type[natives.Model]]
    native: natives.Model

    def __init__(self, **kwargs: object) -> None:
        """The model is made at once, because only it knows whether it can use its values.

        Raises:
            ComponentError: it cannot.
        """
        check_names(kwargs, "model.kwargs")
        _check_kept(self.wraps)
        self._draws = Draws()
        with quietly(), self._draws.making():
            try:
                self.native = self.wraps(**_of_worker(self.wraps, kwargs))
            except Exception as error:
                raise ComponentError(
                    f"{self.wraps.__name__} refuses its kwargs: {described(error)}.", "Correct it.", "model.kwargs"
                ) from error
        self.evals: dict[str, list[float]] = {}

    def check_dataset(self, dataset: Dataset) -> None:
        """A model of Qlib learns from a dataset of Qlib.

        Raises:
            ComponentError: it is another one.
        """
        _of_qlib(dataset)

    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Train. What is random begins from the same seed, so that the same task gives the same model.

        Raises:
            ComponentError: the dataset is none of Qlib's, or ``init_model`` is given.
            PermanentError: there is nothing to learn from.
        """
        if init_model is not None:
            raise ComponentError("a model of Qlib cannot start from another one.", "Leave it out.", "init_model")
        native = _native(dataset)
        if checkpoint is not None:
            checkpoint()
        found: defaultdict[str, list[float]] = defaultdict(list)
        noted: dict[str, list[float]] = {}
        with quietly(), logging_to(found), self._draws.training(), tempfile.TemporaryDirectory() as folder:
            try:
                self.native.fit(native, **_of_fit(self.native, noted, Path(folder)))
            except ValueError as error:
                if "Empty data" in str(error):
                    raise PermanentError("The train segment has no rows.", "Look at its data.") from error
                raise
        self.evals = {**noted, **found}

    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """Scores of a segment."""
        with quietly():
            if "segment" in inspect.signature(self.native.predict).parameters:
                scores = self.native.predict(_native(dataset), segment=segment)
            else:  # it predicts test, and nothing else
                asked = dataset if segment == "test" else dataset.config({"test": dataset.segments[segment]})
                scores = self.native.predict(_native(asked))
        return scores.rename("score").sort_index()

    def save(self, folder: Path) -> None:
        """Write Qlib's own pickle.

        Raises:
            PermanentError: it could not be read again.
        """
        with quietly():
            (folder / FILE).write_bytes(pickles.dump(self.native, current_settings().pickle_classes))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""
        made = cls.__new__(cls)
        with quietly():
            found = pickles.load((folder / FILE).read_bytes(), current_settings().pickle_classes)
        if type(found) is not cls.wraps:
            raise PermanentError(f"{FILE} holds no {cls.wraps.__name__}.", "Train the task again.")
        made.native, made.evals, made._draws = found, {}, Draws()
        return made


def model_of(cls: type[object]) -> type[QlibModel]:
    """The class of rollq for one of Qlib's models."""
    # What a model takes beyond its names are parameters of its library.
    more = [inspect.Parameter("parameters", inspect.Parameter.VAR_KEYWORD)] if takes_any(cls) else []
    return wrapped(QlibModel, cls, [*parameters_of(cls), *more])


def _check_kept(cls: type[object]) -> None:
    """Refuse a model whose pickle would be refused, before it is trained.

    Raises:
        ComponentError: its class is not on the list.
    """
    name = (cls.__module__, cls.__qualname__)
    if name not in FILLED and ":".join(name) not in current_settings().pickle_classes:
        raise ComponentError(
            f"a {cls.__name__} could not be kept: its pickle is not on the list of those that are read.",
            "Use another model, or name every class that it holds in ROLLQ_PICKLE_CLASSES.",
            "model.class",
        )


def _native(dataset: Dataset) -> natives.Dataset:
    return _of_qlib(dataset).native


def _of_qlib(dataset: Dataset) -> QlibDataset:
    if not isinstance(dataset, QlibDataset):
        raise ComponentError(
            f"a model of Qlib cannot learn from a {type(dataset).__name__}.",
            "Use Qlib's DatasetH, or a model of rollq.",
            "dataset.class",
        )
    return dataset


def _of_worker(cls: type[natives.Model], kwargs: Mapping[str, object]) -> dict[str, object]:
    """The keywords of a model, in a worker: one thread; and no children, which a worker may not have."""
    given = {**USUAL.get(cls.__name__, {}), **kwargs}
    given |= dict.fromkeys(THREADS & given.keys(), 1)
    if _is_network(cls) and LOADERS in inspect.signature(cls).parameters:
        given[LOADERS] = 0
    return given


def _of_fit(native: natives.Model, noted: dict[str, list[float]], folder: Path) -> dict[str, object]:
    """What the training of a network is given: where it notes its scores, and a file of its own for the best weights.

    Qlib would put that file into a folder of the user's, and leave it there.
    """
    names = inspect.signature(native.fit).parameters if _is_network(type(native)) else {}
    given = {"evals_result": noted, "save_path": str(folder / "best")}
    return {name: value for name, value in given.items() if name in names}


def _is_network(cls: type[object]) -> bool:
    """Whether a model of Qlib's is one of PyTorch."""
    return cls.__module__.rpartition(".")[2].startswith("pytorch_")

"""What a model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from rollq.tasks.components.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

Checkpoint = Callable[[], None]


class Model(ABC):
    """Learns from a dataset's train segment (and valid, if it wants) and predicts another.

    ``warm_starts``: whether ``fit`` takes an ``init_model``; only then may a template ask for ``online.warm_start``.
    ``constant``: whether it gives every row the same score on purpose.
    """

    warm_starts: ClassVar[bool] = False
    constant: ClassVar[bool] = False

    def check_dataset(self, dataset: Dataset) -> None:  # noqa: B027 - most models fit any dataset
        """Look whether this model can be trained on a dataset, before anything is enqueued.

        Raises:
            ComponentError: it cannot; the message names the parameter.
        """

    @abstractmethod
    def fit(self, dataset: Dataset, *, checkpoint: Checkpoint | None = None, init_model: Model | None = None) -> None:
        """Train.

        Args:
            dataset: gives the segments.
            checkpoint: to be called often; it raises when the attempt must stop.
            init_model: a fitted model to start from, which stays as it is. A model that cannot do so raises: it never
                ignores one. It is only given to a ``fit`` that has this parameter.

        Raises:
            ComponentError: it cannot start from ``init_model``.
            PermanentError: the data cannot be learned from; trying again cannot help.
        """

    @abstractmethod
    def predict(self, dataset: Dataset, segment: str = "test") -> pd.Series:
        """Scores named ``score``, indexed (datetime, instrument) and sorted; finite numbers, not all of them equal."""

    def predict_outputs(self, dataset: Dataset, segment: str = "test") -> pd.DataFrame | None:
        """What the model says beside its score, on the same rows: quantiles ``q0.1``, probabilities of classes ``p_2``.

        Returns:
            None: nothing.
        """
        return None

    @classmethod
    def inner_components(cls, kwargs: Mapping[str, object]) -> Mapping[str, object]:
        """Components that its keywords name, such as a loss of one's own, by the keyword.

        Their source is a part of what a task is.
        """
        return {}

    @classmethod
    def named_packages(cls, kwargs: Mapping[str, object]) -> Iterable[str]:
        """Packages that its keywords name, beside those that its source imports: their versions count, too."""
        return ()

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's own text format into an existing folder; nothing written is refused."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """The model that ``save`` wrote."""

"""What a record is: it writes artifacts and metrics of a trained window to its recorder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.errors import ArtifactMissing, BadInput

if TYPE_CHECKING:
    import pandas as pd

Names = list[str]  # a name of its own: in the classes ``list`` is a method

Metrics = Mapping[str, float] | int | None  # metrics by name, or a step


class RunWriter(Protocol):
    """What a record asks of the recorder that it writes to; ``rollq.Recorder`` says what each method does."""

    def save_objects(
        self, local_path: str | Path | None = None, artifact_path: str | None = None, **objects: object
    ) -> None:
        """Save values as artifacts."""

    def load_object(self, name: str, unpickler: object = None) -> Any:
        """What was saved under ``name``."""

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of all artifacts, or of those in a folder."""

    def log_metrics(self, *given: Metrics, step: int | None = None, **more: float) -> None:
        """Log metrics."""


class Record(ABC):
    """Args: ``recorder`` to write to, and the fitted ``model`` with its ``dataset``; None is what is not needed."""

    artifact_path = ""  # the folder in the run that it writes to
    # Of its metrics by name: how they are pooled over windows (`mean` by default, `sum`, or `quadratic`, a root of a
    # mean of squares), and what is better (`higher` or `lower`; of a metric of its own it is not known otherwise).
    pooling: ClassVar[Mapping[str, str]] = {}
    better: ClassVar[Mapping[str, str]] = {}
    # Of each time, as `generate` measured it: a column for each metric. None: two variants are compared by running the
    # record on one session after the other.
    measured: pd.DataFrame | None = None

    def __init__(
        self, recorder: RunWriter | None = None, model: Model | None = None, dataset: Dataset | None = None
    ) -> None:
        """What is None is not set, so that its first use is refused; a class of one's own may set it later."""
        given = {"recorder": recorder, "model": model, "dataset": dataset}
        vars(self).update({name: value for name, value in given.items() if value is not None})

    @cached_property
    def recorder(self) -> RunWriter:
        """Where it writes to."""
        raise self._without("recorder")

    @cached_property
    def model(self) -> Model:
        """The fitted model."""
        raise self._without("model")

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset that the model was fitted on."""
        raise self._without("dataset")

    def save(self, **objects: object) -> None:
        """Save values into the folder of this record."""
        self.recorder.save_objects(None, self.artifact_path or None, **objects)

    def load(self, name: str) -> Any:
        """What this record, or one before it, has saved under ``name``.

        Raises:
            ArtifactMissing: there is no such artifact.
        """
        if self.artifact_path:
            with suppress(ArtifactMissing):
                return self.recorder.load_object(f"{self.artifact_path}/{name}")
        return self.recorder.load_object(name)

    def list(self) -> Names:
        """Names of what it writes into its folder, where they are known beforehand."""
        return []

    def used_columns(self) -> Mapping[str, Sequence[str]]:
        """Columns of the data that it asks for, by the keyword that names them: looked at before anything is trained.

        A class that has this must be possible without a recorder, a model and a dataset.
        """
        return {}

    def _without(self, name: str) -> BadInput:
        return BadInput(f"This {type(self).__name__} has no {name}.", f"Give it {name}=...")

    @abstractmethod
    def generate(self) -> Mapping[str, float | tuple[float, float]]:
        """Write; returns the metrics that were logged: numbers, or ``(number, weight)``.

        What is returned is pooled over the windows of a round, each weighted by the rows of its test segment or by its
        own weight, and shown with the round. ``docs/reference/records.md`` says how.
        """

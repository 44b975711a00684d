"""What a record is: it writes artifacts and metrics of a trained window to its recorder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model

Metrics = Mapping[str, float] | int | None  # metrics by name, or a step


class RunWriter(Protocol):
    """What a record asks of the recorder that it writes to; ``rollq.Recorder`` says what each method does."""

    def save_objects(
        self, local_path: str | Path | None = None, artifact_path: str | None = None, **objects: object
    ) -> None:
        """Save values as artifacts."""

    def load_object(self, name: str, unpickler: object = None) -> Any:
        """What was saved under ``name``."""

    def log_metrics(self, *given: Metrics, step: int | None = None, **more: float) -> None:
        """Log metrics."""


class Record(ABC):
    """Args: ``recorder`` to write to, and the fitted ``model`` with its ``dataset``."""

    def __init__(self, recorder: RunWriter, model: Model, dataset: Dataset) -> None:
        self.recorder = recorder
        self.model = model
        self.dataset = dataset

    @abstractmethod
    def generate(self) -> dict[str, float]:
        """Write; returns the metrics that were logged."""

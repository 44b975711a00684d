"""What a record is: it writes artifacts and metrics of a trained window to its recorder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rollq.workers.datasets.base import Dataset
from rollq.workers.models.base import Model


class Record(ABC):
    """Args: ``recorder`` to write to, and the fitted ``model`` with its ``dataset``."""

    def __init__(self, recorder: Any, model: Model, dataset: Dataset) -> None:
        self.recorder = recorder
        self.model = model
        self.dataset = dataset

    @abstractmethod
    def generate(self) -> dict[str, float]:
        """Write; returns the metrics that were logged."""

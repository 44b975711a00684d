"""LightGBM that does not begin to train before a file is there, so that a test decides how long a training takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rollq.tasks.components.dataset import Dataset
from rollq.workers.models.lightgbm import LGBModel

NAME = f"{__name__}:GatedModel"  # for the setting ``components``


class GatedModel(LGBModel):
    """Args: ``gate`` is the file; the rest as for ``LGBModel``."""

    def __init__(self, gate: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._gate = Path(gate)

    def fit(self, dataset: Dataset, *, checkpoint: Callable[[], None] | None = None) -> None:
        """Wait, and look at the checkpoint meanwhile; then train."""
        while not self._gate.exists():
            if checkpoint is not None:
                checkpoint()
            time.sleep(0.05)
        super().fit(dataset, checkpoint=checkpoint)

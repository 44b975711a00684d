"""The first window of a template, trained and predicted in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rollq.enqueueing import load_strategy
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import load_settings


def first_window(template: Path) -> tuple[Dataset, pd.Series]:
    """Its dataset, and what its model predicts for the test segment; every task can be planned."""
    settings = load_settings(state_dir=template.parent / "state")
    task = load_strategy(template, settings).first_tasks()[0]
    dataset = build(task["dataset"], "dataset", settings.components, cache_dir=str(template.parent / "cache"))
    dataset.check()
    model = build(task["model"], "model", settings.components)
    model.fit(dataset)
    score = model.predict(dataset)
    assert np.isfinite(score).all()
    return dataset, score

"""What real windows come to without a queue, a worker or a fault: trained one after the other in this process."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rollq.scheduler.signals.coverage import WindowPrediction, join_windows
from rollq.scheduler.signals.files import write_signals
from rollq.scheduler.strategies.plan import Plan
from rollq.tasks.components.registry import build
from rollq.tasks.definition import Definition
from rollq.tasks.tracking.artifacts.codecs import codec_of
from rollq.tasks.tracking.artifacts.manifest import Entry
from tests.chaos.gated_model import NAME as GATED

PREDICTIONS = "pred.parquet"


@dataclass(frozen=True)
class Calm:
    """SHA-256 of each window's predictions, in the order of the plan, and of the signals."""

    windows: tuple[str, ...]
    signals: str


def train_calmly(plan: Plan, cache: Path) -> Calm:
    """Train every window of a plan.

    Args:
        cache: a folder for the panel.
    """
    predicted = [_predict(definition, cache) for definition in plan.definitions]
    with tempfile.TemporaryDirectory(prefix="rollq-calm-") as folder:
        frames = [found.to_frame("score") for found in predicted]
        sums = [Entry.of(codec_of(frame).encode(frame), "frame").sha256 for frame in frames]
        windows = [_window(*pair) for pair in zip(plan.definitions, predicted, strict=True)]
        signals = write_signals(join_windows(windows, _sessions(plan)), Path(folder) / "signals.parquet")
    return Calm(tuple(sums), signals)


def _predict(definition: Definition, cache: Path) -> pd.Series:
    config = copy.deepcopy(definition["dataset"])
    config["kwargs"]["cache_dir"] = str(cache)
    dataset, model = build(config, "dataset", ()), build(definition["model"], "model", (GATED,))
    model.fit(dataset)
    return model.predict(dataset, "test")


def _window(definition: Definition, predicted: pd.Series) -> WindowPrediction:
    start, end = definition["dataset"]["kwargs"]["segments"]["test"]
    return WindowPrediction((str(start), end), predicted.to_frame("score"))


def _sessions(plan: Plan) -> Sequence[str]:
    return list(plan.purpose.sessions)

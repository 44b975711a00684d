"""Prices made up for tests, and a recorder that keeps everything in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rollq.tasks.errors import ArtifactMissing
from rollq.workers.datasets.panel import PanelDataset

SEGMENTS = {
    "train": ["2020-03-02", "2020-10-30"],
    "valid": ["2020-11-02", "2020-12-31"],
    "test": ["2021-01-04", "2021-03-31"],
}
FEATURES = [
    {"op": "momentum", "windows": [1, 5, 20]},
    {"op": "volatility", "windows": [5, 20]},
    {"op": "ma_distance", "windows": [20]},
]


def closes(sessions: int = 400, instruments: int = 12, seed: int = 1) -> pd.DataFrame:
    """Wide random walks: sessions x instruments, from 2020-01-01 on."""
    steps = np.random.default_rng(seed).normal(0, 0.02, (sessions, instruments))
    days = pd.bdate_range("2020-01-01", periods=sessions, name="datetime")
    names = pd.Index([f"S{number:02d}" for number in range(instruments)], name="instrument")
    return pd.DataFrame(50 * np.exp(steps.cumsum(axis=0)), index=days, columns=names)


def long(wide: pd.DataFrame) -> pd.DataFrame:
    """(datetime, instrument, close); a gap is a row with NaN."""
    return wide.stack().rename("close").reset_index()


def write(prices: pd.DataFrame, folder: Path, name: str = "prices.parquet") -> str:
    """Path of the written file; a wide frame is made long."""
    path = folder / name
    (prices if "close" in prices.columns else long(prices)).to_parquet(path)
    return str(path)


def panel(folder: Path, prices: pd.DataFrame | None = None, **changes: Any) -> PanelDataset:
    """A dataset of ``closes()``, or of ``prices``, with a cache of its own."""
    kwargs: dict[str, Any] = {
        "path": write(closes() if prices is None else prices, folder),
        "features": FEATURES,
        "label": {"op": "forward_return", "horizon": 5, "start": 1},
        "segments": SEGMENTS,
        "cache_dir": str(folder / "cache"),
    }
    return PanelDataset(**{**kwargs, **changes})


class MemoryRecorder:
    """What a record needs of a recorder."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}

    def save_objects(self, local_path: None = None, artifact_path: str | None = None, **objects: Any) -> None:
        self.objects.update({f"{artifact_path}/{name}" if artifact_path else name: v for name, v in objects.items()})

    def load_object(self, name: str) -> Any:
        if name not in self.objects:
            raise ArtifactMissing(f"There is no {name!r}.")
        return self.objects[name]

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        return [name for name in self.objects if artifact_path is None or name.startswith(f"{artifact_path}/")]

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.metrics.update(metrics)

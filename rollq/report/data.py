"""What a report shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

Bounds = tuple[str | None, str | None]


@dataclass(frozen=True)
class Window:
    """One window: its segments, who trained it when (UTC), and what came out."""

    index: int
    task_id: str
    train: Bounds
    valid: Bounds
    test: Bounds
    worker: str
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    status: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class ReportData:
    """A round. ``daily`` is indexed by datetime with columns ``ic``, ``rank_ic``; ``phases`` are (name, seconds)."""

    title: str
    pool: str
    generated_at: datetime
    windows: list[Window]
    daily: pd.DataFrame
    phases: list[tuple[str, float]]
    metrics: dict[str, float]
    signals: dict[str, object]
    online: str
    versions: dict[str, str]
    cores: int

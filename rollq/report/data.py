"""What a report shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pandas as pd

from rollq.tasks.predictions.directions import main_metrics

SHORT = {"seconds": "s", "minutes": "min", "hours": "h"}
Bounds = tuple[str | None, str | None]


@dataclass(frozen=True)
class Window:
    """One window: its segments, who trained it when (UTC), and what came out. ``member``: which of the models it is of
    that serve together.
    """

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
    member: str = ""

    @property
    def ran(self) -> bool:
        """Whether its last attempt has both begun and ended."""
        return self.started_at is not None and self.ended_at is not None

    @property
    def began(self) -> float:
        """When its last attempt began, seconds since 1970; NaN if never."""
        return self.started_at.timestamp() if self.started_at else math.nan

    @property
    def seconds(self) -> float:
        """How long its last attempt took; NaN if it did not end."""
        return (self.ended_at - self.started_at).total_seconds() if self.started_at and self.ended_at else math.nan


class Portfolio(Protocol):
    """A portfolio over all windows; ``rollq.scheduler.rounds.portfolios`` says what each of it is."""

    @property
    def name(self) -> str:
        """Of several; empty, if there is one."""

    @property
    def made(self) -> pd.DataFrame:
        """Its account by session."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """How good it was."""


@dataclass(frozen=True)
class ReportData:
    """A round. ``daily`` is indexed by datetime with columns ``ic``, ``rank_ic``; ``phases`` are (name, seconds).

    ``better`` says of metrics that are not known by their names whether ``higher`` or ``lower`` is better.
    """

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
    better: Mapping[str, str] = field(default_factory=dict)
    portfolios: Sequence[Portfolio] = ()

    @property
    def measured(self) -> list[str]:
        """Names of the metrics of the round or of a window, but those of groups and of portfolios before cost."""
        names = main_metrics(self.metrics, *(window.metrics for window in self.windows))
        return [name for name in names if not name.endswith("before cost")]


class HasPhases(Protocol):
    """What took how long: (name, seconds)."""

    @property
    def phases(self) -> list[tuple[str, float]]:
        """In their order."""


def time_unit(seconds: float) -> tuple[str, float]:
    """The unit that ``seconds`` reads well in, and its length in seconds."""
    if seconds < 180:
        return "seconds", 1.0
    return ("minutes", 60.0) if seconds < 3 * 3600 else ("hours", 3600.0)


def duration(seconds: float) -> str:
    """``seconds`` for a person, such as ``1.4 s`` or ``4.2 h``."""
    unit, length = time_unit(seconds)
    return f"{seconds / length:.1f} {SHORT[unit]}"

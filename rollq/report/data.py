"""What a report shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pandas as pd

from rollq.scheduler.champions.comparison import Comparison
from rollq.tasks.predictions.directions import main_metrics
from rollq.tasks.predictions.pooling import Pooled, pool

SHORT = {"seconds": "s", "minutes": "min", "hours": "h"}
Bounds = tuple[str | None, str | None]


@dataclass(frozen=True)
class Window:
    """One window: its segments, who trained it when (UTC), and what came out.

    ``member``: which of the models it is of that serve together; ``pooled``: its metrics with what they are pooled by;
    ``counts``: they are among those of the round, as of several horizons those of the first.
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
    pooled: Mapping[str, Pooled] = field(default_factory=dict)
    counts: bool = True

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


@dataclass(frozen=True)
class Step:
    """The windows of one test segment: one, or those of all members. ``metrics`` are of all of their rows."""

    name: str
    test: Bounds
    metrics: Mapping[str, float]


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
    ``compared`` is the model with each of its challengers; ``apart`` says why one is not compared.
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
    compared: Sequence[Comparison] = ()
    apart: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> list[Step]:
        """The windows that count, by their test segments."""
        found: dict[Bounds, list[Window]] = {}
        for window in self.windows:
            if window.counts:
                found.setdefault(window.test, []).append(window)
        return [Step(_named(windows), test, _together(windows)) for test, windows in found.items()]

    @property
    def by_member(self) -> dict[str, Mapping[str, float]]:
        """The metrics of each member over all of its windows; empty, if there is one model."""
        found: dict[str, list[Window]] = {}
        for window in self.windows:
            found.setdefault(window.member, []).append(window)
        return {name: _together(windows) for name, windows in found.items()} if len(found) > 1 else {}

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


def _named(windows: Sequence[Window]) -> str:
    first = windows[0]
    return f"window {first.index} {first.member}".rstrip() if len(windows) == 1 else f"{len(windows)} windows"


def _together(windows: Sequence[Window]) -> Mapping[str, float]:
    """The metrics of all rows of some windows."""
    return windows[0].metrics if len(windows) == 1 else pool(window.pooled for window in windows)


def time_unit(seconds: float) -> tuple[str, float]:
    """The unit that ``seconds`` reads well in, and its length in seconds."""
    if seconds < 180:
        return "seconds", 1.0
    return ("minutes", 60.0) if seconds < 3 * 3600 else ("hours", 3600.0)


def duration(seconds: float) -> str:
    """``seconds`` for a person, such as ``1.4 s`` or ``4.2 h``."""
    unit, length = time_unit(seconds)
    return f"{seconds / length:.1f} {SHORT[unit]}"

"""What the page of a simulation shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from rollq.tasks.predictions.metrics import summary
from rollq.tasks.predictions.session_days import session_days, sessions_in

NO_DAYS = pd.DataFrame({"ic": [], "rank_ic": []}, index=pd.DatetimeIndex([], name="datetime"))


@dataclass(frozen=True)
class Stay:
    """A model that served from the session ``start`` until before the session ``until``, in an online set.

    ``window`` is the test segment that it was planned for; its end is None where the calendar did not reach it.
    """

    version: int
    start: str
    until: str
    window: tuple[str, str | None]
    recorder_id: str
    variant: str


@dataclass(frozen=True)
class LedgerRow:
    """One online set: from which session it serves, when it was written (UTC), and the window of its newest model."""

    version: int
    session: str
    since: datetime
    window: tuple[str, str | None] | None
    champion: str
    why: str


@dataclass(frozen=True)
class Coverage:
    """Sessions that signals were to cover, how many they do, and the holes that were noted or found."""

    expected: int
    covered: int
    holes: tuple[str, ...]


@dataclass(frozen=True)
class Track:
    """One strategy, or the ensemble of all: who served, and how good the published signals were.

    ``daily`` is indexed by datetime, with the columns ``ic`` and ``rank_ic``, of the times whose labels are known.
    ``models`` counts those that served; None for an ensemble. ``sha256`` are the files of the published signals.
    """

    label: str
    name: str
    daily: pd.DataFrame
    coverage: Coverage
    models: int | None = None
    stays: tuple[Stay, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    sha256: tuple[str, ...] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR`` over all days; what is not known is left out."""
        return summary(self.daily.dropna())

    def to_dict(self) -> dict[str, object]:
        """JSON-able, without the days."""
        return {
            "label": self.label,
            "name": self.name,
            "metrics": self.metrics,
            "models": self.models,
            "sets": len(self.ledger),
            "sessions": self.coverage.covered,
            "measured_sessions": len(sessions_in(self.daily)),
            "holes": list(self.coverage.holes),
            "sha256": list(self.sha256),
        }


@dataclass(frozen=True)
class OnlineData:
    """A simulation. ``phases`` are (name, seconds); ``data`` and ``code`` are what the ledger says of the models."""

    title: str
    name: str
    begin: str
    end: str
    generated_at: datetime
    tracks: tuple[Track, ...]
    ensemble: Track | None
    phases: list[tuple[str, float]]
    data: tuple[str, ...]
    code: tuple[str, ...]
    trained: int
    train_seconds: float
    versions: dict[str, str]
    cores: int
    notes: tuple[str, ...] = field(default=())

    @property
    def series(self) -> tuple[Track, ...]:
        """The strategies, then the ensemble if there is one."""
        return (*self.tracks, *((self.ensemble,) if self.ensemble else ()))

    def to_dict(self) -> dict[str, object]:
        """JSON-able, without the days."""
        return {
            "name": self.name,
            "begin": self.begin,
            "end": self.end,
            "strategies": [track.to_dict() for track in self.tracks],
            "ensemble": self.ensemble.to_dict() if self.ensemble else None,
            "data": list(self.data),
            "notes": list(self.notes),
        }


def span(window: tuple[str, str | None]) -> str:
    """A window as text; its end may not be known."""
    return f"{window[0]} to {window[1]}" if window[1] else f"{window[0]} on"


def monthly(daily: pd.DataFrame) -> pd.DataFrame:
    """Means by month, indexed ``YYYY-MM`` ascending: ``ic``, ``rank_ic``, and ``days``, how many sessions there are."""
    # A day without a coefficient says nothing; as 0 it would pull the mean of its month.
    days = daily.dropna()
    months = pd.DatetimeIndex(days.index).strftime("%Y-%m")
    means = days[["ic", "rank_ic"]].astype(float).groupby(months).mean()
    sessions = pd.Series(session_days(days), days.index)
    return means.assign(days=sessions.groupby(months).nunique().astype(int))

"""The signals of a strategy: those that its routine published; or, if it has none, those of its online set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from rollq.scheduler.champions.research import find_round, signals_of
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.rounds.findings import name_of
from rollq.scheduler.signals.files import read_signals
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.signals.members import of_horizon
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound
from rollq.tasks.predictions.row_times import are_dates, time_texts
from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.tracking.mlflow.experiment import find_run


@dataclass(frozen=True)
class CurrentSignals:
    """``frame`` has the column ``score``, indexed (datetime, instrument); ``version`` is the newest set in it.

    Signals of research belong to a round, and to no version.
    """

    strategy: str
    version: int | None
    frame: pd.DataFrame
    round_id: str = ""

    def of_horizon(self, horizon: str | None) -> CurrentSignals:
        """Those of one horizon of the label; None: all that there is. Raises BadInput: there is no such horizon."""
        return replace(self, frame=of_horizon(self.frame, horizon))

    @property
    def title(self) -> str:
        """Whose they are, as text."""
        return f"{self.strategy}, round {self.round_id}" if self.round_id else f"{self.strategy} version {self.version}"

    @property
    def source(self) -> dict[str, object]:
        """Whose they are, JSON-able."""
        more = {"round": self.round_id} if self.round_id else {}
        return {"strategy": self.strategy, "version": self.version, **more}


def current_signals(backend: Backend, strategy: str, as_of: datetime | None = None) -> CurrentSignals:
    """The signals of a strategy, each session as it was published last.

    Args:
        as_of: as they were at this time (UTC); None: now.

    Raises:
        NotFound: there are none.
        ArtifactCorrupted: they are not what was published.
    """
    ledger = SignalLedger(backend)
    # What was published goes before what a set was gathered with: days that were revised are in the former alone.
    if entries := ledger.entries(strategy, as_of):
        return CurrentSignals(strategy, max(entries[-1].versions, default=0), ledger.read(strategy, as_of=as_of))
    sets = OnlineSets(backend.store)
    online = sets.as_of(strategy, as_of) if as_of else sets.current(strategy)
    if online.signals is None:
        raise NotFound(f"{strategy!r} has published no signals yet.", f"Run `rollq routine run {strategy}`.")
    recorder = find_run(online.signals.recorder_id, backend.settings.mlflow_uri)
    return CurrentSignals(strategy, online.version, read_signals(recorder.load_object(online.signals.artifact)))


def round_signals(backend: Backend, text: str) -> CurrentSignals:
    """The signals of a round; ``text`` is its id or its name.

    Raises:
        NotFound: there is no such round.
        StateError: it is not gathered, or wrote no signals of its own.
        ArtifactCorrupted: they are not what was written.
    """
    found = find_round(backend, text)
    return CurrentSignals(name_of(found), None, signals_of(backend, found), found.id)


def best(signals: pd.DataFrame, date: str | None, top: int) -> tuple[str, pd.DataFrame]:
    """The highest scores of a session, and which one it is.

    Args:
        signals: sorted by (datetime, instrument).
        date: a session (``YYYY-MM-DD``), or a time of it as ``time_texts`` writes it, or the beginning of one; None:
            the last session.
        top: how many, at each time.

    Returns:
        A frame with ``instrument`` and ``score``, best first, of equal ones as they stand; and ``time``, where rows
        have times.

    Raises:
        NotFound: there are none.
    """
    days = session_days(signals).strftime("%Y-%m-%d")
    day = (date or days[-1]).replace(" ", "T")
    rows = signals[days == day[:10]].reset_index()
    times = time_texts(pd.DatetimeIndex(rows["datetime"]))
    rows = rows.assign(time=times, instrument=rows["instrument"].astype(str))[times.str.startswith(day)]
    if rows.empty:
        raise NotFound(f"There are no signals for {date}.", f"They reach from {days[0]} to {days[-1]}.")
    found = rows.sort_values("score", ascending=False, kind="stable").sort_values("datetime", kind="stable")
    found = found.groupby("datetime", sort=False).head(top)
    dated = are_dates(pd.DatetimeIndex(signals.index.unique("datetime")))
    return day, found[["instrument", "score"] if dated else ["time", "instrument", "score"]]

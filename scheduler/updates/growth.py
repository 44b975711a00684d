"""Sessions that were not complete: rows of them came after they were predicted, and make them another prediction.

Only tables whose rows have times know such sessions. Where rows have dates, a day that is there is there; what changes
of it later is a revision (``scheduler/updates/revisions.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.online.serving import Served, served
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.signals.publication import covered
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.own_days import on_own_days
from rollq.scheduler.updates.prediction_tasks import Update
from rollq.tasks.backend import Backend
from rollq.tasks.errors import DataError
from rollq.tasks.predictions.day_hashes import frame_hashes
from rollq.tasks.predictions.row_times import are_dates
from rollq.tasks.predictions.session_days import on_sessions, sessions_in

RECENT = 7  # sessions that are looked at: data of hours come late by hours, or by a few days


def grown(backend: Backend, strategy: OnlineStrategy, session: str) -> list[Update]:
    """The recent sessions before ``session`` that have rows which a model has not predicted, by the models of then.

    Raises:
        ArtifactMissing, ArtifactCorrupted: what was predicted is not there, or is not what was written.
    """
    days = _recent(backend, strategy, session)
    history = OnlineSets(backend.store).history(strategy.name) if days else []
    updates = []
    for one in on_own_days(strategy, served(history, days, challengers=True)):
        rows = _rows(strategy, one)
        if rows is None:
            continue
        known = Predictions(backend).read(one.pool, one.model, one.days)
        # Rows that were seen have a label, known or not, where the model left out their score.
        new = rows.difference(known.pred.index.union(known.label.index))
        if more := [day for day in sessions_in(new) if day in known.days]:
            hashes = frame_hashes(pd.DataFrame({"row": 0.0}, index=rows))
            of_rows = {day: hashes[day] for day in more}
            updates.append(Update(one.pool, one.variant, one.model, tuple(more), of_rows))
    return updates


def grown_sessions(backend: Backend, strategy: OnlineStrategy, session: str) -> list[str]:
    """The recent sessions before ``session`` of which more rows are predicted than were published. Raises as above."""
    days = _recent(backend, strategy, session)
    parts = served(OnlineSets(backend.store).history(strategy.name), days) if days else []
    if all(_rows(strategy, part) is None for part in on_own_days(strategy, parts)):
        return []
    scores, _ = covered(backend, strategy, parts, days)
    return sessions_in(scores.index.difference(SignalLedger(backend).read(strategy.name, days).index))


def _recent(backend: Backend, strategy: OnlineStrategy, session: str) -> Sequence[str]:
    """The recent sessions that were published before a session; none where their rows have dates."""
    ledger = SignalLedger(backend)
    days = sorted({day for entry in ledger.entries(strategy.name) for day in entry.days if day < session})[-RECENT:]
    # By what was published: a look into the data may take long, and as a rule there is nothing to look for.
    times = ledger.read(strategy.name, days[-1:]).index.unique("datetime") if days else pd.DatetimeIndex([])
    return [] if are_dates(pd.DatetimeIndex(times)) else days


def _rows(strategy: OnlineStrategy, part: Served) -> pd.MultiIndex | None:
    """The rows that the data have on the sessions of a part; None if rows have dates, or there are none."""
    dataset = strategy.dataset_of(part.name).config(segments={"test": [min(part.days), max(part.days)]})
    try:
        index = dataset.prepare("test", "raw").index
    except DataError:
        return None
    return None if are_dates(pd.DatetimeIndex(index.levels[0])) else index[on_sessions(index, part.days)]

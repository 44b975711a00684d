"""The signals of a strategy: those that its routine published; or, if it has none, those of its online set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from scheduler.online_sets import OnlineSets
from scheduler.signal_ledger import SignalLedger
from scheduler.signals import read_signals
from tasks.backend import Backend
from tasks.errors import NotFound
from tasks.tracking.mlflow_experiment import MLflowExperiment


@dataclass(frozen=True)
class CurrentSignals:
    """``frame`` has the column ``score``, indexed (datetime, instrument); ``version`` is the newest set in it."""

    strategy: str
    version: int
    frame: pd.DataFrame


def current_signals(backend: Backend, strategy: str, as_of: datetime | None = None) -> CurrentSignals:
    """The signals of a strategy, each session as it was published last.

    Args:
        as_of: as they were at this time (UTC); None: now.

    Raises:
        NotFound: there are none.
        ArtifactCorrupted: they are not what was published.
    """
    ledger = SignalLedger(backend)
    if entries := ledger.entries(strategy, as_of):
        return CurrentSignals(strategy, max(entries[-1].versions, default=0), ledger.read(strategy, as_of=as_of))
    sets = OnlineSets(backend.store)
    online = sets.as_of(strategy, as_of) if as_of else sets.current(strategy)
    if not online.signals:
        raise NotFound(f"{strategy!r} has published no signals yet.", f"Run `rollq routine run {strategy}`.")
    recorder = MLflowExperiment.open(online.pool, backend.settings.mlflow_uri).get_recorder(
        online.signals["recorder_id"]
    )
    return CurrentSignals(strategy, online.version, read_signals(recorder.load_object(online.signals["artifact"])))

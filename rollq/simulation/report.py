"""From the ledgers to the page of a simulation: who served when, and how good the published signals were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from itertools import pairwise

import pandas as pd

from rollq.report.round_report import LIBRARIES
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.online.serving import served
from rollq.scheduler.signals.ledger import SignalEntry, SignalLedger
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.simulation.data import NO_DAYS, Coverage, LedgerRow, OnlineData, Stay, Track
from rollq.simulation.plan import Planned
from rollq.tasks.backend import Backend
from rollq.tasks.errors import DataError
from rollq.tasks.predictions.metrics import daily_ic
from rollq.tasks.queue.task import Task
from rollq.tasks.rounds.documents import Round
from rollq.workers.process.machine import this_machine

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Seconds:
    """How long the parts of a simulation took. ``training`` holds the gathering; ``trained``: something was trained."""

    setup: float
    planning: float
    training: float
    publishing: float
    trained: bool


def read_online(backend: Backend, planned: Planned, ensemble: str, seconds: Seconds) -> OnlineData:
    """What the page of a simulation shows.

    Args:
        ensemble: the name of the joined signals; they are shown if there are several strategies.

    Raises:
        ArtifactMissing, ArtifactCorrupted: published signals are not what the ledger says.
    """
    sets, sessions = OnlineSets(backend.store), planned.sessions
    histories = [sets.history(strategy.name) for strategy in planned.strategies]
    labels = [_labels(strategy, sessions) for strategy in planned.strategies]
    tracks = tuple(
        _track(backend, strategy, shown, history, known, sessions)
        for strategy, shown, history, known in zip(planned.strategies, planned.labels, histories, labels, strict=True)
    )
    joined, notes = None, []
    if len(tracks) > 1:
        daily, coverage, sums = _measured(backend, ensemble, labels[0], sessions)
        joined = Track(ENSEMBLE, ensemble, daily, coverage, sha256=sums)
        # Means of scores for different labels have no label of their own to be measured with.
        if not all(labels[0].equals(other) for other in labels[1:]):
            notes.append(
                f"The strategies have different labels; the ensemble is measured with those of {tracks[0].label}."
            )
    rounds, tasks = _work(backend, histories)
    return OnlineData(
        title=", ".join(planned.labels),
        name=planned.name,
        begin=planned.begin,
        end=planned.end,
        generated_at=datetime.now(UTC),
        tracks=tracks,
        ensemble=joined,
        phases=_phases(seconds, rounds, tasks),
        data=tuple(sorted({found for history in histories for one in history for found in one.data})),
        code=tuple(sorted({_code(one) for history in histories for one in history})),
        trained=len(tasks),
        train_seconds=sum(_seconds(task) for task in tasks),
        versions={name: version(name) for name in LIBRARIES},
        cores=this_machine().cores,
        notes=tuple(notes),
    )


def _track(
    backend: Backend,
    strategy: OnlineStrategy,
    label: str,
    history: Sequence[OnlineSet],
    labels: pd.Series,
    sessions: Sequence[str],
) -> Track:
    """What the page says of one strategy."""
    daily, coverage, sums = _measured(backend, strategy.name, labels, sessions)
    found = tuple(stays(history, sessions))
    models = len({stay.recorder_id for stay in found})
    return Track(label, strategy.name, daily, coverage, models, found, tuple(map(_ledger_row, history)), sums)


def _measured(
    backend: Backend, name: str, labels: pd.Series, sessions: Sequence[str]
) -> tuple[pd.DataFrame, Coverage, tuple[str, ...]]:
    """Daily coefficients of the published signals, their coverage, and the hashes of their files."""
    ledger = SignalLedger(backend)
    entries = ledger.entries(name)
    covered = {day for entry in entries for day in entry.days} & set(sessions)
    holes = tuple(sorted(_noted(entries, sessions) | (set(sessions) - covered)))
    daily = NO_DAYS
    if covered:
        signals = ledger.read(name, covered)
        daily = daily_ic(signals["score"], labels.reindex(signals.index))
    return daily, Coverage(len(sessions), len(covered), holes), tuple(entry.sha256 for entry in entries)


def _noted(entries: Sequence[SignalEntry], sessions: Sequence[str]) -> set[str]:
    """Holes that were published in spite of, session or instrument-day."""
    return {gap for entry in entries for gap in entry.gaps if sessions[0] <= gap[:10] <= sessions[-1]}


def _labels(strategy: OnlineStrategy, sessions: Sequence[str]) -> pd.Series:
    """What the signals are measured with: the labels as they are, indexed (datetime, instrument)."""
    dataset = strategy.dataset_of().config(segments={"test": [sessions[0], sessions[-1]]})
    try:
        raw: pd.Series = dataset.prepare("test", "raw")["label"]
    except DataError:
        return pd.Series([], dtype=float, index=pd.MultiIndex.from_arrays([[], []], names=["datetime", "instrument"]))
    return raw


def stays(history: Sequence[OnlineSet], sessions: Sequence[str]) -> list[Stay]:
    """Who served when, by the first session.

    Args:
        history: of one strategy, oldest first.
        sessions: ``YYYY-MM-DD``, ascending.
    """
    # A stay ends where the next session begins; after the last one there is none, so the day after stands for it.
    following = dict(pairwise([*sessions, *(_next_day(day) for day in sessions[-1:])]))
    found = [
        Stay(one.version, one.days[0], following[one.days[-1]], one.model.test, one.model.recorder_id, one.variant)
        for one in served(history, sessions)
    ]
    return sorted(found, key=lambda stay: stay.start)


def _ledger_row(online: OnlineSet) -> LedgerRow:
    newest = max(online.models, key=lambda model: model.test[0], default=None)
    window = newest.test if newest else None
    return LedgerRow(online.version, online.session, online.at, window, online.champion, online.why)


def _work(backend: Backend, histories: Sequence[Sequence[OnlineSet]]) -> tuple[list[Round], list[Task]]:
    """The rounds behind the sets, and their tasks."""
    ids = dict.fromkeys(one.round_id for history in histories for one in history)
    rounds = [backend.rounds.get(ident) for ident in ids]
    tasks = backend.tasks.find(ids=[ident for found in rounds for ident in found.task_ids]) if rounds else []
    return rounds, tasks


def _phases(seconds: Seconds, rounds: Sequence[Round], tasks: Sequence[Task]) -> list[tuple[str, float]]:
    """Gathering is what came after the last window: before that, it ran beside the training."""
    ends = [task.ended_at for task in tasks if task.ended_at]
    gathered = [found.finished_at for found in rounds if found.finished_at]
    gathering = 0.0
    if seconds.trained and ends and gathered:
        gathering = min(max((max(gathered) - max(ends)).total_seconds(), 0.0), seconds.training)
    return [
        ("setting up", seconds.setup),
        ("planning", seconds.planning),
        ("training", seconds.training - gathering),
        ("gathering", gathering),
        ("publishing", seconds.publishing),
    ]


def _code(online: OnlineSet) -> str:
    found = online.code
    return f"rollq {found.get('rollq', '')}" + (f", commit {found['git_commit']}" if found.get("git_commit") else "")


def _seconds(task: Task) -> float:
    return (task.ended_at - task.started_at).total_seconds() if task.ended_at and task.started_at else 0.0


def _next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()

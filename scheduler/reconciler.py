"""The reconciler: closes MLflow runs that dead attempts and dead coordinators left behind, as FAILED with the reason.

A run is dead if the store says so: its task has gone on without it, or another run holds its result. Runs of attempts
that live are never touched. It may run anywhere, any number of times.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from celery import Celery

from scheduler.online_sets import OnlineSets
from tasks.attempt_runs import TASK, why_lost
from tasks.backend import Backend
from tasks.errors import NotFound, RollqError
from tasks.loose_ends import LooseEnd
from tasks.messages import RECONCILE
from tasks.rounds import RoundState
from tasks.task import Task
from tasks.tracking.lifecycle import RecorderStatus
from tasks.tracking.mlflow_experiment import MLflowExperiment
from tasks.tracking.mlflow_recorder import MLflowRecorder

log = logging.getLogger(__name__)

CLOSED = (RecorderStatus.FAILED, RecorderStatus.SCHEDULED)  # SCHEDULED: nothing was begun


@dataclass(frozen=True)
class StrayRun:
    """An MLflow run of an attempt, or of a coordinator, that is over. ``why`` becomes its tag ``rollq.superseded``."""

    pool: str
    recorder: MLflowRecorder
    why: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"pool": self.pool, "run": self.recorder.id, "name": self.recorder.name, "why": self.why}


def register(app: Celery, backend: Backend, *, tracked: bool = True) -> None:
    """Add the reconciling task to a Celery application.

    Args:
        tracked: attempts of this worker make MLflow runs; else there is nothing to close.
    """

    def hear() -> None:
        try:
            if tracked:
                tie_loose_ends(backend)
            else:
                for end in backend.tasks.loose_ends.all():
                    backend.tasks.loose_ends.strike_out(end)
        except RollqError as error:
            log.warning("reconciling was left out, a sweep rings again: %s", error)

    app.task(name=RECONCILE, shared=False)(hear)


def tie_loose_ends(backend: Backend) -> list[StrayRun]:
    """Close the runs of tasks whose holders were cut off; returns those that were closed.

    Raises:
        Unavailable: store or MLflow does not answer; what was not closed stays noted.
    """
    closed = []
    for end in backend.tasks.loose_ends.all():
        closed += [stray for stray in _of_task(backend, end) if close(backend, stray)]
        backend.tasks.loose_ends.strike_out(end)
    return closed


def stray_runs(backend: Backend) -> Iterator[StrayRun]:
    """Every run that shows RUNNING although its attempt or its coordinator is over, in the experiments of all pools.

    Raises:
        Unavailable: store or MLflow does not answer.
    """
    for pool in backend.tasks.pools():
        experiment = MLflowExperiment.find(pool, backend.settings.mlflow_uri)
        running = experiment.iter_recorders(status="RUNNING") if experiment else ()
        for recorder in list(running):  # all of them first: closing one would shift the pages
            why = _why_over(backend, recorder)
            if why:
                yield StrayRun(pool, recorder, why)


def close(backend: Backend, stray: StrayRun) -> bool:
    """End a stray run as FAILED, with the reason as a tag, unless something refers to it; whether it did."""
    closed = backend.tasks.references.close(stray.recorder, stray.why)
    if closed:
        log.info("run %s is closed: %s", stray.recorder.id, stray.why)
    return closed


def _of_task(backend: Backend, end: LooseEnd) -> list[StrayRun]:
    experiment = MLflowExperiment.find(end.pool, backend.settings.mlflow_uri)
    if experiment is None:
        return []
    found = list(experiment.iter_recorders(f"tags.`{TASK}` = '{end.task_id}'"))
    task = _task(backend, end.task_id)  # read after the runs: an attempt that began since has none of these
    reasons = [(recorder, why_lost(recorder, task)) for recorder in found if recorder.status not in CLOSED]
    return [StrayRun(end.pool, recorder, why) for recorder, why in reasons if why]


def _why_over(backend: Backend, recorder: MLflowRecorder) -> str:
    if ident := recorder.tags.get(TASK):
        return why_lost(recorder, _task(backend, ident))
    if ident := recorder.tags.get("rollq.round"):
        return _gathering_over(backend, recorder, ident)
    return ""  # not ours


def _gathering_over(backend: Backend, recorder: MLflowRecorder, round_id: str) -> str:
    try:
        found = backend.rounds.get(round_id)
    except NotFound:
        return "its round is gone"
    if found.status is RoundState.GATHERING:
        return ""
    online = OnlineSets(backend.store).of_round(round_id)
    if online and online.signals.get("recorder_id") == recorder.id:
        return ""
    return f"its round is {found.status} without it"


def _task(backend: Backend, ident: str) -> Task | None:
    return next(iter(backend.tasks.find(ids=[ident])), None)

"""The reconciler: closes MLflow runs that dead attempts and dead coordinators left behind, as FAILED with the reason.

A run is dead if the store says so: its task has gone on without it, or another run holds its result; or if its process
is gone from this machine (``tasks/tracking/runs/process.py``). Runs that live are never touched. It may run anywhere,
any number of times.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from celery import Celery

from rollq.scheduler.online.ledger import OnlineSets
from rollq.tasks.attempts.attempt_runs import why_lost
from rollq.tasks.backend import Backend
from rollq.tasks.broker.messages import RECONCILE
from rollq.tasks.definition import experiment_of
from rollq.tasks.errors import NotFound, RollqError, Unavailable
from rollq.tasks.queue.task import Task
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.orphans import SEARCH_SECONDS, Orphan
from rollq.tasks.tracking.runs.process import Life, Process
from rollq.tasks.tracking.runs.run_tags import POOL, ROUND, TASK

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OrphanedRun:
    """An MLflow run of an attempt, or of a coordinator, that is over. ``why`` becomes its tag ``rollq.superseded``."""

    pool: str
    recorder: MLflowRecorder
    why: str

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {"pool": self.pool, "run": self.recorder.id, "name": self.recorder.name, "why": self.why}


@dataclass(frozen=True)
class Survey:
    """What the runs that show RUNNING are about: those that are over, and how many there are, by host, of whose process
    nothing can be said from here."""

    orphaned: list[OrphanedRun]
    elsewhere: Counter[str]


def register(app: Celery, backend: Backend, *, tracked: bool = True) -> None:
    """Add the reconciling task to a Celery application.

    Args:
        tracked: attempts of this worker make MLflow runs; else there is nothing to close.
    """

    searched = -SEARCH_SECONDS

    def search() -> None:
        """Look for runs that were not noted, too, now and then: it goes through all experiments."""
        nonlocal searched
        if time.monotonic() - searched > SEARCH_SECONDS / 2:
            for orphaned in orphaned_runs(backend):
                close(backend, orphaned)
            searched = time.monotonic()

    def handle() -> None:
        try:
            if tracked:
                resolve_orphans(backend)
                search()
            else:
                for end in backend.tasks.orphans.all():
                    backend.tasks.orphans.resolve(end)
        except RollqError as error:
            log.warning("reconciling was left out, a sweep notifies again: %s", error)

    app.task(name=RECONCILE, shared=False)(handle)


def resolve_orphans(backend: Backend) -> list[OrphanedRun]:
    """Close the runs of tasks whose holders were cut off; returns those that were closed.

    Raises:
        Unavailable: store or MLflow does not answer; what was not closed stays noted.
    """
    closed = []
    for end in backend.tasks.orphans.all():
        try:
            closed += [orphaned for orphaned in _of_task(backend, end) if close(backend, orphaned)]
        except Unavailable:
            raise
        except RollqError as error:  # of these runs: those of other tasks are closed all the same
            log.warning("the runs of task %s are not closed yet: %s", end.task_id, error)
        else:
            backend.tasks.orphans.resolve(end)
    return closed


def orphaned_runs(backend: Backend) -> Iterator[OrphanedRun]:
    """Every run that shows RUNNING although its attempt, its coordinator or its process is over.

    Raises:
        Unavailable: store or MLflow does not answer.
    """
    yield from survey(backend).orphaned


def survey(backend: Backend) -> Survey:
    """Look at every run that shows RUNNING, or is scheduled for a task. Raises as ``orphaned_runs``."""
    pools, found = set(backend.tasks.pools()), Survey([], Counter())
    for experiment in MLflowExperiment.all(backend.settings.mlflow_uri):
        for recorder in _open_runs(experiment):
            process = Process.of_tags(recorder.tags)
            life = process.life() if process else Life.UNKNOWN
            # A task may have another experiment than its pool's.
            pool = recorder.tags.get(POOL, experiment.name)
            if why := _why_over(backend, recorder, pool in pools, life) or _why_gone(backend, recorder, process, life):
                # Listing all experiments takes a while, in which many a run ends as it should.
                if _still_shows(experiment, recorder):
                    found.orphaned.append(OrphanedRun(pool, recorder, why))
            elif process and life is Life.UNKNOWN and TASK not in recorder.tags:
                found.elsewhere[process.host] += 1
    return found


def _open_runs(experiment: MLflowExperiment) -> list[MLflowRecorder]:
    """The runs of an experiment that show RUNNING, and those that are scheduled for an attempt at a task."""
    scheduled = experiment.iter_recorders(status=RecorderStatus.SCHEDULED)
    running = experiment.iter_recorders(status=RecorderStatus.RUNNING)
    return [*running, *(recorder for recorder in scheduled if TASK in recorder.tags)]


def close(backend: Backend, orphaned: OrphanedRun) -> bool:
    """End an orphaned run as FAILED, with the reason as a tag, unless something refers to it; whether it did."""
    closed = backend.tasks.references.close(orphaned.recorder, orphaned.why)
    if closed:
        log.info("run %s is closed: %s", orphaned.recorder.id, orphaned.why)
    return closed


def _of_task(backend: Backend, end: Orphan) -> list[OrphanedRun]:
    of_task = f"tags.`{TASK}` = '{end.task_id}'"
    found = [run for experiment in _experiments(backend, end) for run in experiment.iter_recorders(of_task)]
    task = _task(backend, end.task_id)  # read after the runs: an attempt that began since has none of these
    reasons = [
        (recorder, why_lost(recorder, task)) for recorder in found if recorder.status is not RecorderStatus.FAILED
    ]
    return [OrphanedRun(end.pool, recorder, why) for recorder, why in reasons if why]


def _experiments(backend: Backend, end: Orphan) -> list[MLflowExperiment]:
    """Where the runs of a task may be: a task that was removed does not say it any more."""
    uri = backend.settings.mlflow_uri
    task = next(iter(backend.tasks.find(ids=[end.task_id], definitions=True)), None)
    if task is None:
        return list(MLflowExperiment.all(uri))
    found = MLflowExperiment.find(experiment_of(task.definition, end.pool), uri)
    return [found] if found else []


def _why_over(backend: Backend, recorder: MLflowRecorder, is_pool: bool, life: Life) -> str:
    """Why the attempt or the gathering that a run belongs to is over; empty if it is not, or if it is none.

    Several task stores may share one MLflow: outside of the pools of this one, a task must be known here.
    """
    if ident := recorder.tags.get(TASK):
        task = _task(backend, ident)
        judged = is_pool or (task is not None and life is not Life.ALIVE)
        return why_lost(recorder, task) if judged else ""
    if is_pool and (ident := recorder.tags.get(ROUND)):
        return _gathering_over(backend, recorder, ident)
    return ""


def _why_gone(backend: Backend, recorder: MLflowRecorder, process: Process | None, life: Life) -> str:
    """Why no process will end a run: its own is gone from this machine, and its task does not wait to train into it."""
    if process is None or life is not Life.GONE:
        return ""
    if recorder.status is RecorderStatus.SCHEDULED:
        task = _task(backend, recorder.tags[TASK])
        if task and recorder.id in (task.scheduled_run, (task.result or {}).get("recorder_id")):
            return ""
    return f"{process} is gone"


def _still_shows(experiment: MLflowExperiment, recorder: MLflowRecorder) -> bool:
    """Whether a run shows what it showed: its process may have ended it well after the runs were listed."""
    try:
        return experiment.get_recorder(recorder.id).status is recorder.status
    except NotFound:  # it was deleted
        return False


def _gathering_over(backend: Backend, recorder: MLflowRecorder, round_id: str) -> str:
    """Why a coordinator's run is over; empty while the round is gathered, or if its signals are in use."""
    try:
        found = backend.rounds.get(round_id)
    except NotFound:
        return "its round is gone"
    if found.status is RoundState.GATHERING:
        return ""
    online = OnlineSets(backend.store).of_round(round_id)
    if online and online.signals and online.signals.recorder_id == recorder.id:
        return ""
    return f"its round is {found.status} without it"


def _task(backend: Backend, ident: str) -> Task | None:
    return next(iter(backend.tasks.find(ids=[ident])), None)

"""The trainers that Qlib's users know: this process trains, predicts and gathers, one task after the other.

They go the way that workers go, through the pool: so a crash loses nothing, and workers may help. With
``skip_run_task`` workers do all of it.
"""

from __future__ import annotations

import os
import time
from typing import Unpack

from rollq.scheduler.rounds.coordinator import gather
from rollq.scheduler.rounds.trainers import Trainer
from rollq.scheduler.updates.prediction_tasks import prediction_pool
from rollq.tasks.backend import Backend
from rollq.tasks.client.run_task import TaskFunction
from rollq.tasks.ingredients.code_check import refuse_if_stale
from rollq.tasks.rolling.task_options import TaskOptions
from rollq.tasks.rounds.documents import RoundState
from rollq.workers.jobs.attempt import Outcome, WorkerContext, refuse_outage, run_one
from rollq.workers.jobs.task_train import task_train
from rollq.workers.process.names import worker_name

# In this process nothing else works meanwhile: a short pause only keeps the store from being asked without end.
PAUSE_SECONDS = 0.02


class TrainerR(Trainer):
    """Trains here, now.

    Args:
        experiment_name: the MLflow experiment of the runs, and the task pool.
        train_func: trains a task: called with its definition, ``experiment_name`` and ``recorder_name``, and with the
            keywords of ``train``; returns a recorder, or a mapping of small JSON with its ``recorder_id``.
        call_in_subproc: train each task in a process of its own, which gives its memory back.
        default_rec_name: the name of the runs; None: the model's class and the first day of the test segment.
        backend: the servers; None: as for ``TaskManager``.
        options: of the tasks: ``priority``, ``queue``, ``requested``, ``time_limit``, as for ``create_tasks``.
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        train_func: TaskFunction = task_train,
        call_in_subproc: bool = False,
        default_rec_name: str | None = None,
        *,
        backend: Backend | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        """No server is asked."""
        super().__init__(experiment_name, backend=backend, **options)
        self.train_func = train_func
        self.call_in_subproc = call_in_subproc
        self.default_rec_name = default_rec_name

    def work(self) -> None:
        """One task, or one gathering; a short pause if there is neither."""
        _work(self._backend, self._pool)

    def has_worker(self) -> bool:
        """No other process is needed."""
        return False


class DelayTrainerR(TrainerR):
    """As ``TrainerR``, later and all together."""

    delay = True


class TrainerRM(Trainer):
    """Trains through a task pool: this process works, and so does whatever else serves the pool.

    Args:
        experiment_name: the MLflow experiment of the runs.
        task_pool: the task pool; None: it has the name of the experiment.
        train_func: as for ``TrainerR``.
        skip_run_task: this process only waits: workers do the work.
        default_rec_name: as for ``TrainerR``.
        backend, options: as for ``TrainerR``.
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        task_pool: str | None = None,
        train_func: TaskFunction = task_train,
        skip_run_task: bool = False,
        default_rec_name: str | None = None,
        *,
        backend: Backend | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        """No server is asked."""
        super().__init__(experiment_name, task_pool, backend=backend, **options)
        self.train_func = train_func
        self.skip_run_task = skip_run_task
        self.default_rec_name = default_rec_name

    def work(self) -> None:
        """One task, or one gathering; a short pause if there is neither, or if workers do it."""
        if self.skip_run_task:
            super().work()
        else:
            _work(self._backend, self._pool)


class DelayTrainerRM(TrainerRM):
    """As ``TrainerRM``, later and all together."""

    delay = True


def _work(backend: Backend, pool: str) -> None:
    """Do one piece of work: a prediction task first, because a routine may wait for it, then a task of the pool, then a
    finished round; if there is none, look for lost leases, or rest.
    """
    context = WorkerContext(worker_name(os.getpid()), backend.settings.queues)
    for name in (prediction_pool(pool), pool):
        backend.tasks.next_to_notify(name, backend.settings.max_outstanding)  # no worker is notified: it is done here
        outcome = run_one(backend, name, None, context)
        # A notebook cannot begin anew, as a worker's process does: the person must start it again.
        refuse_if_stale()
        refuse_outage(outcome)
        if outcome is not Outcome.NOTHING:
            return
    if not _gather_one(backend, pool, context.worker) and not backend.tasks.reclaim(context.worker):
        time.sleep(PAUSE_SECONDS)


def _gather_one(backend: Backend, pool: str, by: str) -> bool:
    """Gather a finished round, or one whose gatherer has died; whether there was one."""
    for found in backend.rounds.find(pool, [RoundState.OPEN]):
        if backend.rounds.may_be_gathered(found.id) and not backend.tasks.has_active(found.id):
            gather(backend, found.id, by)
            return True
    # Rounds of other pools, too: no worker may be there to gather them.
    for ident in backend.rounds.abandoned():
        gather(backend, ident, by)
        return True
    return False

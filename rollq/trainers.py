"""The trainers that Qlib's users know: this process trains, predicts and gathers, one task after the other.

They go the way that workers go, through the pool: so a crash loses nothing, and workers may help. With
``skip_run_task`` workers do all of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, Unpack

from rollq.scheduler.rounds.coordinator import gather
from rollq.scheduler.rounds.trainers import Trainer
from rollq.scheduler.updates.prediction_tasks import prediction_pool
from rollq.tasks.backend import Backend
from rollq.tasks.client.manager import TaskManager
from rollq.tasks.client.run_task import TaskFunction, TaskWork, run_next, run_task
from rollq.tasks.ingredients.code_check import refuse_if_stale
from rollq.tasks.queue.states import TaskState
from rollq.tasks.rolling.task_options import TaskOptions
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.tracking.runs.run_tags import BEGIN, END, TASK_OF_POOL, TRAIN_STATUS
from rollq.workers.jobs.attempt import Outcome, WorkerContext, refuse_outage, run_one
from rollq.workers.jobs.task_train import begin_task_train, end_task_train, task_train
from rollq.workers.process.names import worker_name

# In this process nothing else works meanwhile: a short pause only keeps the store from being asked without end.
PAUSE_SECONDS = 0.02
NATIVE = (task_train, begin_task_train, end_task_train)


class TrainerR(Trainer):
    """Trains here, now.

    Args:
        experiment_name: the MLflow experiment of the runs, and the task pool; None: the default experiment.
        train_func: trains a task: called with its definition, ``experiment_name``, ``recorder_name`` (if it takes one)
            and the keywords of ``train``; returns a recorder.
        call_in_subproc: train each task in a process of its own, which gives its memory back.
        default_rec_name: the name of the runs; None: the model's class and the first day of the test segment.
        backend: the servers; None: as for ``TaskManager``.
        options: of the tasks: ``priority``, ``queue``, ``requested``, ``time_limit``, as for ``create_tasks``.
    """

    native = NATIVE

    STATUS_KEY, STATUS_BEGIN, STATUS_END = TRAIN_STATUS, BEGIN, END  # tags of its runs

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
        _work(self._backend, self._pool, self.own_work())

    def work_on(self, pool: str, ids: Sequence[str]) -> None:
        """One of these tasks; a short pause if there is none."""
        _work_on(self._backend, pool, ids)

    def has_worker(self) -> bool:
        """No other process is needed."""
        return False


class DelayTrainerR(TrainerR):
    """As ``TrainerR``, later and all together: ``train`` only registers tasks, ``end_train`` trains them.

    Args:
        experiment_name: as for ``TrainerR``.
        train_func: called by ``train``, and returns what ``end_train_func`` is given.
        end_train_func: called by ``end_train``; returns a recorder.
        options: as for ``TrainerR``, ``call_in_subproc``, ``default_rec_name`` and ``backend`` too.
    """

    delay = True

    def __init__(
        self,
        experiment_name: str | None = None,
        train_func: TaskFunction = begin_task_train,
        end_train_func: TaskFunction = end_task_train,
        **options: Any,
    ) -> None:
        """No server is asked."""
        super().__init__(experiment_name, train_func, **options)
        self.end_train_func = end_train_func


class TrainerRM(Trainer):
    """Trains through a task pool: this process works, and so does whatever else serves the pool.

    Args:
        experiment_name: the MLflow experiment of the runs; None: it has the name of the pool.
        task_pool: the task pool; None: it has the name of the experiment.
        train_func: as for ``TrainerR``.
        skip_run_task: this process only waits: workers do the work.
        default_rec_name: as for ``TrainerR``.
        backend, options: as for ``TrainerR``.
    """

    native = NATIVE
    STATUS_KEY, STATUS_BEGIN, STATUS_END, TM_ID = TRAIN_STATUS, BEGIN, END, TASK_OF_POOL  # tags of its runs

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
            _work(self._backend, self._pool, self.own_work())

    def work_on(self, pool: str, ids: Sequence[str]) -> None:
        """One of these tasks; a short pause if there is none, or if workers do it."""
        if self.skip_run_task:
            super().work_on(pool, ids)
        else:
            _work_on(self._backend, pool, ids)

    def worker(self, train_func: TaskFunction | None = None, experiment_name: str | None = None) -> None:
        """Do the work of the pool in this process, until there is none; in as many processes as wanted.

        Args:
            train_func: in place of the trainer's own (of one that delays: of its ``end_train_func``).
            experiment_name: in place of the trainer's own.

        Raises:
            StaleCode: this process has imported older code of a component than a task was made with.
            Unavailable: a server does not answer.
        """
        experiment, pool = self._names(experiment_name)
        func = train_func or (self.end_train_func if self.delay else self.train_func)
        if func and self._is_own(func):
            before = TaskState.PART_DONE if self.delay else TaskState.WAITING
            run_task(func, pool, before_status=before, backend=self._backend, experiment_name=experiment)
            return
        while _one_task(self._backend, pool) is not Outcome.NOTHING:
            pass


class DelayTrainerRM(TrainerRM):
    """As ``TrainerRM``, later and all together: ``train`` only registers tasks, ``end_train`` trains them.

    Args:
        experiment_name, task_pool, skip_run_task: as for ``TrainerRM``.
        train_func, end_train_func: as for ``DelayTrainerR``.
        options: as for ``TrainerRM``, ``default_rec_name`` and ``backend`` too.
    """

    delay = True

    def __init__(
        self,
        experiment_name: str | None = None,
        task_pool: str | None = None,
        train_func: TaskFunction = begin_task_train,
        end_train_func: TaskFunction = end_task_train,
        skip_run_task: bool = False,
        **options: Any,
    ) -> None:
        """No server is asked."""
        super().__init__(experiment_name, task_pool, train_func, skip_run_task, **options)
        self.end_train_func = end_train_func


def _work(backend: Backend, pool: str, own: TaskWork | None) -> None:
    """Do one piece of work: a prediction task first, because a routine may wait for it, then a task of the pool, then a
    finished round; if there is none, look for lost leases, or rest.

    Args:
        own: how tasks of the pool are trained, if the user has a function for it.
    """
    if _one_task(backend, prediction_pool(pool)) is not Outcome.NOTHING:
        return
    if own and run_next(TaskManager(pool, backend), None, own) is not None:
        return
    if not own and _one_task(backend, pool) is not Outcome.NOTHING:
        return
    if not _gather_one(backend, pool, _this_process()) and not backend.tasks.reclaim(_this_process()):
        time.sleep(PAUSE_SECONDS)


def _work_on(backend: Backend, pool: str, ids: Sequence[str]) -> None:
    """Do one of some tasks; if none can be done now, look for lost leases, or rest."""
    if _one_task(backend, pool, ids) is Outcome.NOTHING and not backend.tasks.reclaim(_this_process()):
        time.sleep(PAUSE_SECONDS)


def _one_task(backend: Backend, pool: str, among: Sequence[str] | None = None) -> Outcome:
    """One attempt at a task of a pool, or at one of some."""
    if among is None:
        backend.tasks.next_to_notify(pool, backend.settings.max_outstanding)  # no worker is notified: it is done here
    outcome = run_one(backend, pool, None, WorkerContext(_this_process(), backend.settings.queues), among)
    # A notebook cannot begin anew, as a worker's process does: the person must start it again.
    refuse_if_stale()
    refuse_outage(outcome)
    return outcome


def _this_process() -> str:
    return worker_name(os.getpid())


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

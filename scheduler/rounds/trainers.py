"""Trainers: they put tasks into the queue, now or later, and return the recorders of what was trained, as in Qlib."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rollq.scheduler.rounds.pool_training import UNFINISHED, PoolTraining, tag_as_ended, task_of
from rollq.scheduler.rounds.round_trainer import POLL_SECONDS, RoundTrainer
from rollq.tasks.backend import Backend
from rollq.tasks.client.manager import TaskManager
from rollq.tasks.client.queries import as_state
from rollq.tasks.client.run_task import WHOLE, TaskFunction, TaskWork, run_next
from rollq.tasks.definition import run_name, with_experiment
from rollq.tasks.errors import BadInput, StateError
from rollq.tasks.ingredients.identified import identified
from rollq.tasks.labels import OWN_QUEUE
from rollq.tasks.queue.states import TaskState
from rollq.tasks.rolling.task_options import TaskOptions
from rollq.tasks.tracking.runs.recorder import Recorder

log = logging.getLogger(__name__)


class Trainer(RoundTrainer):
    """Trains tasks through the queue, now. Workers do it, except with a ``train_func`` of one's own.

    Arguments as for ``RoundTrainer``.
    """

    native: tuple[TaskFunction, ...] = ()  # functions that do what workers do
    train_func: TaskFunction | None = None
    end_train_func: TaskFunction | None = None
    default_rec_name: str | None = None
    call_in_subproc = False
    skip_run_task = False

    def __call__(self, *args: Any, **kwargs: Any) -> list[Recorder]:
        """``train``, then ``end_train``."""
        return self.end_train(self.train(*args, **kwargs))

    def train(
        self,
        tasks: Mapping[str, object] | Sequence[Mapping[str, object]],
        train_func: TaskFunction | None = None,
        experiment_name: str | None = None,
        before_status: object = TaskState.WAITING,
        after_status: object = TaskState.DONE,
        default_rec_name: str | None = None,
        **kwargs: object,
    ) -> list[Recorder]:
        """Train tasks; if this trainer delays, only register them. What was trained before is not trained again.

        Args:
            tasks: definitions, of as many models as wanted; or one.
            train_func: in place of the trainer's own. A function of one's own is called in this process.
            experiment_name: in place of the trainer's own.
            before_status, after_status: as for ``run_task``.
            default_rec_name: in place of the trainer's own.
            kwargs: for a ``train_func`` of one's own.

        Returns:
            The recorders, in the order of the tasks; a task that is given twice has one. If this trainer delays, they
            are SCHEDULED until ``end_train``.

        Raises:
            BadInput: a task cannot be used; nothing was created.
            TrainingFailed: tasks ended without a model; it lists all of them. The others are trained, and stay so.
            Unavailable: a server does not answer; what is done stays done.
        """
        definitions = [tasks] if isinstance(tasks, Mapping) else list(tasks)
        if not definitions:
            return []
        func, name = train_func or self.train_func, default_rec_name or self.default_rec_name
        experiment, pool = self._names(experiment_name)
        own = self._is_own(func) or (self.delay and self._is_own(self.end_train_func))
        if not own:
            known = identified(definitions, self._backend.settings.components)
            definitions = [with_experiment(one, experiment, pool) for one in known]
        # Workers know no keywords, and name runs themselves.
        asked = own or bool(kwargs or self.call_in_subproc or (name and not self.delay))
        before, after = as_state(before_status), as_state(after_status)
        if func and (asked or (before, after) != WHOLE):
            named = {"recorder_name": name} if name and _takes(func, "recorder_name") else {}
            more = _checked(func, {"experiment_name": experiment, **named, **kwargs})
            end = TaskState.PART_DONE if self.delay else after
            work = TaskWork(func, before, end, more, self.call_in_subproc)
            return self._train_by_hand(definitions, pool, work, own)
        training = self._training(pool)
        ids = training.create(definitions, self._options, held=self.delay)
        if self.delay:
            return training.schedule(ids, lambda task: name or run_name(task.definition))
        training.notify()
        return training.finish(ids)

    def end_train(
        self,
        models: Recorder | Sequence[Recorder],
        end_train_func: TaskFunction | None = None,
        experiment_name: str | None = None,
        **kwargs: object,
    ) -> list[Recorder]:
        """If this trainer delays, train what ``train`` registered; in any process, and again after a crash.

        Args:
            models: what ``train`` returned.
            end_train_func: in place of the trainer's own.
            experiment_name: in place of the trainer's own.
            kwargs: for an ``end_train_func`` of one's own.

        Returns:
            The recorders that hold the models, in the same order: those of ``models``, unless a second attempt had to
            be made.

        Raises:
            BadInput: a recorder is of no task.
            TrainingFailed, Unavailable: as ``train``.
        """
        recorders = [models] if isinstance(models, Recorder) else list(models)
        if self.delay and recorders:
            ids = [task_of(recorder) for recorder in recorders]
            experiment, pool = self._names(experiment_name)
            func = end_train_func or self.end_train_func
            begun = self._backend.tasks.stat(ids=ids)[TaskState.PART_DONE]
            if func and (begun or self._is_own(func)):
                more = _checked(func, {"experiment_name": experiment, **kwargs})
                work = TaskWork(func, TaskState.PART_DONE, TaskState.DONE, more, self.call_in_subproc)
                recorders = self._training(pool, work).finish(ids)
            else:
                training = self._training(pool)
                training.release(ids)
                recorders = training.finish(ids)
        tag_as_ended(recorders)
        return recorders

    def worker(self, train_func: TaskFunction | None = None, experiment_name: str | None = None) -> None:
        """Do the work of the pool in this process, until there is none.

        Args:
            train_func: in place of the trainer's own (of one that delays: of its ``end_train_func``).
            experiment_name: in place of the trainer's own.

        Raises:
            StateError: this trainer has no workers in Python.
        """
        raise StateError(f"A {type(self).__name__} has no worker in Python.", "Start `rollq worker`; or use TrainerRM.")

    def work_on(self, pool: str, ids: Sequence[str]) -> None:
        """Let time pass for the work on tasks to be done. A trainer that works in its process does some of it."""
        time.sleep(POLL_SECONDS)

    def own_work(self) -> TaskWork | None:
        """How tasks of its rounds are trained by a function of the user's own; None: as workers do it."""
        begin, end = self.train_func, self.end_train_func
        if begin is None or not (self._is_own(begin) or (self.delay and self._is_own(end))):
            return None
        named = {"experiment_name": self._names(None)[0]}
        if not self.delay or end is None:
            return TaskWork(begin, kwargs=named)
        return TaskWork(lambda task, **more: end(begin(task, **more), **more), kwargs=named)

    def task_options(self) -> TaskOptions:
        """How its tasks are run. Workers leave tasks of a function of the user's own."""
        return {"queue": OWN_QUEUE} if self.own_work() else {}

    def _train_by_hand(
        self, definitions: Sequence[Mapping[str, object]], pool: str, work: TaskWork, own: bool
    ) -> list[Recorder]:
        """Train with a function that is called in this process; workers leave tasks of a function of one's own."""
        training = self._training(pool, work)
        options: TaskOptions = {"queue": OWN_QUEUE, **self._options} if own else self._options
        ids = training.create(definitions, options, held=False)
        if not own:
            training.notify()
        return training.finish(ids)

    def _training(self, pool: str, work: TaskWork | None = None) -> PoolTraining:
        """What is done in a pool: as workers do it, or with a function that this process calls."""
        manager = TaskManager(pool, self._backend)

        if self.skip_run_task or (work is None and type(self).work_on is Trainer.work_on):
            self._say_if_alone()

        def by_hand(ids: Sequence[str]) -> None:
            if self.skip_run_task or not (work and run_next(manager, {"_id": {"$in": list(ids)}}, work) is not None):
                self._backend.tasks.reclaim("a trainer")
                time.sleep(POLL_SECONDS)

        unfinished = (TaskState.PART_DONE,) if work and work.before is TaskState.PART_DONE else ()
        return PoolTraining(
            self._backend, pool, by_hand if work else partial(self.work_on, pool), (*UNFINISHED, *unfinished)
        )

    def _say_if_alone(self) -> None:
        if not any(worker.alive for worker in self._backend.worker_registry.workers()):
            log.warning("no worker is alive: start `rollq worker`, or call `worker()` of a TrainerRM elsewhere")

    def _is_own(self, func: TaskFunction | None) -> bool:
        return func is not None and func not in self.native


class DelayTrainer(Trainer):
    """Registers tasks now, trains them together later: ``open_round`` holds them, ``start_round`` lets them go."""

    delay = True


def trainer_for(given: Trainer | type[Trainer], backend: Backend, pool: str) -> Trainer:
    """A trainer of this class, or like this one, for a pool."""
    return given(pool, backend=backend) if isinstance(given, type) else given.of(pool, backend=backend)


def _checked(func: TaskFunction, kwargs: dict[str, object]) -> dict[str, object]:
    """Keywords for a function.

    Raises:
        BadInput: it does not take one of them.
    """
    for name in kwargs:
        if not _takes(func, name):
            called = getattr(func, "__name__", type(func).__name__)
            fix = "It is called with experiment_name, and with the keywords of train."
            raise BadInput(f"{called} takes no keyword {name!r}.", fix)
    return kwargs


def _takes(func: TaskFunction, keyword: str) -> bool:
    """Whether a function can be called with a keyword.

    Raises:
        BadInput: it is no function.
    """
    if not callable(func):
        raise BadInput(f"{func!r} cannot be called.", "Give a function: train_func(task, experiment_name=...).")
    parameters = inspect.signature(func).parameters.values()
    return any(one.name == keyword or one.kind is one.VAR_KEYWORD for one in parameters)

"""Training tasks of a pool without a round: they are created, trained, and their recorders are returned in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rollq.tasks.backend import Backend
from rollq.tasks.definition import experiment_of
from rollq.tasks.errors import BadInput, NotFound, TrainingFailed
from rollq.tasks.queue.states import LOST, TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.rolling.task_options import TaskOptions
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.recorder import Recorder
from rollq.tasks.tracking.runs.run_tags import BEGIN, END, POOL, TASK, TASK_OF_POOL, TRAIN_STATUS

BY = "trained again"
UNFINISHED = (TaskState.WAITING, TaskState.RUNNING)
PART = 128  # tasks that are looked at a time
TO_BEGIN = (RecorderStatus.SCHEDULED, RecorderStatus.RUNNING)


@dataclass(frozen=True)
class PoolTraining:
    """What a trainer does in one pool. ``work`` does a piece of the work on tasks, or lets time pass for it;
    ``unfinished`` are the states of tasks that are waited for."""

    backend: Backend
    pool: str
    work: Callable[[Sequence[str]], None]
    unfinished: Sequence[TaskState] = UNFINISHED

    def create(self, definitions: Sequence[Mapping[str, object]], options: TaskOptions, *, held: bool) -> list[str]:
        """Create tasks; those that ended without a result, or whose run is gone, wait again. Returns their ids.

        Raises:
            TemplateError: a definition cannot be stored; nothing was created.
            Unavailable: the store does not answer.
        """
        created = self.backend.tasks.create_tasks(self.pool, definitions, held=held, **options)
        if created.existing:
            there = self.backend.tasks.find(ids=created.ids)
            self._again([task.id for task in there if task.status in LOST], held)
            if not held:  # registered by a trainer that delays, which was never told to train them
                self.backend.tasks.unhold([task.id for task in there if task.held and task.scheduled_run])
        return list(created.ids)

    def schedule(self, ids: Sequence[str], name: Callable[[Task], str]) -> list[Recorder]:
        """The recorders of tasks that are held: of those that are not DONE a SCHEDULED one, which is trained into.

        Args:
            name: what the recorder of a task is called.

        Raises:
            Unavailable: store or MLflow does not answer.
        """
        tasks = self.backend.tasks.find(ids=ids, definitions=True)
        found = {task.id: self._recorder(task) or self._scheduled(task, name(task)) for task in tasks}
        return [found[ident] for ident in ids]

    def release(self, ids: Sequence[str]) -> None:
        """Let held tasks be trained, and notify workers."""
        self.backend.tasks.unhold(ids)
        self.notify()

    def finish(self, ids: Sequence[str]) -> list[Recorder]:
        """Wait until tasks are finished, and work meanwhile; their recorders, in the order of ``ids``.

        Raises:
            TrainingFailed: some have ended without a result; the others are finished.
            Unavailable: a server does not answer; what is done stays done.
        """
        tasks, recorders, gone = self._finished(ids)
        if gone:  # deleted in MLflow, past rollq
            self._again(gone, held=False)
            self.notify()
            tasks, recorders, _ = self._finished(ids)
        if failed := [ident for ident in dict.fromkeys(ids) if ident not in recorders]:
            raise _failure(len(set(ids)), failed, tasks, recorders)
        for ident, recorder in recorders.items():
            if TRAIN_STATUS not in recorder.tags:  # a function of the user's own knows nothing of it
                _tag(recorder, {TRAIN_STATUS: BEGIN, TASK_OF_POOL: ident})
        return [recorders[ident] for ident in ids]

    def _finished(self, ids: Sequence[str]) -> tuple[dict[str, Task], dict[str, MLflowRecorder], list[str]]:
        """Tasks once they are finished, by id; their recorders; and those whose recorder is gone."""
        self.wait(ids)
        tasks = {task.id: task for task in self.backend.tasks.find(ids=ids)}
        recorders: dict[str, MLflowRecorder] = {}
        gone = []
        for ident, task in tasks.items():
            if task.status in LOST or task.result is None:
                continue
            try:
                recorders[ident] = self._run(task)
            except NotFound:
                gone.append(ident)
        return tasks, recorders, gone

    def wait(self, ids: Sequence[str]) -> None:
        """Until no task waits or runs: what is PART_DONE has done its part."""
        left = list(dict.fromkeys(ids))
        while left:
            # A part at a time: a question about thousands of ids at each task would cost more than a short task.
            part, later = left[:PART], left[PART:]
            part = self.backend.tasks.among(part, self.unfinished)
            if part:
                self.work(part)
            left = [*part, *later]

    def notify(self) -> None:
        """Tell workers of what waits."""
        self.backend.notifier.try_top_up(self.pool)

    def _again(self, ids: list[str], held: bool) -> None:
        if ids:
            self.backend.tasks.retry(ids, BY, done=True, held=held, any_code=False)

    def _run(self, task: Task) -> MLflowRecorder:
        ident = (task.result or {}).get("recorder_id")
        if not isinstance(ident, str):
            raise BadInput(f"The result of task {task.id} names no recorder.", "Return a recorder in train_func.")
        return self._find(ident)

    def _find(self, ident: str) -> MLflowRecorder:
        settings = self.backend.settings
        return find_run(ident, settings.mlflow_uri, **settings.artifact_options)

    def _recorder(self, task: Task) -> Recorder | None:
        """The recorder of a task that is trained, or is to be trained into; None if there is none."""
        if task.status is TaskState.DONE:
            with suppress(NotFound):
                return self._run(task)
            self._again([task.id], held=True)  # its run was deleted in MLflow, past rollq
        with suppress(NotFound):
            found = self._find(task.scheduled_run) if task.scheduled_run else None
            return found if found and found.status in TO_BEGIN else None
        return None

    def _scheduled(self, task: Task, name: str) -> Recorder:
        """A new SCHEDULED recorder of a task, which its next attempt trains into; or that of a process that was faster.

        If the task is claimed at this moment, the attempt makes a run of its own; the reconciler closes this one.
        """
        settings = self.backend.settings
        experiment = MLflowExperiment.open(
            experiment_of(task.definition, task.pool), settings.mlflow_uri, **settings.artifact_options
        )
        tags = {POOL: task.pool, TASK: task.id, TASK_OF_POOL: task.id, TRAIN_STATUS: BEGIN}
        recorder = experiment.create_recorder(name, tags)
        recorder.save_objects(task=task.definition)
        if not self.backend.tasks.schedule_run(task.id, recorder.id, task.attempts + 1, task.scheduled_run):
            other = self._recorder(self.backend.tasks.get(task.id))
            if other is not None:
                recorder.discard()
                return other
        return recorder


def tag_as_ended(recorders: Sequence[Recorder]) -> None:
    """The reference's tag of what ``end_train`` has seen."""
    for recorder in recorders:
        if recorder.list_tags().get(TRAIN_STATUS) != END:
            _tag(recorder, {TRAIN_STATUS: END})


def task_of(recorder: Recorder) -> str:
    """The id of the task that a recorder is of.

    Raises:
        BadInput: it is of none.
    """
    tags = recorder.list_tags()
    ident = tags.get(TASK_OF_POOL) or tags.get(TASK)
    if not ident:
        raise BadInput(f"The recorder {recorder.id} is of no task.", "Give what `train` returned.")
    return ident


def _tag(recorder: Recorder, tags: Mapping[str, object]) -> None:
    recorder.set_tags(tags)
    recorder.flush()


def _failure(
    asked: int, failed: Sequence[str], tasks: Mapping[str, Task], recorders: Mapping[str, Recorder]
) -> TrainingFailed:
    """The error that lists the tasks without a result."""
    lines = [f"{len(failed)} of {asked} tasks ended without a model."]
    for ident in failed:
        task = tasks.get(ident)
        window = " to ".join(str(day) for day in task.segments.get("test", ())) if task else ""
        error = (task.error if task else None) or {}
        why = f"{error.get('type')}: {error.get('message')}" if error else "" if task else "it was removed"
        where = f" ({error['where']})" if error.get("where") else ""
        state = f"{task.status}" if task else "gone"
        lines.append(f"  {ident} {window}: {state}. {why}{where}")
    fix = "Correct the cause and train again: what is trained stays. `rollq tasks show ID` says more."
    made = TrainingFailed("\n".join(lines), f"\n{fix}")
    made.failures = tuple(task for ident in failed if (task := tasks.get(ident)))
    made.recorders = tuple(recorders.values())
    return made

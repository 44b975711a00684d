"""Runs of attempts: which attempt at a task an MLflow run belongs to, and whether that attempt came to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Attempt, Task
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.run import Run
from rollq.tasks.tracking.runs.run_tags import ATTEMPT, FENCE, POOL, TASK, WORKER, tagged


def tags_of(claim: Claim) -> dict[str, str]:
    """The tags of a run that is made under a claim. The fence tells it from others, also once the task is made anew."""
    return {
        POOL: claim.pool,
        TASK: claim.task_id,
        ATTEMPT: str(claim.attempt),
        FENCE: str(claim.fence),
        WORKER: claim.worker,
    }


def made_under(claim: Claim) -> AbstractContextManager[None]:
    """Runs that are begun inside the block, of whatever experiment, belong to the attempt."""
    return tagged(tags_of(claim))


def why_lost(recorder: Run, task: Task | None) -> str:
    """Why the attempt that made a run came to nothing.

    Args:
        task: as it was read after the run was; None: it was removed.

    Returns:
        The reason; empty if the attempt is under way or was committed, or if it is not known.
    """
    if recorder.status is RecorderStatus.SCHEDULED:
        return _why_unwanted(recorder, task)
    begun = recorder.status is RecorderStatus.RUNNING  # a finished run may hold a result: of it nothing is guessed
    if task is None:
        return "its task was removed" if begun else ""
    attempt = _attempt(recorder.tags, task)
    if attempt is None:
        return f"its task is {task.status} without it" if begun and not _is_current(recorder.tags, task) else ""
    if attempt.is_committed or attempt.end is None:
        return ""
    return attempt.why or f"its task is {task.status} without it"


def _why_unwanted(recorder: Run, task: Task | None) -> str:
    """Why no attempt will train into a run that was scheduled; empty if one will, or if it is not known."""
    if task is None:
        return "its task was removed"
    if task.status.is_terminal:
        return f"its task is {task.status} without it"
    # One that the task does not name may have been made this moment: it is judged when the task has ended.
    begins = task.status is TaskState.RUNNING and task.attempts == task.scheduled_for
    if task.scheduled_run == recorder.id and task.attempts >= task.scheduled_for and not begins:
        return f"attempt {task.scheduled_for} ended before it began"
    return ""


def _attempt(tags: Mapping[str, str], task: Task) -> Attempt | None:
    made = task.attempts_made()
    # The fence goes before the number of the attempt: a task that was removed and made anew counts its attempts from 1
    # again.
    if FENCE in tags:
        return next((one for one in made if str(one.fence) == tags[FENCE]), None)
    return next((one for one in made if str(one.number) == tags.get(ATTEMPT)), None)


def _is_current(tags: Mapping[str, str], task: Task) -> bool:
    number = tags.get(FENCE) == str(task.fence) if FENCE in tags else tags.get(ATTEMPT) == str(task.attempts)
    return task.status is TaskState.RUNNING and number

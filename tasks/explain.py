"""Why a task is where it is, in sentences for a person."""

from __future__ import annotations

from tasks.backend import Backend
from tasks.states import TaskState
from tasks.task import Task


def explain(backend: Backend, task: Task) -> list[str]:
    """Reasons, the weightiest first, each with what to do about it where something can be done.

    Raises:
        Unavailable: the store or the broker does not answer.
    """
    if task.status is TaskState.WAITING:
        return _waiting(backend, task)
    if task.status is TaskState.RUNNING:
        return _running(backend, task)
    if task.status is TaskState.PART_DONE:
        return ["Its preparation is finished; it waits for the release of its second phase."]
    if task.status is TaskState.DONE:
        return [f"It is finished: its result is recorder {(task.result or {}).get('recorder_id', '-')}."]
    error = task.error or {}
    cause = f"{error.get('type')}: {error.get('message')}" if error else task.history[-1].why
    return [
        f"It ended, {task.history[-1].at:%Y-%m-%d %H:%M:%S} UTC: {cause}",
        f"Try again: rollq tasks retry {task.id}",
    ]


def _waiting(backend: Backend, task: Task) -> list[str]:
    reasons = []
    if task.held:
        reasons.append("It is held: a delayed round has not been released yet.")
    now = backend.tasks.now()
    if task.not_before > now:
        seconds = (task.not_before - now).total_seconds()
        last = (task.error or {}).get("message", "it failed")
        reasons.append(f"It waits {seconds:.0f} s more after attempt {task.attempts} failed ({last}).")
    if reasons:
        return reasons
    ahead = sum(_is_ahead(other, task) for other in backend.tasks.find(task.pool, status=[TaskState.WAITING]))
    running = backend.tasks.stat(task.pool)[TaskState.RUNNING]
    reasons.append(f"Priority {task.priority}: {ahead} waiting tasks of its pool come before it, {running} run now.")
    if not running:
        messages = backend.doorbell.depth(task.queue)
        needs = f" and offers {task.needs}" if any(task.needs.to_dict().values()) else ""
        reasons.append(
            f"No worker runs a task of this pool; {messages} messages lie in queue {task.queue!r}. "
            f"If it stays so, start a worker that serves it{needs}: ROLLQ_QUEUES='[\"{task.queue}\"]' rollq worker"
        )
    return reasons


def _is_ahead(other: Task, task: Task) -> bool:
    if other.held or other.id == task.id or other.queue != task.queue:
        return False
    return (-other.priority, other.seq) < (-task.priority, task.seq)


def _running(backend: Backend, task: Task) -> list[str]:
    since = f"{task.started_at:%Y-%m-%d %H:%M:%S} UTC" if task.started_at else "an unknown time"
    reasons = [f"{task.worker} runs it since {since} (attempt {task.attempts})."]
    if task.lease_expires_at and task.lease_expires_at < backend.tasks.now():
        reasons.append("Its lease has run out: the next sweep of any worker or of beat takes it back.")
    return reasons

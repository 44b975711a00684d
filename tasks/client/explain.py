"""Why a task is where it is, in sentences for a person."""

from __future__ import annotations

from rollq.tasks.backend import Backend
from rollq.tasks.client.reuse import lineage
from rollq.tasks.client.unserved import class_unknown_to_all, unknown
from rollq.tasks.labels import OWN_QUEUE
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task

SHOWN = 3  # workers named in one line


def explain(backend: Backend, task: Task) -> list[str]:
    """Reasons, the weightiest first, each with what to do about it where something can be done.

    Raises:
        Unavailable: the store or the broker does not answer.
    """
    return [*_reasons(backend, task), *_kept(task), *lineage(backend.tasks.reader, task)]


def _reasons(backend: Backend, task: Task) -> list[str]:
    """Sentences on a task, by its state."""
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


def _kept(task: Task) -> list[str]:
    if task.status is TaskState.DONE or task.committed is None:
        return []
    which = f"recorder {task.committed.get('recorder_id', '-')}"
    return [
        f"It was DONE before: its earlier result, {which}, counts until there is a new one. "
        f"To keep that one: rollq tasks cancel {task.id}"
    ]


def _waiting(backend: Backend, task: Task) -> list[str]:
    """What keeps it: being held, or its backoff; else others come first, or no worker can serve it."""
    if unknown_class := _unknown_class(backend, task):
        return [*unknown_class, *_backoff(backend, task)]
    keeps = [*_held(backend, task), *_backoff(backend, task)] or [*_unserved(backend, task), *_order(backend, task)]
    return [*keeps, *_given_back(task)]


def _unknown_class(backend: Backend, task: Task) -> list[str]:
    """That no live worker knows a class of it; empty if one does, or if none has met it yet."""
    able = [one for one in backend.worker_registry.workers() if one.serves(task.queue, task.requested)]
    name = class_unknown_to_all(task, able)
    return [str(unknown("It waits", name))] if name else []


def _given_back(task: Task) -> list[str]:
    """Why the last attempt came to nothing, if that was not the task's own failure."""
    why = task.given_back
    return [f"Attempt {task.attempts} was given back and does not count: {why}"] if why else []


def _held(backend: Backend, task: Task) -> list[str]:
    """Why a held task is not claimed: its round waits, is delayed, its backfill has not come to it, or by hand."""
    if not task.held:
        return []
    # The rounds first: a task is held by the one that waits, whatever else holds it.
    rounds = list(map(backend.rounds.get, task.rounds))
    if waiting := [found for found in rounds if not found.unblocked]:
        first = waiting[0]
        return [f"It is held: round {first.id} waits for {', '.join(first.after)}. {first.reason}".strip()]
    if delayed := [found for found in rounds if found.held]:
        return [f"It is held: delayed round {delayed[0].id} has not been released yet (start_round)."]
    if task.backfill:
        return [f"It is held by backfill {task.backfill} until it is admitted: rollq backfill show {task.backfill}"]
    if task.scheduled_run:
        return [f"It is held: run {task.scheduled_run} is scheduled for it, until `end_train` of its trainer."]
    return [f"It is held. To end that: rollq tasks unhold {task.id}"]


def _backoff(backend: Backend, task: Task) -> list[str]:
    seconds = (task.not_before - backend.tasks.now()).total_seconds()
    if seconds <= 0:
        return []
    if task.given_back:
        return [f"It waits {seconds:.0f} s more."]
    last = (task.error or {}).get("message", "it failed")
    return [f"It waits {seconds:.0f} s more after attempt {task.attempts} failed ({last})."]


def _unserved(backend: Backend, task: Task) -> list[str]:
    """That no live worker serves its queue with what it needs; empty if one does."""
    if task.queue == OWN_QUEUE:
        return ["No worker takes it: it waits for a trainer with its `train_func`, for `train` or `worker`."]
    workers = [worker for worker in backend.worker_registry.workers() if worker.alive]
    if any(worker.serves(task.queue, task.requested) for worker in workers):
        return []
    special = f" and has {task.requested}" if any(task.requested.to_dict().values()) else ""
    start = f"rollq worker --queues {task.queue}"
    if not workers:
        return [f"No worker is alive; start one that serves queue {task.queue!r}{special}: {start}"]
    names = ", ".join(f"{worker.name} ({'/'.join(worker.queues)}: {worker.available})" for worker in workers[:SHOWN])
    none = f"None of the {len(workers)} live workers serves queue {task.queue!r}{special}: {names}."
    return [f"{none} Start one that does: {start}"]


def _order(backend: Backend, task: Task) -> list[str]:
    ahead = backend.tasks.ahead_of(task)
    running = backend.tasks.stat(task.pool)[TaskState.RUNNING]
    before = f"Priority {task.priority}: {ahead} waiting tasks of its pool and queue come before it"
    return [f"{before}, {running} of its pool run now, {backend.notifier.depth(task.queue)} messages lie in its queue."]


def _running(backend: Backend, task: Task) -> list[str]:
    since = f"{task.started_at:%Y-%m-%d %H:%M:%S} UTC" if task.started_at else "an unknown time"
    reasons = [f"{task.worker} runs it since {since} (attempt {task.attempts})."]
    if task.lease_expires_at and task.lease_expires_at < backend.tasks.now():
        reasons.append("Its lease has run out: the next sweep of any worker or of beat takes it back.")
    return reasons

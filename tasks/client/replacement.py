"""Another definition in the place of a task: priority, queue, requested resources and open rounds stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollq.tasks.backend import Backend
from rollq.tasks.errors import StateError
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task


def replace(backend: Backend, old: Task, definition: Mapping[str, Any], priority: int | None = None) -> str:
    """Replace a task; returns the id of the new one. Workers are to be notified.

    Raises:
        StateError: it is running.
    """
    if old.status is TaskState.RUNNING:
        raise StateError(f"Task {old.id} is running.", f"Cancel it first: rollq tasks cancel {old.id}")
    tasks = backend.tasks
    # Held, so that no worker takes it before it stands in the rounds of the old one.
    made = tasks.create_tasks(
        old.pool,
        [definition],
        priority=old.priority if priority is None else priority,
        queue=old.queue,
        held=True,
        requested=old.requested.to_dict(),
        time_limit=old.time_limit,
    )
    (new,) = made.ids
    if new == old.id:
        return new
    for round_id in backend.rounds.replace_task(old.id, new):
        tasks.join_round([new], round_id)
    # Rounds first, then the removal: killed in between, both tasks are there and no round waits for one that is not.
    if not tasks.remove([old.id]) and not tasks.references.of_tasks([old.id]):
        raise StateError(f"Task {old.id} was taken by a worker just now.", f"Cancel it, then remove {new}.")
    if not old.held:
        tasks.unhold([new])
    return new

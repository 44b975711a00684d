"""Waiting tasks that no live worker can take, and what to do about it; by kind, for all pools."""

from __future__ import annotations

from dataclasses import dataclass

from rollq.tasks.backend import Backend
from rollq.tasks.labels import OWN_QUEUE
from rollq.tasks.queue.task import Task
from rollq.tasks.queue.worker_registry import WorkerEntry
from rollq.tasks.resources import Resources


@dataclass(frozen=True)
class Unserved:
    """What so many tasks wait for, and the fix."""

    what: str
    fix: str

    def __str__(self) -> str:
        """Both in one line."""
        return f"{self.what}: {self.fix}"


def unserved(backend: Backend) -> list[Unserved]:
    """What waiting tasks want and no live worker has: its queue, its resources, or a class that they name.

    Raises:
        Unavailable: the store does not answer.
    """
    alive = [worker for worker in backend.worker_registry.workers() if worker.alive]
    # By kind of want, not by task: a million tasks are a few kinds.
    wants = [
        Unserved(
            f"{_tasks(want.tasks)} for a worker that serves queue {want.queue!r}{_special(want.requested)}",
            f"start one: rollq worker --queues {want.queue}",
        )
        for want in backend.tasks.wants()
        if want.queue != OWN_QUEUE and not any(worker.serves(want.queue, want.requested) for worker in alive)
    ]
    return wants + [
        unknown(f"{_tasks(count)}", name)
        for queue, name in sorted(
            {(queue, name) for worker in alive for queue in worker.queues for name in worker.lacks}
        )
        if all(name in worker.lacks for worker in alive if queue in worker.queues)
        and (count := backend.tasks.reader.given_back_for(queue, lacks(name)))
    ]


def unknown(who: str, name: str) -> Unserved:
    """That no worker knows a class."""
    return Unserved(
        f"{who}: no worker knows the class {name}", "restart workers, or register it (components in rollq.toml)"
    )


def class_unknown_to_all(task: Task, able: list[WorkerEntry]) -> str | None:
    """The class for whose sake a task was given back, if none of the workers that could else take it knows it."""
    shared = set[str].intersection(*(set(worker.lacks) for worker in able)) if able else set[str]()
    return next((name for name in sorted(shared) if lacks(name) in task.given_back), None)


def lacks(name: str) -> str:
    """What a task says that was given back for the sake of a class."""
    return f"does not know the class {name}."


def _special(requested: Resources) -> str:
    return f" and has {requested}" if any(requested.to_dict().values()) else ""


def _tasks(count: int) -> str:
    return f"{count} task waits" if count == 1 else f"{count} tasks wait"

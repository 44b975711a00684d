"""A claim on a task, and what its holder prefetches, so that short tasks cost few trips to the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rollq.tasks.definition import Definition
from rollq.tasks.errors import LeaseLost
from rollq.tasks.mongo.records import Amount, Count, Id
from rollq.tasks.queue.states import Stage, TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.resources import Resources


@dataclass(frozen=True)
class Candidate:
    """What a claim needs to know of a task that waits; field by field as in ``Task``."""

    id: Id
    pool: str
    key: str
    queue: str
    priority: int
    stage: Stage
    fence: Count
    attempts: Count
    failures: Count
    requested: Resources
    time_limit: Amount | None
    rounds: tuple[str, ...]
    definition: Definition
    result: dict[str, Any] | None
    backfill: str | None = None
    any_code: bool = False
    scheduled_run: str | None = None
    scheduled_for: Count = 0


@dataclass
class Prefetch:
    """The tasks that a process saw at its last search and did not take: the next ones to try, without another search.

    When a task is committed, the claim on the next one is sent along, so ``claimed`` may hold it already. Nothing more
    urgent is seen until ``tasks`` are used up: keep this for a moment only.

    ``go_on`` says whether the process wants another task; ``seen`` is how many the last search saw.
    """

    go_on: Callable[[], bool] = lambda: True
    tasks: list[Candidate] = field(default_factory=list)
    seen: int = 0
    claimed: Claim | None = None

    def take(self) -> Claim | None:
        """The claim that was made with the last commit, once."""
        claim, self.claimed = self.claimed, None
        return claim

    def wants_more(self) -> bool:
        """Whether the next claim may be sent along with a commit."""
        return bool(self.tasks) and self.claimed is None and self.go_on()


@dataclass(frozen=True)
class Claim:
    """A worker's right to run a task, valid while ``fence`` is the task's fence.

    ``time_limit`` is how many seconds the attempt may take; ``seen`` is how many notified tasks it was chosen from, at
    most ``claims.CANDIDATES``. ``claimed_from`` is the state that the task returns to if the attempt fails;
    ``partial`` is the result of its first phase, if it is in its second; ``scheduled_run`` is the MLflow run that this
    attempt trains into, if there is one already; ``prefetch`` is what the worker does next, if its tasks are short;
    ``since`` is when the lease began, by this process's monotonic clock.
    """

    task_id: str
    pool: str
    key: str
    queue: str
    fence: int
    worker: str
    attempt: int
    failures: int
    definition: Definition = field(repr=False)
    time_limit: float | None = None
    rounds: tuple[str, ...] = ()
    seen: int = 0
    claimed_from: TaskState = TaskState.WAITING
    partial: dict[str, object] | None = None
    backfill: str | None = None
    any_code: bool = False
    scheduled_run: str | None = None
    prefetch: Prefetch | None = field(default=None, repr=False, compare=False)
    since: float = field(default_factory=time.monotonic, repr=False, compare=False)


def claim_on(task: Task) -> Claim:
    """The claim under which ``task`` was fetched: worth something only while no other process has the task.

    Raises:
        LeaseLost: the task was not RUNNING when it was fetched.
    """
    if task.status is not TaskState.RUNNING or task.worker is None:
        raise LeaseLost(f"Task {task.id} was {task.status} when it was read: it is not held.", "Fetch it first.")
    return Claim(
        task_id=task.id,
        pool=task.pool,
        key=task.key,
        queue=task.queue,
        fence=task.fence,
        worker=task.worker,
        attempt=task.attempts,
        failures=task.failures,
        definition=task.definition,
        claimed_from=task.claimed_from,
        partial=task.partial,
        rounds=task.rounds,
    )

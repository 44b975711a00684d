"""The tasks of a pool that this thread holds: claimed, renewed, and committed or given back under their fence."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rollq.tasks.attempts.attempt_lease import AttemptLease
from rollq.tasks.backend import Backend
from rollq.tasks.client.queries import translate
from rollq.tasks.client.results import to_result
from rollq.tasks.errors import BadInput, LeaseLost, Unavailable
from rollq.tasks.queue.prefetch import Claim, claim_on
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task, TaskError

log = logging.getLogger(__name__)

Query = Mapping[str, object]


class HeldTasks:
    """What ``TaskManager`` fetches. It says of each method what it raises."""

    def __init__(self, backend: Backend, pool: str) -> None:
        self._backend = backend
        self._tasks = backend.tasks
        self._pool = pool
        # The thread is a part of the name: several loops of one process hold tasks of their own.
        self._worker = f"{socket.gethostname()}/{os.getpid()}/{threading.get_native_id()}"

    def claim(self, query: Query | None, claimed_from: TaskState) -> Claim | None:
        """Claim the best task; with a query, or for its second phase, the best of those that are meant."""
        if query or claimed_from is not TaskState.WAITING:
            return self._tasks.claim_among(self._pool, self._worker, translate(query), claimed_from)
        queues = self._tasks.queues(self._pool)
        claim = self._tasks.claim(self._pool, self._worker, queues)
        if claim and not claim.seen:  # workers were not notified of it yet: stage the next ones
            self._backend.notifier.refill(self._pool)
        return claim

    @contextmanager
    def until_the_end(self, claim: Claim) -> Iterator[Task]:
        """Hold a task for the length of the block; it is given back if it was not committed."""
        with AttemptLease(self._tasks, claim):
            try:
                yield self._tasks.get(claim.task_id)
            except LeaseLost:
                raise
            except BaseException:
                self._return(claim)
                raise
            self._return(claim)

    def commit(self, task: Task, res: object, end: TaskState) -> None:
        """Store a result; then see whether that was the last task of a round."""
        if end not in (TaskState.DONE, TaskState.PART_DONE):
            raise BadInput(f"A result cannot be committed as {end}.", "Use DONE or PART_DONE.")
        result = to_result(res)
        claim = claim_on(task)
        self._tasks.commit(claim, result, part=end is TaskState.PART_DONE)
        self._after(claim)

    def fail(self, task: Task, error: BaseException) -> TaskState:
        """It failed by its own error; returns its state."""
        claim = claim_on(task)
        state = self._tasks.fail(claim, TaskError.of(error))
        self._after(claim)
        return state

    def give_back(self, task: Task, status: TaskState | None) -> None:
        """Give it back, untried; ``status`` can only be the state that it was fetched from."""
        claim = claim_on(task)
        if status is not None and status is not claim.claimed_from:
            raise BadInput(f"Task {task.id} was fetched from {claim.claimed_from}.", "Leave the status out.")
        self._tasks.release(claim, "returned")

    def _return(self, claim: Claim) -> None:
        """Return a task that was not committed; one that was, or that is lost, is left alone."""
        if self._tasks.holds(claim):
            self._tasks.release(claim, "returned")

    def _after(self, claim: Claim) -> None:
        try:
            self._backend.gather_notifier.notify_if_finished(claim.pool, claim.rounds)
        except Unavailable as error:
            log.warning("a sweep notifies of the round: %s", error)

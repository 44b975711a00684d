"""Waiting until tasks are finished: woken by changes in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rollq.tasks.backend import Backend
from rollq.tasks.errors import StateError
from rollq.tasks.mongo.change_stream import Changes
from rollq.tasks.mongo.client import Document
from rollq.tasks.queue.states import ACTIVE, LOST, TaskState
from rollq.tasks.queue.task import Task

PATIENCE_SECONDS = 2.0  # it looks by itself this often, should a change not be seen

Progress = Callable[[dict[TaskState, int]], None]


@dataclass(frozen=True)
class Waited:
    """What ``wait`` saw in the end: the states, and the tasks that will not be DONE, with their errors."""

    states: dict[TaskState, int]
    failures: tuple[Task, ...]

    def __str__(self) -> str:
        """How many tasks ended how: ``3 DONE, 1 FAILED``."""
        return ", ".join(f"{count} {state}" for state, count in self.states.items() if count) or "no tasks"

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        states = {str(state): count for state, count in self.states.items()}
        return {"states": states, "failures": [task.to_dict() for task in self.failures]}


def wait_for(
    backend: Backend,
    pool: str,
    query: Document,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Waited:
    """Wait until every task of a pool that a query over documents finds is finished.

    Args:
        timeout: seconds; None waits for ever.
        progress: called with the states whenever they have changed.

    Raises:
        StateError: the time is over; the tasks go on.
    """
    tasks, store = backend.tasks, backend.store
    end = None if timeout is None else time.monotonic() + timeout
    last: dict[TaskState, int] | None = None
    with Changes(store, "tasks") as changes:
        while True:
            states = tasks.count(query)
            if progress and states != last:
                progress(states)
            last = states
            left = None if end is None else end - time.monotonic()
            if not sum(states[state] for state in ACTIVE):
                lost = {"$and": [query, {"status": {"$in": sorted(LOST)}}]}
                return Waited(states, tuple(tasks.stream(lost, definitions=False)))
            if left is not None and left <= 0:
                raise _too_late(pool, states, timeout)
            # The stream was opened before the count above, so a change in between wakes this wait at once.
            changes.wait(PATIENCE_SECONDS if left is None else min(left, PATIENCE_SECONDS))


def _too_late(pool: str, states: Mapping[TaskState, int], timeout: float | None) -> StateError:
    left = ", ".join(f"{states[state]} {state}" for state in sorted(ACTIVE) if states[state])
    return StateError(f"Pool {pool!r} is not finished after {timeout:g} s: {left}.", "The tasks go on: wait again.")

"""The collections that hold tasks, and the conditional writes on them. Every part of ``TaskQueue`` shares one of these.

A change of a task's state is one conditional write on one document, with the expected state and fence in the filter;
the number of modified documents names the winner (``docs/decisions/portable-claim.md`` says why not
``find_one_and_update``). ``tasks/queue/documents.py`` makes the writes, and checks them against the table of states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.expressions import Write
from rollq.tasks.queue.documents import transition
from rollq.tasks.queue.states import Stage, TaskState

CHUNK = 1_000  # tasks per write
BEST_FIRST = [("priority", DESCENDING), ("seq", ASCENDING)]
WAITING, RUNNING = TaskState.WAITING, TaskState.RUNNING


class TaskStore:
    """The tasks and pools of a store, and what of them is unstaged."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Collections are asked for anew each time: after a fork they belong to another connection.

    @property
    def tasks(self) -> Collection[Document]:
        """The documents of tasks (``tasks/queue/documents.py``)."""
        return self._store.collection("tasks")

    @property
    def pools(self) -> Collection[Document]:
        """The pools that tasks were ever put into, each with the highest fence of the tasks removed from it."""
        return self._store.collection("pools")

    @property
    def staging(self) -> Collection[Document]:
        """The blocks of unstaged tasks, by pool and queue (``tasks/queue/stager.py``)."""
        return self._store.collection("staging")

    def now(self) -> datetime:
        """The store's time (UTC)."""
        return self._store.now()

    def ensure_indexes(self) -> None:
        """Make the indexes that identity, claims, rounds and sweeps rest on; nothing happens where they exist."""
        with reachable():
            # The identity of tasks rests on this one: two machines that create the same task at once make one.
            self.tasks.create_index([("pool", ASCENDING), ("key", ASCENDING)], unique=True)
            staged = [(name, ASCENDING) for name in ("pool", "status", "stage", "queue")]
            self.tasks.create_index([*staged, *BEST_FIRST])
            # Writes by id: on the embedded server an index serves only filters whose fields are all in it.
            self.tasks.create_index([(name, ASCENDING) for name in ("_id", "status", "fence", "stage")])
            self.tasks.create_index([("rounds", ASCENDING), ("status", ASCENDING), ("stage", ASCENDING)])
            self.tasks.create_index([("status", ASCENDING), ("stage", ASCENDING), ("pool", ASCENDING)])
            # For sweeps, which ask every few seconds and must not read what does not run.
            self.tasks.create_index([("status", ASCENDING), ("lease.expires_at", ASCENDING)])
            self.tasks.create_index([("backfill", ASCENDING), ("pending", ASCENDING), ("status", ASCENDING)])

    # -- the conditional writes ---------------------------------------------------------------------------------------

    def write(self, transition: Write) -> bool:
        """One conditional write on one task; whether this caller won it."""
        return bool(self.tasks.update_one(*transition).modified_count)

    def move(
        self,
        query: Document,
        start: TaskState,
        end: TaskState,
        by: str,
        why: str,
        changes: Document,
        *,
        fence: bool = False,
    ) -> bool:
        """One conditional write from ``start`` to ``end``; whether this caller won it.

        Raises:
            InvalidTransition: no task goes from ``start`` to ``end``.
        """
        return self.write(transition(query, start, end, by, why, changes, fence=fence))

    def write_where(self, ids: Sequence[str], conditions: Sequence[Document], changes: Mapping[str, object]) -> int:
        """Change those of many tasks that meet all conditions, each by itself; returns how many.

        The conditions are part of the update: in the filter they would cost a search on the embedded server.
        """
        step = {name: {"$cond": [{"$and": list(conditions)}, value, f"${name}"]} for name, value in changes.items()}
        writes = (self.tasks.update_many({"_id": {"$in": part}}, [{"$set": step}]) for part in chunks(ids))
        return sum(int(written.modified_count) for written in writes)

    def move_stage(
        self, ids: Sequence[str], start: Stage, end: Stage, changes: Mapping[str, object] | None = None
    ) -> int:
        """Move waiting tasks that are on stage ``start``; returns how many were."""
        there = [{"$eq": ["$status", WAITING]}, {"$eq": ["$stage", start]}]
        return self.write_where(ids, there, {"stage": end, **(changes or {})})


def chunks(ids: Sequence[str]) -> Iterable[list[str]]:
    """``ids`` in parts of at most ``CHUNK``."""
    return (list(ids[at : at + CHUNK]) for at in range(0, len(ids), CHUNK))

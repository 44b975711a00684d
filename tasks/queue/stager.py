"""The window of a pool: which waiting tasks are next, found at a cost that does not grow with the pool.

A waiting task is on one of these stages and moves up in batches, the best by priority and age first:
``far -> near -> rung``; aside are ``later`` (a failed task in its backoff) and ``held``. Messages are sent for ``rung``
tasks alone, at most ``max_outstanding`` of a pool and queue, and claims look among them first. ``near`` is a shortlist.
Far tasks are written down in blocks of ``BLOCK``, so that a shortlist is refilled without a search through the pool; a
far task that is in no block (somebody died at the wrong time) is found by such a search once the blocks are used up.
Each queue of a pool has a window of its own: tasks that nobody serves now do not block the others.

Every filter here names only fields of one index: the embedded server searches the whole collection otherwise.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from rollq.tasks.config.settings import Settings
from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.reader import TaskReader
from rollq.tasks.queue.states import Stage, TaskState

BLOCK = 256  # far tasks that come on the shortlist together: every refill reads the whole shortlist
BEST_FIRST = [("priority", DESCENDING), ("seq", ASCENDING)]
FRESH_SECONDS = 1.0
WAITING = TaskState.WAITING


class TaskWindow(TaskReader):
    """Decides which waiting tasks are rung for."""

    def __init__(self, store: Store, settings: Settings) -> None:
        super().__init__(store, settings)
        self._rung_pools: dict[tuple[str, ...], tuple[float, list[str]]] = {}

    @property
    def _windows(self) -> Collection[Document]:
        return self._store.collection("windows")

    def next_to_ring(self, pool: str, limit: int) -> list[tuple[str, str]]:
        """Mark the best waiting tasks of each queue as rung, until ``limit`` are.

        Returns:
            (task id, queue) of those for which a message must be sent.
        """
        with reachable():
            windows = list(self._windows.find({"pool": pool}, {"blocks": 0}))
            return [(ident, found["queue"]) for found in windows for ident in self._fill(found, limit)]

    def queues(self, pool: str) -> list[str]:
        """The queues that tasks of a pool were ever put into."""
        with reachable():
            return sorted(str(window["queue"]) for window in self._windows.find({"pool": pool}, {"queue": 1}))

    def pools_rung(self, queues: Sequence[str]) -> list[str]:
        """Pools that have rung tasks in these queues, as of at most ``FRESH_SECONDS`` ago."""
        key = (*queues,)
        asked, known = self._rung_pools.get(key, (-FRESH_SECONDS, []))
        if time.monotonic() - asked < FRESH_SECONDS:
            return known
        with reachable():
            rung = self._tasks.find({"status": WAITING, "stage": Stage.RUNG}, {"pool": 1, "queue": 1})
            known = sorted({document["pool"] for document in rung if document["queue"] in queues})
        self._rung_pools[key] = (time.monotonic(), known)
        return known

    def rung_before(self, pool: str, seconds: float) -> list[tuple[str, str]]:
        """(task id, queue) of tasks that were rung longer ago than ``seconds`` and still wait."""
        with reachable():
            since = self._store.now() - timedelta(seconds=seconds)
            query = {"pool": pool, "status": WAITING, "stage": Stage.RUNG}
            rung = self._tasks.find(query, {"queue": 1, "rung_at": 1})
            return [(document["_id"], document["queue"]) for document in rung if document["rung_at"] < since]

    def open_window(self, pool: str, queue: str, tasks: Iterable[tuple[int, int]] = ()) -> None:
        """Make the window of a pool's queue known, and the (priority, seq) of tasks that are far away."""
        ordered = sorted(tasks, key=lambda task: (-task[0], task[1]))
        blocks = []
        for priority, group in itertools.groupby(ordered, key=lambda task: task[0]):
            seqs = [seq for _, seq in group]
            parts = (seqs[at : at + BLOCK] for at in range(0, len(seqs), BLOCK))
            blocks += [{"priority": priority, "first": part[0], "last": part[-1], "n": len(part)} for part in parts]
        named = {"schema": SCHEMA, "pool": pool, "queue": queue}
        changes = {"$setOnInsert": named, "$push": {"blocks": {"$each": blocks}}}
        with reachable():
            # The id is made of both names, so that two creators make one window.
            self._windows.update_one({"_id": f"{pool}\n{queue}"}, changes, upsert=True)

    def _fill(self, window: Document, limit: int) -> list[str]:
        """Refill a window that is at most half full; else only let more urgent tasks change places with lesser ones."""
        query = _waiting(window)
        rung = list(self._tasks.find({**query, "stage": Stage.RUNG}, {"priority": 1}).sort(BEST_FIRST))
        free = max(limit - len(rung), 0)
        if len(rung) <= limit // 2:
            return self._ring(self._shortlisted(window, free))
        lowest = rung[-1]["priority"]
        urgent = self._near(query | {"priority": {"$gt": lowest}}, limit)
        if not urgent:
            return []
        self._ring(urgent)
        lesser = [task["_id"] for task in rung if task["priority"] == lowest]
        self._advance(lesser[len(lesser) - max(len(urgent) - free, 0) :], Stage.RUNG, Stage.NEAR)
        # The messages of those that went back are out already, and any message brings a worker to the best task.
        return [task["_id"] for task in urgent[:free]]

    def _ring(self, tasks: Sequence[Document]) -> list[str]:
        ids = [task["_id"] for task in tasks]
        self._advance(ids, Stage.NEAR, Stage.RUNG, {"rung_at": self._store.now()})
        return ids

    def _shortlisted(self, window: Document, count: int) -> list[Document]:
        """The best of the shortlist, which is refilled when it is too short or something better is far away."""
        self._wake(window)
        near = self._near(_waiting(window), count)
        blocks = self._blocks(window)
        best = blocks[0]["priority"] if blocks else 0
        while (len(near) < count or near[0]["priority"] < best) and self._shorten(window, blocks):
            near, best = self._near(_waiting(window), count), 0
        return near

    def _near(self, query: Document, count: int) -> list[Document]:
        near = self._tasks.find({**query, "stage": Stage.NEAR}, {"priority": 1})
        return list(near.sort(BEST_FIRST).limit(count)) if count else []

    def _wake(self, window: Document) -> None:
        """Put those whose backoff is over on the shortlist."""
        later = self._tasks.find({**_waiting(window), "stage": Stage.LATER}, {"not_before": 1})
        due = [task["_id"] for task in later if task["not_before"] <= self._store.now()]
        self._advance(due, Stage.LATER, Stage.NEAR)

    def _advance(self, ids: Sequence[str], start: Stage, end: Stage, changes: Document | None = None) -> int:
        """Move waiting tasks that are on stage ``start``; returns how many were."""
        if not ids:
            return 0
        # State and stage are compared in the update: in the filter they would cost a search on the embedded server.
        there = {"$and": [{"$eq": ["$status", WAITING]}, {"$eq": ["$stage", start]}]}
        moved = {"stage": end, **(changes or {})}
        step = {name: {"$cond": [there, value, f"${name}"]} for name, value in moved.items()}
        return int(self._tasks.update_many({"_id": {"$in": list(ids)}}, [{"$set": step}]).modified_count)

    def _blocks(self, window: Document) -> list[Document]:
        """The blocks of far tasks, in the order in which they come on the shortlist."""
        found = self._windows.find_one({"_id": window["_id"]}, {"blocks": 1}) or {"blocks": []}
        return sorted(found["blocks"], key=lambda block: (-block["priority"], block["first"]))

    def _shorten(self, window: Document, blocks: list[Document]) -> bool:
        """Put the next far tasks on the shortlist; False if there are none."""
        query = {**_waiting(window), "stage": Stage.FAR}
        if not blocks:
            far = list(self._tasks.find(query, {"_id": 1}).sort(BEST_FIRST).limit(BLOCK))
            return bool(self._advance([task["_id"] for task in far], Stage.FAR, Stage.NEAR))
        taken = _next_blocks(blocks)
        del blocks[: len(taken)]
        seqs = {"$gte": taken[0]["first"], "$lte": max(block["last"] for block in taken)}
        self._tasks.update_many(
            {**query, "priority": taken[0]["priority"], "seq": seqs}, {"$set": {"stage": Stage.NEAR}}
        )
        self._windows.update_one({"_id": window["_id"]}, {"$pullAll": {"blocks": taken}})
        return True


def _next_blocks(blocks: Sequence[Document]) -> list[Document]:
    """The first block, with those after it as long as they are small: tasks that were created one by one."""
    sizes = itertools.accumulate(block["n"] for block in blocks)
    small = [block for block, size in zip(blocks, sizes, strict=True) if size <= BLOCK]
    return [block for block in small if block["priority"] == blocks[0]["priority"]] or [blocks[0]]


def _waiting(window: Document) -> Document:
    return {"pool": window["pool"], "status": WAITING, "queue": window["queue"]}

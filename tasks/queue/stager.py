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
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeGuard

from rollq.tasks.errors import DocumentCorrupted
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.dead_letters import DeadLetters
from rollq.tasks.queue.states import Stage
from rollq.tasks.queue.task_store import BEST_FIRST, WAITING, TaskStore

log = logging.getLogger(__name__)

BLOCK = 256  # far tasks that come on the shortlist together: every refill reads the whole shortlist
FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Ranked:
    """A waiting task and how urgent it is."""

    id: str
    priority: int


class TaskStager:
    """Decides which waiting tasks are rung for."""

    def __init__(self, store: TaskStore, dead_letters: DeadLetters) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._rung_pools: dict[tuple[str, ...], tuple[float, list[str]]] = {}

    def next_to_ring(self, pool: str, limit: int) -> list[tuple[str, str]]:
        """Mark the best waiting tasks of each queue as rung, until ``limit`` are.

        Returns:
            (task id, queue) of those for which a message must be sent.
        """
        with reachable():
            return [(ident, queue) for queue in self._queues(pool) for ident in self._fill(pool, queue, limit)]

    def queues(self, pool: str) -> list[str]:
        """The queues that tasks of a pool were ever put into."""
        with reachable():
            return self._queues(pool)

    def pools_rung(self, queues: Sequence[str]) -> list[str]:
        """Pools that have rung tasks in these queues, as of at most ``FRESH_SECONDS`` ago."""
        key = (*queues,)
        asked, known = self._rung_pools.get(key, (-FRESH_SECONDS, []))
        if time.monotonic() - asked < FRESH_SECONDS:
            return known
        with reachable():
            rung = self._store.tasks.find({"status": WAITING, "stage": Stage.RUNG}, {"pool": 1, "queue": 1})
            known = sorted({pool for pool, queue in self._dead_letters.decode(rung, _place) if queue in queues})
        self._rung_pools[key] = (time.monotonic(), known)
        return known

    def rung_before(self, pool: str, seconds: float) -> list[tuple[str, str]]:
        """(task id, queue) of tasks that were rung longer ago than ``seconds`` and still wait."""
        with reachable():
            since = self._store.now() - timedelta(seconds=seconds)
            query = {"pool": pool, "status": WAITING, "stage": Stage.RUNG}
            rung = self._store.tasks.find(query, {"queue": 1, "rung_at": 1})
            return self._before(rung, "rung_at", since)

    def add(self, pool: str, queue: str, tasks: Iterable[tuple[int, int]] = ()) -> None:
        """Make the window of a pool's queue known, and the (priority, seq) of tasks that are far away."""
        ordered = sorted(tasks, key=lambda task: (-task[0], task[1]))
        blocks = []
        for priority, group in itertools.groupby(ordered, key=lambda task: task[0]):
            seqs = [seq for _, seq in group]
            parts = (seqs[at : at + BLOCK] for at in range(0, len(seqs), BLOCK))
            blocks += [{"priority": priority, "first": part[0], "last": part[-1], "n": len(part)} for part in parts]
        with reachable():
            # The id is made of both names, so that two creators make one window.
            window = {"_id": _window_id(pool, queue)}
            changes = {"$setOnInsert": {"schema": SCHEMA}, "$push": {"blocks": {"$each": blocks}}}
            self._store.windows.update_one(window, changes, upsert=True)

    def add_again(self, ids: Sequence[str]) -> None:
        """Write down existing tasks that are far away now."""
        fields = {"pool": 1, "queue": 1, "priority": 1, "seq": 1}
        tasks = list(self._store.tasks.find({"_id": {"$in": list(ids)}}, fields))
        for pool, queue in {(task["pool"], task["queue"]) for task in tasks}:
            mine = [task for task in tasks if (task["pool"], task["queue"]) == (pool, queue)]
            self.add(pool, queue, [(task["priority"], task["seq"]) for task in mine])

    def _queues(self, pool: str) -> list[str]:
        """The queues that tasks of a pool were ever put into, from the ids of its windows."""
        start = _window_id(pool, "")
        found = self._store.windows.find({"_id": {"$gte": start, "$lt": f"{pool}\x0b"}}, {"_id": 1})
        return sorted(window["_id"].removeprefix(start) for window in found)

    def _fill(self, pool: str, queue: str, limit: int) -> list[str]:
        """Refill a window that is at most half full; else only let more urgent tasks change places with lesser ones."""
        query = _waiting(pool, queue)
        rung = self._ranked({**query, "stage": Stage.RUNG})
        free = max(limit - len(rung), 0)
        if len(rung) <= limit // 2:
            return self._ring(self._shortlisted(pool, queue, free))
        lowest = rung[-1].priority
        urgent = self._near(query | {"priority": {"$gt": lowest}}, limit)
        if not urgent:
            return []
        self._ring(urgent)
        lesser = [task.id for task in rung if task.priority == lowest]
        self._store.move_stage(lesser[len(lesser) - max(len(urgent) - free, 0) :], Stage.RUNG, Stage.NEAR)
        # The messages of those that went back are out already, and any message brings a worker to the best task.
        return [task.id for task in urgent[:free]]

    def _ring(self, tasks: Sequence[Ranked]) -> list[str]:
        ids = [task.id for task in tasks]
        self._store.move_stage(ids, Stage.NEAR, Stage.RUNG, {"rung_at": self._store.now()})
        return ids

    def _shortlisted(self, pool: str, queue: str, count: int) -> list[Ranked]:
        """The best of the shortlist, which is refilled when it is too short or something better is far away."""
        query = _waiting(pool, queue)
        self._wake(query)
        near = self._near(query, count)
        blocks = self._blocks(pool, queue)
        best = blocks[0]["priority"] if blocks else 0
        while (len(near) < count or near[0].priority < best) and self._shorten(pool, queue, blocks):
            near, best = self._near(query, count), 0
        return near

    def _near(self, query: Document, count: int) -> list[Ranked]:
        return self._ranked({**query, "stage": Stage.NEAR}, count) if count else []

    def _ranked(self, query: Document, limit: int = 0) -> list[Ranked]:
        """The best of the tasks that a query finds, the most urgent first; with 0 all of them."""
        found = self._store.tasks.find(query, {"priority": 1}).sort(BEST_FIRST)
        return self._dead_letters.decode(found.limit(limit), _to_ranked)

    def _wake(self, query: Document) -> None:
        """Put those whose backoff is over on the shortlist."""
        later = self._store.tasks.find({**query, "stage": Stage.LATER}, {"queue": 1, "not_before": 1})
        due = self._before(later, "not_before", self._store.now())
        self._store.move_stage([ident for ident, _ in due], Stage.LATER, Stage.NEAR)

    def _before(self, documents: Iterable[Document], name: str, limit: datetime) -> list[tuple[str, str]]:
        """(task id, queue) of those whose time of this name lies before ``limit``."""
        timed = self._dead_letters.decode(
            documents,
            lambda task: (task["_id"], _place(task)[1], task[name] is None or task[name] < limit),
        )
        return [(ident, queue) for ident, queue, before in timed if before]

    def _blocks(self, pool: str, queue: str) -> list[Document]:
        """The blocks of far tasks, in the order in which they come on the shortlist. Invalid ones are dropped."""
        ident = _window_id(pool, queue)
        found = self._store.windows.find_one({"_id": ident}, {"blocks": 1}) or {}
        blocks: object = found.get("blocks")
        if not _are_blocks(blocks):
            log.warning("%s", DocumentCorrupted(f"The window {ident!r} is emptied and made anew."))
            self._store.windows.replace_one({"_id": ident}, {"schema": SCHEMA, "blocks": []})
            return []
        return sorted(blocks, key=lambda block: (-block["priority"], block["first"]))

    def _shorten(self, pool: str, queue: str, blocks: list[Document]) -> bool:
        """Put the next far tasks on the shortlist; False if there are none."""
        query = {**_waiting(pool, queue), "stage": Stage.FAR}
        if not blocks:
            far = list(self._store.tasks.find(query, {"_id": 1}).sort(BEST_FIRST).limit(BLOCK))
            return bool(self._store.move_stage([task["_id"] for task in far], Stage.FAR, Stage.NEAR))
        taken = _next_blocks(blocks)
        del blocks[: len(taken)]
        seqs = {"$gte": taken[0]["first"], "$lte": max(block["last"] for block in taken)}
        self._store.tasks.update_many(
            {**query, "priority": taken[0]["priority"], "seq": seqs}, {"$set": {"stage": Stage.NEAR}}
        )
        self._store.windows.update_one({"_id": _window_id(pool, queue)}, {"$pullAll": {"blocks": taken}})
        return True


def _next_blocks(blocks: Sequence[Document]) -> list[Document]:
    """The first block, with those after it as long as they are small: tasks that were created one by one."""
    sizes = itertools.accumulate(block["n"] for block in blocks)
    small = [block for block, size in zip(blocks, sizes, strict=True) if size <= BLOCK]
    return [block for block in small if block["priority"] == blocks[0]["priority"]] or [blocks[0]]


def _are_blocks(found: object) -> TypeGuard[list[Document]]:
    whole = ("priority", "first", "last", "n")
    return isinstance(found, list) and all(
        isinstance(block, dict) and all(isinstance(block.get(name), int) for name in whole) for block in found
    )


def _waiting(pool: str, queue: str) -> Document:
    return {"pool": pool, "status": WAITING, "queue": queue}


def _window_id(pool: str, queue: str) -> str:
    """Both names: no label holds a line break, and nobody can change an id."""
    return f"{pool}\n{queue}"


def _to_ranked(document: Document) -> Ranked:
    priority = document["priority"]
    if not isinstance(priority, int):
        raise TypeError(f"{priority!r} is no priority")
    return Ranked(document["_id"], priority)


def _place(document: Document) -> tuple[str, str]:
    """The pool (empty where it was not asked for) and the queue of a task."""
    pool, queue = document.get("pool", ""), document["queue"]
    if not isinstance(pool, str) or not isinstance(queue, str):
        raise TypeError("its pool or its queue is no text")
    return pool, queue

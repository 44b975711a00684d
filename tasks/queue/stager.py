"""The stager: which waiting tasks are next, found at a cost that does not grow with the pool.

A waiting task is on one of these stages and moves up in batches, the best by priority and age first:
``unstaged -> staged -> notified``; aside are ``delayed`` (a failed task in its backoff) and ``held``. Messages are sent
for ``notified`` tasks alone, at most ``max_outstanding`` of a pool and queue, and claims look among them first.
Unstaged tasks are written down in blocks of ``BLOCK``, so that tasks are staged without a search through the pool; one
that is in no block (a process died at the wrong time) is found by such a search once the blocks are used up. Each queue
of a pool is staged by itself: tasks that no worker serves now do not block the others.

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

BLOCK = 256  # tasks that are staged together: every look at the staged tasks reads all of them
# Every message asks which pools have work; a second old is new enough to take turns by.
FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Ranked:
    """A waiting task and how urgent it is."""

    id: str
    priority: int


class TaskStager:
    """Decides which waiting tasks workers are notified of."""

    def __init__(self, store: TaskStore, dead_letters: DeadLetters) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._notified_pools: dict[tuple[str, ...], tuple[float, list[str]]] = {}

    def next_to_notify(self, pool: str, limit: int) -> list[tuple[str, str]]:
        """Mark the best waiting tasks of each queue as notified, until ``limit`` are.

        Returns:
            (task id, queue) of those for which a message must be sent.
        """
        with reachable():
            return [(ident, queue) for queue in self._queues(pool) for ident in self._fill(pool, queue, limit)]

    def queues(self, pool: str) -> list[str]:
        """The queues that tasks of a pool were ever put into."""
        with reachable():
            return self._queues(pool)

    def notified_pools(self, queues: Sequence[str]) -> list[str]:
        """Pools that have notified tasks in these queues, as of at most ``FRESH_SECONDS`` ago."""
        key = (*queues,)
        asked, known = self._notified_pools.get(key, (-FRESH_SECONDS, []))
        if time.monotonic() - asked < FRESH_SECONDS:
            return known
        with reachable():
            notified = self._store.tasks.find({"status": WAITING, "stage": Stage.NOTIFIED}, {"pool": 1, "queue": 1})
            known = sorted({pool for pool, queue in self._dead_letters.decode(notified, _place) if queue in queues})
        self._notified_pools[key] = (time.monotonic(), known)
        return known

    def notified_before(self, pool: str, seconds: float) -> list[tuple[str, str]]:
        """(task id, queue) of tasks that were notified longer ago than ``seconds`` and still wait."""
        with reachable():
            since = self._store.now() - timedelta(seconds=seconds)
            query = {"pool": pool, "status": WAITING, "stage": Stage.NOTIFIED}
            notified = self._store.tasks.find(query, {"queue": 1, "notified_at": 1})
            return self._before(notified, "notified_at", since)

    def add(self, pool: str, queue: str, tasks: Iterable[tuple[int, int]] = ()) -> None:
        """Make a queue of a pool known, and the (priority, seq) of tasks in it that are unstaged."""
        ordered = sorted(tasks, key=lambda task: (-task[0], task[1]))
        blocks = []
        for priority, group in itertools.groupby(ordered, key=lambda task: task[0]):
            seqs = [seq for _, seq in group]
            parts = (seqs[at : at + BLOCK] for at in range(0, len(seqs), BLOCK))
            blocks += [{"priority": priority, "first": part[0], "last": part[-1], "n": len(part)} for part in parts]
        with reachable():
            # The id is made of both names, so that two creators make one document.
            here = {"_id": _staging_id(pool, queue)}
            changes = {"$setOnInsert": {"schema": SCHEMA}, "$push": {"blocks": {"$each": blocks}}}
            self._store.staging.update_one(here, changes, upsert=True)

    def add_again(self, ids: Sequence[str]) -> None:
        """Write down existing tasks that are unstaged now."""
        fields = {"pool": 1, "queue": 1, "priority": 1, "seq": 1}
        tasks = list(self._store.tasks.find({"_id": {"$in": list(ids)}}, fields))
        for pool, queue in {(task["pool"], task["queue"]) for task in tasks}:
            mine = [task for task in tasks if (task["pool"], task["queue"]) == (pool, queue)]
            self.add(pool, queue, [(task["priority"], task["seq"]) for task in mine])

    def _queues(self, pool: str) -> list[str]:
        """The queues that tasks of a pool were ever put into, from the ids of their staging."""
        start = _staging_id(pool, "")
        found = self._store.staging.find({"_id": {"$gte": start, "$lt": f"{pool}\x0b"}}, {"_id": 1})
        # By the range of ids: a vertical tab (0x0b) is the character after the line break that ends the pool's name.
        return sorted(document["_id"].removeprefix(start) for document in found)

    def _fill(self, pool: str, queue: str, limit: int) -> list[str]:
        """Fill up if at most half of ``limit`` are notified; else only exchange lesser tasks for more urgent ones."""
        query = _waiting(pool, queue)
        notified = self._ranked({**query, "stage": Stage.NOTIFIED})
        free = max(limit - len(notified), 0)
        # At half, not at each task that goes: filling up costs several trips, which are shared by so many tasks.
        if len(notified) <= limit // 2:
            return self._mark_notified(self._best_staged(pool, queue, free))
        lowest = notified[-1].priority
        urgent = self._staged(query | {"priority": {"$gt": lowest}}, limit)
        if not urgent:
            return []
        self._mark_notified(urgent)
        # The last of the lowest priority give way; their messages are out, and bring a worker to the better ones.
        lesser = [task.id for task in notified if task.priority == lowest]
        self._store.move_stage(lesser[len(lesser) - max(len(urgent) - free, 0) :], Stage.NOTIFIED, Stage.STAGED)
        # The messages of those that went back are out already, and any message brings a worker to the best task.
        return [task.id for task in urgent[:free]]

    def _mark_notified(self, tasks: Sequence[Ranked]) -> list[str]:
        ids = [task.id for task in tasks]
        self._store.move_stage(ids, Stage.STAGED, Stage.NOTIFIED, {"notified_at": self._store.now()})
        return ids

    def _best_staged(self, pool: str, queue: str, count: int) -> list[Ranked]:
        """The best of the staged tasks; more are staged if there are too few or something better is unstaged."""
        query = _waiting(pool, queue)
        # Backoffs end by the clock and nothing writes that down: they are looked at whenever staged tasks are.
        self._stage_due(query)
        staged = self._staged(query, count)
        blocks = self._blocks(pool, queue)
        best = blocks[0]["priority"] if blocks else 0
        # Something more urgent may lie unstaged, though enough is staged: it goes before.
        while (len(staged) < count or staged[0].priority < best) and self._stage_more(pool, queue, blocks):
            staged, best = self._staged(query, count), 0
        return staged

    def _staged(self, query: Document, count: int) -> list[Ranked]:
        return self._ranked({**query, "stage": Stage.STAGED}, count) if count else []

    def _ranked(self, query: Document, limit: int = 0) -> list[Ranked]:
        """The best of the tasks that a query finds, the most urgent first; with 0 all of them."""
        found = self._store.tasks.find(query, {"priority": 1}).sort(BEST_FIRST)
        return self._dead_letters.decode(found.limit(limit), _to_ranked)

    def _stage_due(self, query: Document) -> None:
        """Stage those whose backoff is over."""
        delayed = self._store.tasks.find({**query, "stage": Stage.DELAYED}, {"queue": 1, "not_before": 1})
        due = self._before(delayed, "not_before", self._store.now())
        self._store.move_stage([ident for ident, _ in due], Stage.DELAYED, Stage.STAGED)

    def _before(self, documents: Iterable[Document], name: str, limit: datetime) -> list[tuple[str, str]]:
        """(task id, queue) of those whose time of this name lies before ``limit``."""
        timed = self._dead_letters.decode(
            documents,
            lambda task: (task["_id"], _place(task)[1], task[name] is None or task[name] < limit),
        )
        return [(ident, queue) for ident, queue, before in timed if before]

    def _blocks(self, pool: str, queue: str) -> list[Document]:
        """The blocks of unstaged tasks, in the order in which they are staged. Invalid ones are dropped."""
        ident = _staging_id(pool, queue)
        found = self._store.staging.find_one({"_id": ident}, {"blocks": 1}) or {}
        blocks: object = found.get("blocks")
        if not _are_blocks(blocks):
            log.warning("%s", DocumentCorrupted(f"The staging of {ident!r} is emptied and made anew."))
            self._store.staging.replace_one({"_id": ident}, {"schema": SCHEMA, "blocks": []})
            return []
        return sorted(blocks, key=lambda block: (-block["priority"], block["first"]))

    def _stage_more(self, pool: str, queue: str, blocks: list[Document]) -> bool:
        """Stage the next tasks; False if there are none."""
        query = {**_waiting(pool, queue), "stage": Stage.UNSTAGED}
        if not blocks:
            unstaged = list(self._store.tasks.find(query, {"_id": 1}).sort(BEST_FIRST).limit(BLOCK))
            return bool(self._store.move_stage([task["_id"] for task in unstaged], Stage.UNSTAGED, Stage.STAGED))
        taken = _next_blocks(blocks)
        del blocks[: len(taken)]
        seqs = {"$gte": taken[0]["first"], "$lte": max(block["last"] for block in taken)}
        # A range of numbers within one priority: the index finds it without reading the pool.
        self._store.tasks.update_many(
            {**query, "priority": taken[0]["priority"], "seq": seqs}, {"$set": {"stage": Stage.STAGED}}
        )
        # The tasks first, then the block: killed in between, the block is taken once more and finds nothing left to
        # stage.
        self._store.staging.update_one({"_id": _staging_id(pool, queue)}, {"$pullAll": {"blocks": taken}})
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


def _staging_id(pool: str, queue: str) -> str:
    """Both names: no label holds a line break, and an id cannot be changed."""
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

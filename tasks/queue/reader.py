"""Reading task pools: questions that change nothing. An invalid document is shown as FAILED or left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pymongo import ASCENDING

from rollq.tasks.errors import NotFound, StateError
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.queue.documents import RESOURCES
from rollq.tasks.queue.states import ACTIVE, Stage, TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.queue.task_store import TaskStore
from rollq.tasks.queue.validation import to_task
from rollq.tasks.resources import Resources


@dataclass(frozen=True)
class Want:
    """So many waiting tasks want a worker of this queue that has these resources."""

    queue: str
    requested: Resources
    tasks: int


class TaskReader:
    """What is in the task pools of a store."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    def pools(self) -> list[str]:
        """Names of all pools."""
        with reachable():
            return sorted(str(document["_id"]) for document in self._store.pools.find({}, {"_id": 1}))

    def stat(self, pool: str | None = None, ids: Sequence[str] | None = None) -> dict[TaskState, int]:
        """How many tasks are in each state; states without a task are 0."""
        return self.count(_query(pool=pool, ids=ids))

    def among(self, ids: Sequence[str], status: Iterable[TaskState]) -> list[str]:
        """Those of some tasks that are in one of these states, in the order in which they were given."""
        with reachable():
            found = {one["_id"] for one in self._store.tasks.find(_query(ids=ids, status=status), {"_id": 1})}
        return [ident for ident in ids if ident in found]

    def count(self, query: Document) -> dict[TaskState, int]:
        """How many of the tasks that a query over documents finds are in each state."""
        with reachable():
            # One question for all states: one by one, a task that moves meanwhile could be counted twice, or never.
            groups = self._store.tasks.aggregate([{"$match": query}, {"$group": {"_id": "$status", "n": {"$sum": 1}}}])
            counts = {group["_id"]: group["n"] for group in groups if isinstance(group["_id"], str)}
        return {state: int(counts.get(state, 0)) for state in TaskState}

    def find(
        self,
        pool: str | None = None,
        *,
        status: Iterable[TaskState] | None = None,
        ids: Sequence[str] | None = None,
        round_id: str | None = None,
        window: str | None = None,
        model: str | None = None,
        older_than: float | None = None,
        error: str | None = None,
        limit: int = 0,
        definitions: bool = False,
    ) -> list[Task]:
        """Tasks in the order in which they were created.

        Args:
            window: only those whose test segment holds this session (``YYYY-MM-DD``).
            model: only those of this model class.
            older_than: only those created longer ago than so many seconds.
            error: only those whose error's type or message holds this text, in any case.
            definitions: bring their definitions too (large).
        """
        query = _query(pool=pool, ids=ids, status=status, round_id=round_id)
        with reachable():
            query.update(_details(model, error))
            if older_than is not None:
                query["created_at"] = {"$lt": self._store.now() - timedelta(seconds=older_than)}
            if window is not None:
                ends = [{"segments.test.1": {"$gte": window}}, {"segments.test.1": None}]
                # `$or` may be taken by the search for an error, so the ends stand in an `$and`.
                query.update({"segments.test.0": {"$lte": window}, "$and": [{"$or": ends}]})
            found = self._store.tasks.find(query, None if definitions else {"definition": 0}).sort("seq", ASCENDING)
            return [to_task(document) for document in (found.limit(limit) if limit else found)]

    def outlines(self, pool: str) -> list[Task]:
        """The tasks of a pool with the least of their definitions: ``variant`` and ``window``, and their segments."""
        left_out = ("model", "dataset", "record", "identity", "data")
        with reachable():
            found = self._store.tasks.find({"pool": pool}, {f"definition.{name}": 0 for name in left_out})
            return [to_task(document) for document in found]

    def get(self, ident: str) -> Task:
        """The task whose id is or starts with ``ident`` (at least four characters).

        Raises:
            NotFound: there is none.
            StateError: several ids start so.
        """
        if not re.fullmatch(r"[0-9a-f]{4,24}", ident):
            raise NotFound(f"There is no task {ident!r}.", "A task id is 4 to 24 hex digits: see `rollq tasks list`.")
        with reachable():
            # `g` comes after every hexadecimal digit, so the range holds all ids that begin so, and the index finds it.
            found = list(self._store.tasks.find({"_id": {"$gte": ident, "$lt": ident + "g"}}).limit(2))
        if not found:
            raise NotFound(f"There is no task {ident!r}.", "See `rollq tasks list`.")
        if len(found) > 1:
            raise StateError(f"Several tasks start with {ident!r}.", "Give more digits.")
        return to_task(found[0])

    def stream(self, query: Document, *, definitions: bool = True) -> Iterator[Task]:
        """Tasks that a query over documents finds, in the order in which they were created, one by one."""
        fields = None if definitions else {"definition": 0}
        with reachable():
            for document in self._store.tasks.find(query, fields).sort("seq", ASCENDING):
                yield to_task(document)

    def documents(self, query: Document) -> Iterator[Document]:
        """As ``stream``, as the store holds them."""
        with reachable():
            yield from self._store.tasks.find(query).sort("seq", ASCENDING)

    def wants(self) -> list[Want]:
        """What the waiting tasks of all pools want of a worker, and how many want it."""
        waiting = {"status": TaskState.WAITING, "stage": {"$ne": Stage.HELD}}
        kinds = {"queue": "$queue", "cpu": "$requested.cpu", "gpu": "$requested.gpu", "mem_gb": "$requested.mem_gb"}
        with reachable():
            groups = list(
                self._store.tasks.aggregate([{"$match": waiting}, {"$group": {"_id": kinds, "n": {"$sum": 1}}}])
            )
        wants = [_to_want(dict(group["_id"]), group["n"]) for group in groups]
        return [want for want in wants if want]

    def given_back_for(self, queue: str, why: str) -> int:
        """How many waiting tasks of a queue were given back with these words in the reason, at whichever attempt."""
        query = {"queue": queue, "status": TaskState.WAITING, "history.why": {"$regex": re.escape(why)}}
        with reachable():
            return self._store.tasks.count_documents(query)

    def ahead_of(self, task: Task) -> int:
        """How many waiting tasks of the pool and queue of a task come before it."""
        earlier = {"priority": task.priority, "seq": {"$lt": task.seq}}
        mine = {"pool": task.pool, "queue": task.queue, "status": TaskState.WAITING, "stage": {"$ne": Stage.HELD}}
        with reachable():
            return self._store.tasks.count_documents({**mine, "$or": [{"priority": {"$gt": task.priority}}, earlier]})

    def has_active(self, round_id: str) -> bool:
        """Whether a task of the round is not finished."""
        # The small sets first, so that the usual answer (yes) costs no search through a large round; the whole at the
        # end, because a task may move from one set to another in between.
        notified = {"status": TaskState.WAITING, "stage": {"$in": [Stage.NOTIFIED, Stage.STAGED]}}
        with reachable():
            for part in ({"status": TaskState.RUNNING}, notified, {"status": {"$in": sorted(ACTIVE)}}):
                if self._store.tasks.find_one({"rounds": round_id, **part}, {"_id": 1}):
                    return True
        return False

    def is_running(self, pool: str) -> bool:
        """Whether a task of the pool is RUNNING."""
        with reachable():
            return self._store.tasks.find_one({"pool": pool, "status": TaskState.RUNNING}, {"_id": 1}) is not None

    def holders(self, prefix: str) -> list[str]:
        """Names of the workers that hold a task now and whose name starts with ``prefix``."""
        with reachable():
            running = self._store.tasks.find({"status": TaskState.RUNNING}, {"lease.worker": 1})
            names = {str((document.get("lease") or {}).get("worker", "")) for document in running}
        return sorted(name for name in names if name.startswith(prefix))


def _to_want(kind: Document, tasks: int) -> Want | None:
    """What a group of tasks wants; None if their documents are invalid."""
    queue = kind.pop("queue", None)
    try:
        return Want(queue, RESOURCES.validate_python(kind), tasks) if isinstance(queue, str) else None
    except ValueError:
        return None


def _query(
    pool: str | None = None,
    ids: Sequence[str] | None = None,
    status: Iterable[TaskState] | None = None,
    round_id: str | None = None,
) -> Document:
    """The filter of a question; what is None is not asked."""
    query: Document = {}
    if pool is not None:
        query["pool"] = pool
    if ids is not None:
        query["_id"] = {"$in": list(ids)}
    if status is not None:
        query["status"] = {"$in": list(status)}
    if round_id is not None:
        query["rounds"] = round_id
    return query


def _details(model: str | None, error: str | None) -> Document:
    query: Document = {}
    if model is not None:
        query["definition.model.class"] = model
    if error is not None:
        holds = {"$regex": re.escape(error), "$options": "i"}
        query["$or"] = [{"error.type": holds}, {"error.message": holds}]
    return query

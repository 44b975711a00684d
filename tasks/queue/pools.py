"""The task pools of a store. The only code that reads or writes tasks there.

In layers, each a file: ``reader`` (questions), ``window`` (which task is next), ``claims`` (what workers do), ``turns``
(what backfills do), and here what those do who want tasks done.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from rollq.tasks.broker.messages import check_label
from rollq.tasks.errors import DocumentCorrupted, InvalidTransition, TemplateError
from rollq.tasks.identity import IDENTITY, PLACES, canonical, places_of, plain_key, task_id
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.admission import TaskTurns, Turns
from rollq.tasks.queue.claims import RUNNING, WAITING
from rollq.tasks.queue.dead_letters import each, guarded, set_aside
from rollq.tasks.queue.documents import TASKS, Options, cancelling, giving_back, new_document, waiting_again
from rollq.tasks.queue.stager import BLOCK
from rollq.tasks.queue.states import ACTIVE, Stage, TaskState
from rollq.tasks.queue.task import Created
from rollq.tasks.resources import Needs

BATCH = 1_000  # documents per bulk write
DUPLICATE_KEY = 11000
FENCED = {"pool": 1, "fence": 1}
FAILED = [TaskState.FAILED, TaskState.QUARANTINED]


@guarded
class TaskPools(TaskTurns):
    """The task pools of a store.

    Args:
        store: the MongoDB database.
        settings: lease length, attempts, backoff and losses allowed.
    """

    def ensure_indexes(self) -> None:
        """Make the indexes that identity, claims, rounds and sweeps rest on; nothing happens where they exist."""
        with reachable():
            self._tasks.create_index([("pool", ASCENDING), ("key", ASCENDING)], unique=True)
            turn = [("pool", ASCENDING), ("status", ASCENDING), ("stage", ASCENDING), ("queue", ASCENDING)]
            self._tasks.create_index([*turn, ("priority", DESCENDING), ("seq", ASCENDING)])
            # Writes by id: on the embedded server an index serves only filters whose fields are all in it.
            self._tasks.create_index([(name, ASCENDING) for name in ("_id", "status", "fence", "stage")])
            self._tasks.create_index([("rounds", ASCENDING), ("status", ASCENDING), ("stage", ASCENDING)])
            self._tasks.create_index([("status", ASCENDING), ("stage", ASCENDING), ("pool", ASCENDING)])
            self._tasks.create_index([("status", ASCENDING), ("lease.expires_at", ASCENDING)])
            self._tasks.create_index([("backfill", ASCENDING), ("turn", ASCENDING), ("status", ASCENDING)])
            self._windows.create_index([("pool", ASCENDING)])

    # -- creating -----------------------------------------------------------------------------------------------------

    def create_tasks(
        self,
        pool: str,
        definitions: Iterable[Mapping[str, Any]],
        *,
        priority: int = 0,
        queue: str = "default",
        held: bool = False,
        needs: Mapping[str, Any] | None = None,
        time_limit: float | None = None,
        turns: Turns | None = None,
    ) -> Created:
        """Put rolling tasks into a pool; those that are there already (same key) stay as they are.

        Args:
            priority: higher is sooner.
            held: keep the new tasks from being claimed until ``unhold``.
            needs: processors, GPUs, memory that a worker must offer: ``{cpu, gpu, mem_gb}``.
            time_limit: seconds that an attempt may take; None: as long as it likes.
            turns: the new tasks belong to a backfill; they are held.

        Raises:
            TemplateError: a definition cannot be stored as JSON, or the needs make no sense.
            Unavailable: the store does not answer.
        """
        held = held or turns is not None
        check_label(pool, "pool")
        options = Options(priority, queue, held, Needs.of(needs), time_limit)
        with reachable():
            now = self._store.now()
            documents = _documents(pool, definitions, now, options, turns)
            self._pools.update_one({"_id": pool}, {"$setOnInsert": {"schema": SCHEMA, "created_at": now}}, upsert=True)
            floor = self._fence_floor(pool)
            for document in documents if floor else ():
                document["fence"] = document["history"][0]["fence"] = floor
            batches = (documents[at : at + BATCH] for at in range(0, len(documents), BATCH))
            new = [document for batch in batches for document in self._insert(batch)]
            if len(new) < len(documents):
                self._follow_files(documents)
            if (risen := self._fence_floor(pool)) > floor:  # somebody removed tasks in between, perhaps these
                ids = [document["_id"] for document in new]
                self._tasks.update_many({"_id": {"$in": ids}, "fence": {"$lt": risen}}, {"$set": {"fence": risen}})
            self.open_window(pool, queue, [] if held else [(priority, document["seq"]) for document in new])
        return Created(tuple(document["_id"] for document in documents), len(new))

    def _follow_files(self, documents: Sequence[Document]) -> None:
        """Let tasks that were there find their files where they are now: a place is no part of what a task is."""
        now = {one["_id"]: places_of(one["definition"]) for one in documents}
        fields = {f"definition.dataset.kwargs.{name}": 1 for name in PLACES}
        for start in range(0, len(documents), BATCH):
            part = [one["_id"] for one in documents[start : start + BATCH] if now[one["_id"]]]
            there = {one["_id"]: one.get("definition", {}) for one in self._tasks.find({"_id": {"$in": part}}, fields)}
            moved = [
                UpdateOne(
                    {"_id": ident}, {"$set": {f"definition.dataset.kwargs.{k}": v for k, v in now[ident].items()}}
                )
                for ident in part
                if ident in there and places_of({IDENTITY: {}, **there[ident]}) != now[ident]
            ]
            if moved:
                self._tasks.bulk_write(moved, ordered=False)

    def _insert(self, documents: list[Document]) -> list[Document]:
        """Insert those that are not there yet; returns them."""
        unique = {document["_id"]: document for document in reversed(documents)}
        try:
            self._tasks.insert_many(list(unique.values()), ordered=False)
        except (
            DuplicateKeyError
        ) as error:  # of the whole command, where the store's index is at odds with its documents
            raise DocumentCorrupted(f"The store cannot tell which tasks it has: {error}.", "Repair it.") from error
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if any(failure["code"] != DUPLICATE_KEY for failure in failed):
                raise
            there = {failure["index"] for failure in failed}
            return [document for position, document in enumerate(unique.values()) if position not in there]
        return list(unique.values())

    # -- what people do -----------------------------------------------------------------------------------------------

    def cancel(self, ids: Sequence[str], by: str) -> list[str]:
        """Cancel tasks that are not finished; a running one loses its claim.

        One that was DONE and is trained again is DONE again, with the result that it had; also if the new training
        failed.

        Returns:
            The ids of the tasks that were cancelled or are DONE again.
        """
        set_aside(self, ids)
        mine = {"_id": {"$in": list(ids)}}
        with reachable():
            for task in self._tasks.find({**mine, "status": RUNNING}, {"pool": 1}):
                self.loose_ends.note(task["_id"], task["pool"], f"it was cancelled by {by}")
            failed = list(self._tasks.find({**mine, "status": {"$in": FAILED}}, {"status": 1, "fence": 1, "kept": 1}))
            back = {task["_id"] for task in failed if task.get("kept") is not None and self._give_back(task, by)}
            return each(
                self, ids, lambda ident: ident in back or any(self._cancel(ident, start, by) for start in ACTIVE)
            )

    def _cancel(self, ident: str, start: TaskState, by: str) -> bool:
        return self._write(({"_id": ident, "status": start}, [{"$set": cancelling(start, by)}]))

    def _give_back(self, task: Document, by: str) -> bool:
        same = {name: task[name] for name in ("_id", "status", "fence")}
        return self._write((same, [{"$set": giving_back(TaskState(task["status"]), by)}]))

    def retry(
        self, ids: Sequence[str], by: str, *, done: bool = False, held: bool = False, any_code: bool = True
    ) -> list[str]:
        """Let failed, quarantined or cancelled tasks wait again, with all their attempts.

        Args:
            done: DONE tasks too; they are trained anew, and keep their result until there is a new one.
            held: they are not claimed until ``unhold``.
            any_code: they are run with the code that is there then, though it is another than they were made with.

        Returns:
            The ids of the tasks that wait again.
        """
        stage = Stage.HELD if held else Stage.NEAR if len(ids) <= BLOCK else Stage.FAR
        starts = [TaskState.FAILED, TaskState.QUARANTINED, TaskState.CANCELLED, *([TaskState.DONE] if done else [])]
        fresh = {start: {**waiting_again(start), "stage": stage, "any_code": any_code} for start in starts}
        moved = self._move_each(ids, WAITING, by, "retried by hand", fresh)
        if stage is Stage.FAR:
            self._write_down(moved)
        return moved

    def let_go(self, ids: Sequence[str], by: str) -> list[str]:
        """Let PART_DONE tasks wait for a worker for their second phase; returns the ids of those that do."""
        changes: dict[TaskState, Document] = {TaskState.PART_DONE: {"ended_at": None}}
        return self._move_each(ids, WAITING, by, "released for its second phase", changes)

    def reset(self, ids: Sequence[str], end: TaskState, by: str) -> list[str]:
        """Move tasks to WAITING, whatever became of them unless they run; or to CANCELLED. Returns those that moved.

        Raises:
            InvalidTransition: a person cannot move tasks into this state.
        """
        if end is TaskState.CANCELLED:
            return self.cancel(ids, by)
        if end is not WAITING:
            raise InvalidTransition(f"Tasks cannot be put into {end} by hand.", "Use WAITING or CANCELLED.")
        return [*self.retry(ids, by, done=True), *self.let_go(ids, by)]

    def _move_each(
        self, ids: Sequence[str], end: TaskState, by: str, why: str, changes: Mapping[TaskState, Document]
    ) -> list[str]:
        """Move tasks that are in one of the states of ``changes``, which says what else changes."""

        def move(ident: str) -> bool:
            moves = (
                self._move({"_id": ident}, start, end, by, why, more, fence=True) for start, more in changes.items()
            )
            return any(moves)

        with reachable():
            return each(self, ids, move)

    def prioritize(self, ids: Sequence[str], priority: int) -> int:
        """Set the priority (higher is sooner) of tasks that are not finished; returns how many."""
        set_aside(self, ids)
        with reachable():
            query = {"_id": {"$in": list(ids)}, "status": {"$in": sorted(ACTIVE)}}
            found = int(self._tasks.update_many(query, {"$set": {"priority": priority}}).matched_count)
            for stage in (Stage.FAR, Stage.RUNG):  # its turn is decided anew, else it stays where it was
                self._advance(ids, stage, Stage.NEAR)
        return found

    def hold(self, ids: Sequence[str]) -> int:
        """Keep waiting tasks from being claimed until ``unhold``; returns how many. Running ones go on."""
        set_aside(self, ids)
        with reachable():
            return sum(self._advance(ids, stage, Stage.HELD) for stage in Stage if stage is not Stage.HELD)

    def unhold(self, ids: Sequence[str]) -> int:
        """Let held tasks be claimed; returns how many were held."""
        set_aside(self, ids)
        with reachable():
            few = len(ids) <= BLOCK
            found = self._advance(ids, Stage.HELD, Stage.NEAR if few else Stage.FAR)
            if found and not few:
                self._write_down(ids)
            return found

    def _write_down(self, ids: Sequence[str]) -> None:
        """Write down many tasks that are far away now, for the window."""
        tasks = list(self._tasks.find({"_id": {"$in": list(ids)}}, {"pool": 1, "queue": 1, "priority": 1, "seq": 1}))
        for pool, queue in {(task["pool"], task["queue"]) for task in tasks}:
            mine = [task for task in tasks if (task["pool"], task["queue"]) == (pool, queue)]
            self.open_window(pool, queue, [(task["priority"], task["seq"]) for task in mine])

    def remove(self, ids: Sequence[str]) -> list[str]:
        """Delete tasks and their history for ever, except running ones and those that an online set of any version or
        a prediction refers to. Returns the ids that were deleted.

        Their pool remembers the highest fence: who held a task that was removed does not hold it when it is made again.
        """
        with reachable():
            idle = {"status": {"$ne": RUNNING}}
            serving = self.references.of_tasks(ids)
            free = [ident for ident in ids if ident not in serving]
            found = {task["_id"]: task for task in self._tasks.find({"_id": {"$in": free}, **idle}, FENCED)}
            for pool in {task["pool"] for task in found.values() if isinstance(task.get("pool"), str)}:
                fences = [task.get("fence") for task in found.values() if task.get("pool") == pool]
                highest = max((fence for fence in fences if isinstance(fence, int)), default=0)  # or corrupted
                changes = {"$max": {"fence": highest}, "$setOnInsert": {"schema": SCHEMA}}
                self._pools.update_one({"_id": pool}, changes, upsert=True)
            return [
                ident
                for ident in ids
                if ident in found
                and self._tasks.delete_one({"_id": ident, "fence": found[ident].get("fence"), **idle}).deleted_count
            ]

    def _fence_floor(self, pool: str) -> int:
        """The fence that new tasks of a pool start from."""
        found = (self._pools.find_one({"_id": pool}, {"fence": 1}) or {}).get("fence", 0)
        return found if isinstance(found, int) else 0

    def join_round(self, ids: Sequence[str], round_id: str) -> None:
        """Mark tasks as belonging to a round."""
        with reachable():
            self._tasks.update_many({"_id": {"$in": list(ids)}}, {"$addToSet": {"rounds": round_id}})


def _documents(
    pool: str, definitions: Iterable[Mapping[str, Any]], now: datetime, options: Options, turns: Turns | None
) -> list[Document]:
    seq = time.time_ns() // 1_000  # orders tasks of one priority; two creators may mix, which harms nobody
    made = []
    for position, definition in enumerate(definitions):
        if not isinstance(definition, Mapping):
            raise TemplateError(f"a definition is a mapping, not a {type(definition).__name__}.", "See RollingGen.")
        plain = canonical(definition)
        key = plain_key(plain)
        document = new_document(task_id(pool, key), pool, key, plain, now, seq + position, options)
        if why := TASKS.problem(document):
            raise TemplateError(f"the definition cannot be used: {why}.", "See docs/reference/template.md.")
        made.append({**document, **(turns.fields(position) if turns else {})})
    return made

"""Admission: the tasks of a backfill, their positions, and which of them may be claimed. Writes for backfills.

A task of a backfill has a fixed ``position`` in its order. While it is not admitted, ``pending`` is the same number;
then it is None, until a pause gives it back. So one index finds what is next, what is under way and what is over, each
at a cost that does not grow with the backfill: ranges of positions are bounded (the embedded server looks at every
match before it sorts or limits).

A DONE task that is to be trained anew stays DONE until it is admitted, and keeps its result until there is a new one: a
backfill that is cancelled half-way has taken nothing away, and gives up those that it did not come to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import UpdateOne

from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.expressions import NOW
from rollq.tasks.queue.dead_letters import DeadLetters
from rollq.tasks.queue.documents import cancelling, fence_after, history_after, waiting_again
from rollq.tasks.queue.states import ACTIVE, TASK_STATES, TERMINAL, Stage, TaskState
from rollq.tasks.queue.task_store import CHUNK, RUNNING, WAITING, TaskStore, chunks

IS_PENDING = {"$ne": ["$pending", None]}
FIELDS = dict.fromkeys(("status", "stage", "fence", "backfill", "position", "pending", "segments"), 1)


@dataclass(frozen=True)
class Attachment:
    """The backfill that tasks belong to, their positions in its order, and the ``seq`` of its first one."""

    backfill: str
    first_seq: int
    positions: Sequence[int]

    def fields(self, index: int) -> Document:
        """What the document of the task at ``index`` holds about its position."""
        position = self.positions[index]
        return {"backfill": self.backfill, "position": position, "pending": position, "seq": self.first_seq + position}


@dataclass(frozen=True)
class Position:
    """A task's ``number`` in a backfill, and its state. ``pending`` is the same number, None once it was admitted."""

    id: str
    status: TaskState
    held: bool
    fence: int
    backfill: str | None
    number: int
    pending: int | None
    test: tuple[str | None, str | None]

    @property
    def is_over(self) -> bool:
        """Whether it was admitted and needs no worker any more: it is finished, or a person holds it."""
        return self.pending is None and (self.status.is_terminal or (self.status is WAITING and self.held))


class TaskAdmission:
    """What backfills do with tasks."""

    def __init__(self, store: TaskStore, dead_letters: DeadLetters) -> None:
        self._store = store
        self._dead_letters = dead_letters

    def positions(self, ids: Sequence[str]) -> dict[str, Position]:
        """The positions of tasks, by id; those that do not exist are left out."""
        with reachable():
            parts = (self._store.tasks.find({"_id": {"$in": part}}, FIELDS) for part in chunks(ids))
            return {one.id: one for part in parts for one in self._read(part)}

    def _read(self, found: Iterable[Document]) -> list[Position]:
        """The positions of tasks; one whose document is invalid is dead-lettered, and counts as FAILED."""
        documents = {document["_id"]: document for document in found}
        made = self._dead_letters.decode(documents.values(), _to_position)
        if len(made) < len(documents):
            left = sorted(documents.keys() - {one.id for one in made})
            again = self._store.tasks.find({"_id": {"$in": left}}, FIELDS)
            made += self._dead_letters.decode(again, _to_position)  # a finished one is left out: it needs no position
        return made

    def positions_in(self, backfill: str, ids: Sequence[str]) -> list[Position]:
        """The positions of those of the tasks that belong to a backfill, in its order."""
        mine = [one for one in self.positions(ids).values() if one.backfill == backfill]
        return sorted(mine, key=lambda one: one.number)

    def attach(self, found: Sequence[Position], attachment: Attachment, by: str) -> list[str]:
        """Attach existing tasks to a backfill.

        Those that failed or were cancelled wait again, held, with all their attempts; DONE ones stay so for now.

        Returns:
            The ids of those that were still as ``found`` says: they belong to the backfill now.
        """
        writes = [_attaching(one, attachment.fields(index), by) for index, one in enumerate(found)]
        ids = [one.id for one in found]
        if not ids:
            return []
        with reachable():
            self._store.tasks.bulk_write(writes, ordered=False)
            # Asked, because a bulk write says how many were changed and not which.
            mine = self._store.tasks.find({"_id": {"$in": ids}}, {"backfill": 1})
            return [document["_id"] for document in mine if document.get("backfill") == attachment.backfill]

    def pending(self, backfill: str, before: int, start: int = 0) -> list[Position]:
        """The tasks that are pending and whose position is at least ``start`` and less than ``before``, in order."""
        query = {"backfill": backfill, "pending": {"$gte": start, "$lt": before}}
        with reachable():
            found = self._read(self._store.tasks.find(query, FIELDS))
        return sorted(found, key=lambda one: one.number)

    def under_way(self, backfill: str) -> int:
        """About how many tasks were admitted and are not finished: one that moves just now may be missed."""
        with reachable():
            query = {"backfill": backfill, "pending": None, "status": {"$in": sorted(ACTIVE)}}
            return int(self._store.tasks.count_documents(query))

    def admit(self, backfill: str, tasks: Sequence[Position], by: str) -> int:
        """Admit pending tasks; returns how many wait for a worker now. Another caller may be faster."""
        ids = [task.id for task in tasks]
        if not ids:
            return 0
        seen = {task.status for task in tasks}
        # A task that was in its backoff when it was held goes on with what is left of it.
        due = {"$cond": [{"$gt": ["$not_before", NOW]}, Stage.DELAYED, Stage.STAGED]}
        stage = {"$cond": [{"$eq": ["$stage", Stage.HELD]}, due, "$stage"]}
        # The states are compared inside the write, so a task that a person or another caller moved meanwhile is left as
        # it is.
        gone = self._where(ids, [*_mine(backfill, WAITING), IS_PENDING], {"pending": None, "stage": stage})
        if TaskState.DONE in seen:
            anew = _step(TaskState.DONE, WAITING, by, "admitted to be trained anew")
            changes = {**anew, **waiting_again(TaskState.DONE), "stage": Stage.STAGED, "pending": None}
            gone += self._where(ids, [*_mine(backfill, TaskState.DONE), IS_PENDING], changes)
        if seen - {WAITING, TaskState.DONE}:  # it was cancelled by hand, or retried out of order
            self._where(ids, [{"$eq": ["$backfill", backfill]}, IS_PENDING], {"pending": None})
        return gone

    def withdraw(self, backfill: str) -> int:
        """Withdraw tasks that were admitted and still wait: they are pending again; returns how many."""
        query = {"backfill": backfill, "pending": None, "status": WAITING}
        with reachable():
            found = self._store.tasks.find(query, {"stage": 1})
            ids = [document["_id"] for document in found if document.get("stage") != Stage.HELD]
        still = [*_mine(backfill, WAITING), {"$eq": ["$pending", None]}, {"$ne": ["$stage", Stage.HELD]}]
        return self._where(ids, still, {"pending": "$position", "stage": Stage.HELD})

    def drop(self, backfill: str, positions: int, by: str) -> int:
        """Cancel the tasks that wait, whether they were admitted or not; returns how many.

        DONE ones stay DONE, and those that waited to be trained anew are DONE again, with the result that they had.

        Args:
            positions: no task has a higher position.
        """
        dropped = 0
        for start in range(0, positions if self._has_pending(backfill) else 0, CHUNK):
            ids = [task.id for task in self.pending(backfill, start + CHUNK, start)]
            # Cancelled while they are pending still: killed after it, the next caller finds them again by their
            # positions.
            dropped += self._cancel_waiting(backfill, ids, by)
            self._where(ids, [{"$eq": ["$backfill", backfill]}, IS_PENDING], {"pending": None, "backfill": None})
        query = {"backfill": backfill, "pending": None, "status": {"$in": [WAITING, TaskState.PART_DONE]}}
        with reachable():
            left = [document["_id"] for document in self._store.tasks.find(query, {"_id": 1})]
        return dropped + self._cancel_waiting(backfill, left, by)

    def _has_pending(self, backfill: str) -> bool:
        with reachable():
            return self._store.tasks.find_one({"backfill": backfill, "pending": {"$gte": 0}}, {"_id": 1}) is not None

    def running_of(self, backfill: str) -> list[str]:
        """Ids of the tasks of a backfill that run now."""
        with reachable():
            found = self._store.tasks.find({"backfill": backfill, "pending": None, "status": RUNNING}, {"_id": 1})
            return [document["_id"] for document in found]

    def all_over(self, backfill: str) -> bool:
        """Whether every task of a backfill was admitted and is finished."""
        mine: Document = {"backfill": backfill}
        with reachable():
            # The cheap question first: as long as one is under way, nothing is counted.
            if self._store.tasks.find_one({**mine, "pending": None, "status": {"$in": sorted(ACTIVE)}}, {"_id": 1}):
                return False
            # Finished tasks stay finished, so a task that moved just now is not counted twice.
            over = self._store.tasks.count_documents({**mine, "pending": None, "status": {"$in": sorted(TERMINAL)}})
            return over == self._store.tasks.count_documents(mine)

    def tally(self, backfill: str, since: Mapping[str, Any]) -> list[Document]:
        """How many tasks there are of each kind: ``{status, pending, held, n}``.

        Args:
            since: names and times; the answer says under each name how many ended after its time.
        """
        kind = {"status": "$status", "pending": IS_PENDING, "held": {"$eq": ["$stage", Stage.HELD]}}
        ended = {name: {"$sum": {"$cond": [{"$gt": ["$ended_at", at]}, 1, 0]}} for name, at in since.items()}
        steps: list[Document] = [
            {"$match": {"backfill": backfill}},
            {"$group": {"_id": kind, "n": {"$sum": 1}, **ended}},
        ]
        with reachable():
            return [{**group.pop("_id"), **group} for group in self._store.tasks.aggregate(steps)]

    def _cancel_waiting(self, backfill: str, ids: Sequence[str], by: str) -> int:
        starts = (WAITING, TaskState.PART_DONE)
        return sum(self._where(ids, _mine(backfill, start), cancelling(start, by)) for start in starts)

    def _where(self, ids: Sequence[str], conditions: Sequence[Document], changes: Document) -> int:
        """Change those of the tasks that meet all conditions; returns how many."""
        with reachable():
            return self._dead_letters.attempt_many(ids, lambda some: self._store.write_where(some, conditions, changes))


def _mine(backfill: str, status: TaskState) -> list[Document]:
    return [{"$eq": ["$backfill", backfill]}, {"$eq": ["$status", status]}]


def _step(start: TaskState, end: TaskState, by: str, why: str) -> Document:
    """A transition, as ``TaskStore.move`` writes it; it raises the fence."""
    TASK_STATES.check(start, end)
    return {"status": end, "fence": fence_after(True), "history": history_after(start, end, by, why, True)}


def _attaching(one: Position, fields: Document, by: str) -> UpdateOne:
    """The write by which a task that was read a moment ago comes to belong to a backfill, held until it is admitted."""
    changes = dict(fields)
    if one.status is not TaskState.DONE:
        changes["stage"] = Stage.HELD
    if one.status in TERMINAL - {TaskState.DONE}:
        # Its error stays in sight until an attempt succeeds.
        again = {name: value for name, value in waiting_again(one.status).items() if name != "error"}
        changes |= {**again, **_step(one.status, WAITING, by, "it waits to be admitted")}
    # Another backfill that takes it at the same time changes no state of a DONE task: so its name is compared, too.
    as_seen = {"$eq": ["$backfill", one.backfill]} if one.backfill else {"$not": ["$backfill"]}
    step = {name: {"$cond": [as_seen, value, f"${name}"]} for name, value in changes.items()}
    return UpdateOne({"_id": one.id, "status": one.status, "fence": one.fence}, [{"$set": step}])


def _to_position(document: Document) -> Position:
    """The position of a task in its backfill; numbers that are none count as missing."""
    start, end = document["segments"].get("test") or (None, None)
    return Position(
        id=document["_id"],
        status=TaskState(document["status"]),
        held=document["stage"] == Stage.HELD,
        fence=document["fence"],
        backfill=document.get("backfill"),
        number=_whole(document.get("position")) or 0,
        pending=_whole(document.get("pending")),
        test=(start, end),
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None

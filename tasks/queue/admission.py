"""Turns: the tasks of a backfill and whose turn it is. Every write on tasks that backfills rest on.

A task of a backfill has a fixed ``place`` in its order. While it has not been let go, its ``turn`` is the same number;
then it is None, until a pause gives it back. So one index finds what is next, what is under way and what is over, each
at a cost that does not grow with the backfill: ranges of turns are bounded (the embedded server looks at every match
before it sorts or limits).

A DONE task that is to be trained anew stays DONE until its turn comes, and keeps its result until there is a new one: a
backfill that is cancelled half-way has taken nothing away, and lets go of those that it did not come to.
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

NOT_YET = {"$ne": ["$turn", None]}
STANDS = dict.fromkeys(("status", "stage", "fence", "backfill", "place", "turn", "segments"), 1)


@dataclass(frozen=True)
class Turns:
    """The backfill that tasks belong to, their places in its order, and the ``seq`` of its first place."""

    backfill: str
    first_seq: int
    places: Sequence[int]

    def fields(self, position: int) -> Document:
        """What the document of the task at ``position`` holds about its turn."""
        place = self.places[position]
        return {"backfill": self.backfill, "place": place, "turn": place, "seq": self.first_seq + place}


@dataclass(frozen=True)
class Standing:
    """How a task stands, as far as a backfill needs to know. ``turn`` is None once it was let go."""

    id: str
    status: TaskState
    held: bool
    fence: int
    backfill: str | None
    place: int
    turn: int | None
    test: tuple[str | None, str | None]

    @property
    def is_over(self) -> bool:
        """Whether it was let go and needs no worker any more: it is finished, or a person holds it."""
        return self.turn is None and (self.status.is_terminal or (self.status is WAITING and self.held))


class TaskTurns:
    """What backfills do with tasks."""

    def __init__(self, store: TaskStore, dead_letters: DeadLetters) -> None:
        self._store = store
        self._dead_letters = dead_letters

    def standing(self, ids: Sequence[str]) -> dict[str, Standing]:
        """How tasks stand, by id; those that do not exist are left out."""
        with reachable():
            parts = (self._store.tasks.find({"_id": {"$in": part}}, STANDS) for part in chunks(ids))
            return {one.id: one for part in parts for one in self._standings(part)}

    def _standings(self, found: Iterable[Document]) -> list[Standing]:
        """How tasks stand; one whose document is invalid is dead-lettered as FAILED, and stands as such."""
        documents = {document["_id"]: document for document in found}
        made = self._dead_letters.decode(documents.values(), _to_standing)
        if len(made) < len(documents):
            left = sorted(documents.keys() - {one.id for one in made})
            again = self._store.tasks.find({"_id": {"$in": left}}, STANDS)
            made += self._dead_letters.decode(again, _to_standing)  # a finished one is left out: it needs no turn
        return made

    def look(self, backfill: str, ids: Sequence[str]) -> list[Standing]:
        """How those of the tasks stand that belong to a backfill, in its order."""
        mine = [one for one in self.standing(ids).values() if one.backfill == backfill]
        return sorted(mine, key=lambda one: one.place)

    def enlist(self, standings: Sequence[Standing], turns: Turns, by: str) -> list[str]:
        """Give existing tasks their turns in a backfill.

        Those that failed or were cancelled wait again, held, with all their attempts; DONE ones stay so for now.

        Returns:
            The ids of those that still stood as ``standings`` say: they belong to the backfill now.
        """
        writes = [_enlisting(one, turns.fields(position), by) for position, one in enumerate(standings)]
        ids = [one.id for one in standings]
        if not ids:
            return []
        with reachable():
            self._store.tasks.bulk_write(writes, ordered=False)
            mine = self._store.tasks.find({"_id": {"$in": ids}}, {"backfill": 1})
            return [document["_id"] for document in mine if document.get("backfill") == turns.backfill]

    def pending(self, backfill: str, before: int, start: int = 0) -> list[Standing]:
        """The tasks whose turn is at least ``start`` and less than ``before``, in order."""
        query = {"backfill": backfill, "turn": {"$gte": start, "$lt": before}}
        with reachable():
            found = self._standings(self._store.tasks.find(query, STANDS))
        return sorted(found, key=lambda one: one.place)

    def under_way(self, backfill: str) -> int:
        """About how many tasks were let go and are not finished: one that moves just now may be missed."""
        with reachable():
            query = {"backfill": backfill, "turn": None, "status": {"$in": sorted(ACTIVE)}}
            return int(self._store.tasks.count_documents(query))

    def take_turns(self, backfill: str, tasks: Sequence[Standing], by: str) -> int:
        """Let tasks go whose turn it is; returns how many wait for a worker now. Another caller may be faster."""
        ids = [task.id for task in tasks]
        if not ids:
            return 0
        seen = {task.status for task in tasks}
        due = {"$cond": [{"$gt": ["$not_before", NOW]}, Stage.DELAYED, Stage.STAGED]}
        stage = {"$cond": [{"$eq": ["$stage", Stage.HELD]}, due, "$stage"]}
        gone = self._where(ids, [*_mine(backfill, WAITING), NOT_YET], {"turn": None, "stage": stage})
        if TaskState.DONE in seen:
            anew = _step(TaskState.DONE, WAITING, by, "its turn to be trained anew")
            changes = {**anew, **waiting_again(TaskState.DONE), "stage": Stage.STAGED, "turn": None}
            gone += self._where(ids, [*_mine(backfill, TaskState.DONE), NOT_YET], changes)
        if seen - {WAITING, TaskState.DONE}:  # somebody cancelled it, or retried it past its turn
            self._where(ids, [{"$eq": ["$backfill", backfill]}, NOT_YET], {"turn": None})
        return gone

    def hold_turns(self, backfill: str) -> int:
        """Take back the turns of tasks that were let go and still wait; returns how many."""
        query = {"backfill": backfill, "turn": None, "status": WAITING}
        with reachable():
            found = self._store.tasks.find(query, {"stage": 1})
            ids = [document["_id"] for document in found if document.get("stage") != Stage.HELD]
        still = [*_mine(backfill, WAITING), {"$eq": ["$turn", None]}, {"$ne": ["$stage", Stage.HELD]}]
        return self._where(ids, still, {"turn": "$place", "stage": Stage.HELD})

    def drop_turns(self, backfill: str, turns: int, by: str) -> int:
        """Cancel the tasks that wait, whether they were let go or not; returns how many.

        DONE ones stay DONE, and those that waited to be trained anew are DONE again, with the result that they had.

        Args:
            turns: no task has a higher turn.
        """
        dropped = 0
        for start in range(0, turns if self._has_pending(backfill) else 0, CHUNK):
            ids = [task.id for task in self.pending(backfill, start + CHUNK, start)]
            dropped += self._cancel_waiting(backfill, ids, by)
            self._where(ids, [{"$eq": ["$backfill", backfill]}, NOT_YET], {"turn": None, "backfill": None})
        query = {"backfill": backfill, "turn": None, "status": {"$in": [WAITING, TaskState.PART_DONE]}}
        with reachable():
            left = [document["_id"] for document in self._store.tasks.find(query, {"_id": 1})]
        return dropped + self._cancel_waiting(backfill, left, by)

    def _has_pending(self, backfill: str) -> bool:
        with reachable():
            return self._store.tasks.find_one({"backfill": backfill, "turn": {"$gte": 0}}, {"_id": 1}) is not None

    def running_of(self, backfill: str) -> list[str]:
        """Ids of the tasks of a backfill that run now."""
        with reachable():
            found = self._store.tasks.find({"backfill": backfill, "turn": None, "status": RUNNING}, {"_id": 1})
            return [document["_id"] for document in found]

    def all_over(self, backfill: str) -> bool:
        """Whether every task of a backfill was let go and is finished."""
        mine: Document = {"backfill": backfill}
        with reachable():
            if self._store.tasks.find_one({**mine, "turn": None, "status": {"$in": sorted(ACTIVE)}}, {"_id": 1}):
                return False
            # Finished tasks stay finished, so a task that moved just now is not counted twice.
            over = self._store.tasks.count_documents({**mine, "turn": None, "status": {"$in": sorted(TERMINAL)}})
            return over == self._store.tasks.count_documents(mine)

    def tally(self, backfill: str, since: Mapping[str, Any]) -> list[Document]:
        """How many tasks there are of each kind: ``{status, pending, held, n}``.

        Args:
            since: names and times; the answer says under each name how many ended after its time.
        """
        kind = {"status": "$status", "pending": NOT_YET, "held": {"$eq": ["$stage", Stage.HELD]}}
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


def _enlisting(one: Standing, fields: Document, by: str) -> UpdateOne:
    changes = dict(fields)
    if one.status is not TaskState.DONE:
        changes["stage"] = Stage.HELD
    if one.status in TERMINAL - {TaskState.DONE}:
        # Its error stays in sight until an attempt succeeds.
        again = {name: value for name, value in waiting_again(one.status).items() if name != "error"}
        changes |= {**again, **_step(one.status, WAITING, by, "it waits for its turn")}
    # Another backfill that takes it at the same time changes no state of a DONE task: so its name is compared, too.
    as_seen = {"$eq": ["$backfill", one.backfill]} if one.backfill else {"$not": ["$backfill"]}
    step = {name: {"$cond": [as_seen, value, f"${name}"]} for name, value in changes.items()}
    return UpdateOne({"_id": one.id, "status": one.status, "fence": one.fence}, [{"$set": step}])


def _to_standing(document: Document) -> Standing:
    start, end = document["segments"].get("test") or (None, None)
    return Standing(
        id=document["_id"],
        status=TaskState(document["status"]),
        held=document["stage"] == Stage.HELD,
        fence=document["fence"],
        backfill=document.get("backfill"),
        place=_whole(document.get("place")) or 0,
        turn=_whole(document.get("turn")),
        test=(start, end),
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None

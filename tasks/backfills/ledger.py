"""Backfills: a range of windows that is trained a few at a time, in order, while everything else goes on.

The only code that reads or writes the collection ``backfills``. A backfill's document says what is wanted; ``advance``
makes its tasks agree with it. Processes may call that at any time, also several at once: what one of them was killed
in the middle of, the next one completes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from pymongo import ASCENDING
from pymongo.collection import Collection

from rollq.tasks.backfills.backfill import (
    ACTIVE,
    BACKFILL_STATES,
    BACKFILLS,
    CANCELLED,
    FINISHED,
    PAUSED,
    PREPARING,
    Backfill,
    BackfillMode,
    BackfillState,
)
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import InvalidTransition, NotFound, StateError
from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.expressions import NOW
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.admission import Standing
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task_queue import TaskQueue

NO_LIMIT = 1_000  # without max_active: more than any fleet runs at once, and few enough to be quick
INTERRUPTED = "its creation was interrupted: create it again"
PREPARE_SECONDS = 60.0  # a creator that gave no sign for this long is dead


class Backfills:
    """The backfills of a store."""

    def __init__(self, store: Store, settings: Settings, tasks: TaskQueue) -> None:
        self._store = store
        self._settings = settings
        self._tasks = tasks

    @property
    def _backfills(self) -> Collection[Document]:
        return self._store.collection("backfills")  # asked for anew: after a fork it belongs to another connection

    def ensure_indexes(self) -> None:
        """Make the indexes; nothing happens where they exist."""
        with reachable():
            self._backfills.create_index([("settled", ASCENDING), ("created_at", ASCENDING)])

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, ident: str) -> Backfill:
        """The backfill whose id is or starts with ``ident``.

        Raises:
            NotFound: there is none.
            StateError: several ids start so.
        """
        if not re.fullmatch(r"[0-9a-f]{1,12}", ident):
            raise _unknown(ident)
        with reachable():
            found = list(self._backfills.find({"_id": {"$gte": ident, "$lt": ident + "g"}}).limit(2))
        if not found:
            raise _unknown(ident)
        if len(found) > 1:
            raise StateError(f"Several backfills start with {ident!r}.", "Give more digits.")
        return BACKFILLS.read(found[0])

    def find(self, pool: str | None = None, status: Sequence[BackfillState] = ()) -> list[Backfill]:
        """Backfills, oldest first; those whose documents cannot be read are left out."""
        query: Document = {"pool": pool} if pool is not None else {}
        if status:
            query["status"] = {"$in": list(status)}
        with reachable():
            return BACKFILLS.read_all(self._backfills.find(query).sort("created_at", ASCENDING))

    def unsettled(self) -> list[str]:
        """Ids of the backfills that ``advance`` may have something to do for, oldest first."""
        with reachable():
            found = self._backfills.find({"settled": False}, {"created_at": 1}).sort("created_at", ASCENDING)
            return [document["_id"] for document in found]

    # -- its life -----------------------------------------------------------------------------------------------------

    def open(
        self,
        pool: str,
        strategy: str,
        mode: BackfillMode,
        span: tuple[str, str],
        turns: int,
        *,
        max_active: int | None = None,
        newest_first: bool = False,
    ) -> Backfill:
        """A new backfill that is being prepared: give it tasks (``tasks.create_tasks``, ``enlist``), then ``start`` it.

        Args:
            span: first and last session (``YYYY-MM-DD``) that it is about.
            turns: how many tasks it is to have.
            max_active: how many of them may wait for a worker or run at a time; None: as many as there are workers.
        """
        ident = uuid4().hex[:12]
        with reachable():
            now = self._store.now()
            self._backfills.insert_one(
                {
                    "_id": ident,
                    "schema": SCHEMA,
                    "pool": pool,
                    "strategy": strategy,
                    "mode": mode,
                    "start": span[0],
                    "end": span[1],
                    "max_active": max_active,
                    "newest_first": newest_first,
                    "status": BACKFILL_STATES.check(None, PREPARING),
                    "reason": "",
                    "total": turns,
                    "turns": turns,
                    "cursor": 0,
                    "out": [],
                    "step": 0,
                    "created_at": now,
                    "touched_at": now,
                    "started_at": None,
                    "going_since": None,
                    "ended_at": None,
                    "cancel_running": False,
                    "settled": False,
                    "counts": None,
                }
            )
        return self.get(ident)

    def touch(self, ident: str) -> None:
        """Say that its creator lives.

        Raises:
            InvalidTransition: it is not being prepared any more.
        """
        with reachable():
            query = {"_id": ident, "status": PREPARING}
            if self._backfills.update_one(query, [{"$set": {"touched_at": NOW}}]).matched_count:
                return
        raise self._too_late(ident)

    def start(self, ident: str) -> Backfill:
        """It has its tasks: let the first ones go.

        Raises:
            InvalidTransition: it is not being prepared any more; its tasks are cancelled.
        """
        total = sum(group["n"] for group in self._tasks.admission.tally(ident, {}))
        first = {"total": total, "started_at": NOW, "going_since": NOW}
        if not self._write(ident, PREPARING, ACTIVE, first):
            raise self._too_late(ident)
        self.advance(ident)
        return self.get(ident)

    def _too_late(self, ident: str) -> InvalidTransition:
        """It was cancelled while it was prepared: the tasks that it got since then are cancelled, too."""
        found = self.get(ident)
        if found.status is CANCELLED:
            self._drop(found)
        return InvalidTransition(f"Backfill {ident} is {found.status}: nobody prepares it now.", "Create it again.")

    def pause(self, ident: str) -> Backfill:
        """Hold its tasks that wait; running ones go on.

        Raises:
            InvalidTransition: it is not active.
            NotFound: there is none.
        """
        return self._change(ident, PAUSED, {})

    def resume(self, ident: str) -> Backfill:
        """Let its tasks go again.

        Raises:
            InvalidTransition: it is not paused.
            NotFound: there is none.
        """
        if self.get(ident).status is PREPARING:
            raise InvalidTransition(f"Backfill {ident} is being prepared.", "It starts by itself.")
        return self._change(ident, ACTIVE, {"going_since": NOW})

    def cancel(self, ident: str, *, running: bool = False, reason: str = "cancelled by hand") -> Backfill:
        """Cancel its tasks that wait; running ones go on, unless ``running``. What is DONE stays.

        Raises:
            InvalidTransition: it has ended.
            NotFound: there is none.
        """
        changes = {"reason": {"$literal": reason}, "cancel_running": running, "ended_at": NOW}
        return self._change(ident, CANCELLED, changes)

    def _change(self, ident: str, end: BackfillState, changes: Document) -> Backfill:
        """One conditional write; then the tasks are made to agree with it."""
        found = self.get(ident)
        BACKFILL_STATES.check(found.status, end, which=found.id)
        while not self._write(found.id, found.status, end, changes):
            found = self.get(found.id)  # somebody else changed it in between
            BACKFILL_STATES.check(found.status, end, which=found.id)
        self.advance(found.id)
        return self.get(found.id)

    def _write(self, ident: str, start: BackfillState, end: BackfillState, changes: Document) -> bool:
        """Move a backfill from ``start`` to ``end``; whether this caller won it."""
        with reachable():
            query = {"_id": ident, "status": start, "settled": False}
            step = {"status": BACKFILL_STATES.check(start, end), **changes}
            return bool(self._backfills.update_one(query, [{"$set": step}]).modified_count)

    # -- making the tasks agree ---------------------------------------------------------------------------------------

    def advance(self, ident: str) -> int:
        """Do what there is to do for a backfill now; returns how many of its tasks were let go.

        Never more than ``max_active`` of its tasks wait for a worker or run: see ``_let_go``. A backfill that does not
        exist is ignored.

        Raises:
            Unavailable: the store does not answer. The next caller does it.
        """
        with reachable():
            document = self._backfills.find_one({"_id": ident})
        found = BACKFILLS.read(document) if document else None
        if found is None or found.settled:
            return 0
        if found.status is ACTIVE:
            return self._let_go(found)
        if found.status is PAUSED:
            self._hold(found)
        elif found.status is CANCELLED:
            self._drop(found)
        elif found.touched_at < self._store.now() - timedelta(seconds=PREPARE_SECONDS):
            self._give_up(found)
        return 0

    def _let_go(self, found: Backfill) -> int:
        """Let the next tasks go.

        A task is written into ``out`` before it is let go, and leaves it only after it was seen finished. That list is
        changed by one conditional write, so however many callers there are, it is never longer than the limit. What
        stands in it and was not let go, because somebody was killed in between, is let go by the next caller.
        """
        limit = found.max_active or NO_LIMIT
        batch = max(1, limit // 32)  # with a high limit several at a time: it costs less
        if batch > 1 and self._is_full(found, limit - batch):
            return 0
        busy = [task for task in self._tasks.admission.look(found.id, found.out) if not task.is_over]
        room = limit - len(busy)
        following = self.upcoming(found, room + len(busy)) if room > 0 else []
        chosen = [task for task in following if task.id not in found.out][:room]
        if chosen and not self._write_out(found, [*busy, *chosen]):
            return self.advance(found.id)  # another caller was faster: see what is left to do
        gone = self._tasks.admission.take_turns(
            found.id, [task for task in [*busy, *chosen] if task.turn is not None], found.by
        )
        self._move_cursor(found, max((task.place + 1 for task in chosen), default=0))
        if not busy and not chosen:
            self._finish(found)
        return gone

    def _is_full(self, found: Backfill, enough: int) -> bool:
        """Whether a cheap look says that there is nothing to do: more than ``enough`` are under way, or all are."""
        busy = self._tasks.admission.under_way(found.id)
        return busy > enough or (busy > 0 and not self.upcoming(found, 1))

    def _write_out(self, found: Backfill, tasks: Sequence[Standing]) -> bool:
        query = {"_id": found.id, "status": ACTIVE, "step": found.step}
        changes = {"out": [task.id for task in tasks], "step": found.step + 1}
        with reachable():
            return bool(self._backfills.update_one(query, {"$set": changes}).modified_count)

    def upcoming(self, found: Backfill, count: int) -> list[Standing]:
        """At least ``count`` tasks that are next, in order; fewer if there are no more."""
        bound, step = found.cursor + count, count
        while True:
            following = self._tasks.admission.pending(found.id, bound)
            if len(following) >= count or bound >= found.turns:
                return following
            if not following:
                self._move_cursor(found, bound)
            step *= 2  # a gap: another backfill has those tasks, or they were removed
            bound += step

    def _move_cursor(self, found: Backfill, cursor: int) -> None:
        if cursor <= found.cursor:
            return
        with reachable():
            self._backfills.update_one({"_id": found.id, "cursor": {"$lt": cursor}}, {"$set": {"cursor": cursor}})

    def _hold(self, found: Backfill) -> None:
        self._tasks.admission.hold_turns(found.id)
        if not self.upcoming(found, 1):
            self._finish(found)

    def _drop(self, found: Backfill) -> None:
        self._tasks.admission.drop_turns(found.id, found.turns, found.by)
        if found.cancel_running:
            self._tasks.cancel(self._tasks.admission.running_of(found.id), found.by)
        self._finish(found)

    def _give_up(self, found: Backfill) -> None:
        """Its creator died: nobody knows which windows are missing."""
        if self._write(found.id, PREPARING, CANCELLED, {"reason": INTERRUPTED, "ended_at": NOW}):
            self._drop(self.get(found.id))

    def _finish(self, found: Backfill) -> None:
        """Settle a backfill whose tasks are all finished, and write down how."""
        if not self._tasks.admission.all_over(found.id):
            return
        counts = dict.fromkeys(map(str, TaskState), 0)
        for group in self._tasks.admission.tally(found.id, {}):
            counts[group["status"]] += group["n"]
        over: Document = {"settled": True, "counts": counts}
        if found.status is CANCELLED:
            with reachable():
                self._backfills.update_one({"_id": found.id, "status": CANCELLED}, {"$set": over})
        else:
            self._write(found.id, found.status, FINISHED, {**over, "ended_at": NOW})


def _unknown(ident: str) -> NotFound:
    return NotFound(f"There is no backfill {ident!r}.", "See `rollq backfill list`.")

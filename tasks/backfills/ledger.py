"""Backfills: a range of windows that is trained a few at a time, in order, while everything else goes on.

A backfill's document says what is wanted; the driver (``tasks/backfills/driver.py``) makes its tasks agree with it.
Processes may call that at any time, also several at once: what one of them was killed in the middle of, the next one
completes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import uuid4

from pymongo import ASCENDING
from pymongo.collection import Collection

from rollq.tasks.backfills.backfill import (
    ACTIVE,
    BACKFILL_STATES,
    BACKFILLS,
    CANCELLED,
    PAUSED,
    PREPARING,
    Backfill,
    BackfillMode,
    BackfillState,
)
from rollq.tasks.backfills.documents import BackfillDocuments
from rollq.tasks.backfills.driver import BackfillDriver
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import InvalidTransition, NotFound, StateError
from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.expressions import NOW
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.admission import Position
from rollq.tasks.queue.task_queue import TaskQueue


class Backfills:
    """The backfills of a store."""

    def __init__(self, store: Store, settings: Settings, tasks: TaskQueue) -> None:
        self._store = store
        self._settings = settings
        self._tasks = tasks
        self._documents = BackfillDocuments(store)
        self._driver = BackfillDriver(self._documents, tasks)

    @property
    def _backfills(self) -> Collection[Document]:
        return self._documents.collection

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
            # `g` comes after every hexadecimal digit, so the range holds all ids that begin so, and the index finds it.
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
        positions: int,
        *,
        max_active: int | None = None,
        newest_first: bool = False,
    ) -> Backfill:
        """A new backfill that is being prepared: give it tasks, new ones or by ``admission.attach``, then ``start`` it.

        Args:
            pool: of its tasks.
            strategy: whose windows they are.
            mode: which windows it trains.
            span: first and last session (``YYYY-MM-DD``) that it is about.
            positions: how many tasks it is to have.
            max_active: how many of them may wait for a worker or run at a time; None: as many as there are workers.
            newest_first: admit the latest windows first.
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
                    "total": positions,
                    "positions": positions,
                    "cursor": 0,
                    "admitted": [],
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
        """It has its tasks: admit the first ones.

        Raises:
            InvalidTransition: it is not being prepared any more; its tasks are cancelled.
        """
        # Counted, not what was planned: other creators may have taken some of its windows.
        total = sum(group["n"] for group in self._tasks.admission.tally(ident, {}))
        first = {"total": total, "started_at": NOW, "going_since": NOW}
        if not self._documents.write(ident, PREPARING, ACTIVE, first):
            raise self._too_late(ident)
        self.advance(ident)
        return self.get(ident)

    def _too_late(self, ident: str) -> InvalidTransition:
        """It was cancelled while it was prepared: the tasks that it got since then are cancelled, too."""
        found = self.get(ident)
        if found.status is CANCELLED:
            self._driver.drop(found)
        return InvalidTransition(f"Backfill {ident} is {found.status}: it is not being prepared.", "Create it again.")

    def pause(self, ident: str) -> Backfill:
        """Hold its tasks that wait; running ones go on.

        Raises:
            InvalidTransition: it is not active.
            NotFound: there is none.
        """
        return self._change(ident, PAUSED, {})

    def resume(self, ident: str) -> Backfill:
        """Admit its tasks again.

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
        # The wish is written first and carried out after: the next caller carries out what is left of it.
        changes = {"reason": {"$literal": reason}, "cancel_running": running, "ended_at": NOW}
        return self._change(ident, CANCELLED, changes)

    def _change(self, ident: str, end: BackfillState, changes: Document) -> Backfill:
        """One conditional write; then the tasks are made to agree with it."""
        found = self.get(ident)
        BACKFILL_STATES.check(found.status, end, which=found.id)
        while not self._documents.write(found.id, found.status, end, changes):
            found = self.get(found.id)  # another caller changed it in between
            BACKFILL_STATES.check(found.status, end, which=found.id)
        self.advance(found.id)
        return self.get(found.id)

    # -- making the tasks agree ---------------------------------------------------------------------------------------

    def advance(self, ident: str) -> int:
        """As ``BackfillDriver.advance``."""
        return self._driver.advance(ident)

    def upcoming(self, found: Backfill, count: int) -> list[Position]:
        """As ``BackfillDriver.upcoming``."""
        return self._driver.upcoming(found, count)


def _unknown(ident: str) -> NotFound:
    return NotFound(f"There is no backfill {ident!r}.", "See `rollq backfill list`.")

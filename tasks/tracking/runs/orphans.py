"""Orphans: tasks whose holder was cut off and may have left an MLflow run open.

One is written down before the cut, so that a process that dies in between leaves at most one too many. The reconciler
(``scheduler/reconciler.py``) closes the runs and resolves the orphan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo.collection import Collection

from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Id, Reader

SEARCH_SECONDS = 600.0
REST_SECONDS = 5.0  # a holder that lives closes its run itself; and one try after another


@dataclass(frozen=True)
class Orphan:
    """A task whose runs must be looked at. ``noted_at`` is UTC, from the store's clock."""

    task_id: Id
    pool: str
    why: str
    noted_at: datetime


class Orphans:
    """The orphans of a store. The only code that reads or writes them there."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _ends(self) -> Collection[Document]:
        return self._store.collection("orphans")  # asked for anew: after a fork it belongs to another connection

    def note(self, task_id: str, pool: str, why: str) -> None:
        """Write an orphan down, before its holder is cut off."""
        now = self._store.now()
        changes = {"$set": {"schema": SCHEMA, "pool": pool, "why": why, "noted_at": now, "tried_at": now}}
        self._ends.update_one({"_id": task_id}, changes, upsert=True)

    def take_due(self) -> bool:
        """Whether some are to be resolved now; only one caller in ``REST_SECONDS`` is told so."""
        with reachable():
            now = self._store.now()
            due = list(self._ends.find({"tried_at": {"$lt": now - timedelta(seconds=REST_SECONDS)}}, {"tried_at": 1}))
            # Compare and set, one document at a time: of several sweeps one gets each of them.
            won = [
                self._ends.update_one({"_id": end["_id"], "tried_at": end["tried_at"]}, {"$set": {"tried_at": now}})
                for end in due
            ]
            return any(written.modified_count for written in won)

    def take_search(self) -> bool:
        """Whether it is time to search for runs that were not noted; one caller in ``SEARCH_SECONDS`` is told so."""
        with reachable():
            now = self._store.now()
            searches = self._store.collection("searches")
            # A new database has not been searched, but has nothing to find either: the first search comes after a whole
            # interval.
            searches.update_one({"_id": "runs"}, {"$setOnInsert": {"schema": SCHEMA, "at": now}}, upsert=True)
            due = {"_id": "runs", "at": {"$lt": now - timedelta(seconds=SEARCH_SECONDS)}}
            return bool(searches.update_one(due, {"$set": {"at": now}}).modified_count)

    def all(self) -> list[Orphan]:
        """All of them that can be read."""
        with reachable():
            return ORPHANS.read_all(self._ends.find().sort("noted_at", 1))

    def resolve(self, end: Orphan) -> None:
        """Its runs are closed; if it was noted again meanwhile, it stays."""
        with reachable():
            self._ends.delete_one({"_id": end.task_id, "noted_at": end.noted_at})


ORPHANS = Reader("orphans", "orphan", Orphan, "Delete it, and close the run of its task in MLflow.")

"""The documents of backfills in the store: one collection, and conditional writes to it."""

from __future__ import annotations

from pymongo.collection import Collection

from rollq.tasks.backfills.backfill import BACKFILL_STATES, BACKFILLS, Backfill, BackfillState
from rollq.tasks.mongo.client import Document, Store, reachable


class BackfillDocuments:
    """The collection ``backfills``, shared by what begins and ends a backfill and by what drives it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def collection(self) -> Collection[Document]:
        """The collection."""
        return self.store.collection("backfills")  # asked for anew: after a fork it belongs to another connection

    def find(self, ident: str) -> Backfill | None:
        """The backfill with this id; None if there is none."""
        with reachable():
            document = self.collection.find_one({"_id": ident})
        return BACKFILLS.read(document) if document else None

    def write(self, ident: str, start: BackfillState, end: BackfillState, changes: Document) -> bool:
        """Move a backfill from ``start`` to ``end``; whether this caller won it."""
        with reachable():
            # `settled` is in the filter, so what was counted at the end is never changed afterwards.
            query = {"_id": ident, "status": start, "settled": False}
            step = {"status": BACKFILL_STATES.check(start, end), **changes}
            return bool(self.collection.update_one(query, [{"$set": step}]).modified_count)

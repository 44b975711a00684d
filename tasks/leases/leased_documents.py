"""Leases on the side of the store: a document is written by its holder alone, who is known by its fence.

Claiming a leased document raises its ``fence`` and writes ``lease: {worker, expires_at}`` by the server's clock. Every
later write of the holder is one conditional update with the fence in its filter, so that one who was overtaken writes
nothing and is told by whom. Tasks, rounds and routines are held so.

Sources: Gray and Cheriton, Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache Consistency, 1989;
for the fence, Kleppmann, How to do distributed locking, 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from pymongo.collection import Collection

from rollq.tasks.errors import LeaseLost, Unavailable
from rollq.tasks.leases.renewer import Lease
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.expressions import Write, later, literal
from rollq.tasks.mongo.records import Amount

FENCE_RAISED: Document = {"$add": ["$fence", 1]}


@dataclass(frozen=True)
class LeaseRecord:
    """Who holds a document, and until when (UTC, from the store's clock).

    ``memory_mb`` is the most that the holder used so far; ``asked``: it was asked to end.
    """

    worker: str
    expires_at: datetime
    memory_mb: Amount | None = None
    asked: bool = False


class LeasedDocuments:
    """The documents of a collection that are held under a lease.

    Args:
        kind: what one of them is called in messages, for example ``round``.
        collection: gives the collection, anew each time: after a fork it belongs to another connection.
        held: what a held document has, beside its fence: a status.
        seconds: of a lease.
    """

    def __init__(
        self, kind: str, collection: Callable[[], Collection[Document]], held: Mapping[str, object], seconds: float
    ) -> None:
        self.seconds = seconds
        self._kind = kind
        self._collection = collection
        self._held = held

    def new_lease(self, holder: str) -> Document:
        """The field ``lease`` of a document that is claimed now."""
        return {"worker": literal(holder), "expires_at": later(self.seconds)}

    def held_by(self, ident: str, fence: int) -> Document:
        """Finds a document while the claim with this fence holds it."""
        return {"_id": ident, **self._held, "fence": fence}

    def claiming(self, free: Document, holder: str, changes: Mapping[str, object]) -> Write:
        """Filter and update of the write that claims what ``free`` finds."""
        claimed = {**changes, "fence": FENCE_RAISED, "lease": self.new_lease(holder)}
        return free, [{"$set": claimed}]

    def claim(self, free: Document, holder: str, changes: Mapping[str, object]) -> bool:
        """Claim the document that ``free`` finds; whether there was one."""
        with reachable():
            return bool(self._collection().update_one(*self.claiming(free, holder, changes)).modified_count)

    def renew(self, ident: str, fence: int, changes: Mapping[str, object] | None = None) -> None:
        """Hold a document for another lease.

        Raises:
            LeaseLost: the claim with this fence does not hold it any more; the message says who does.
        """
        self.write(ident, fence, {**(changes or {}), "lease.expires_at": later(self.seconds)})

    def write(self, ident: str, fence: int, changes: Mapping[str, object]) -> None:
        """Change a document and go on to hold it. Raises as ``renew``."""
        with reachable():
            update = [{"$set": dict(changes)}]
            # Matched, not modified: a repeated write may change nothing and is no loss.
            if not self._collection().update_one(self.held_by(ident, fence), update).matched_count:
                raise self.lost(ident, fence)

    def end(self, ident: str, fence: int, changes: Mapping[str, object]) -> None:
        """Change a document and give it up: it is finished, has failed, or is given back. Raises as ``renew``."""
        self.write(ident, fence, {**changes, "lease": None})

    def lease(self, ident: str, fence: int, since: float) -> Lease:
        """The lease of a claim, to be renewed by a ``LeaseRenewer``.

        Args:
            since: when the claim was sent, by this process's monotonic clock.
        """
        return Lease(f"{self._kind} {ident}", self.seconds, lambda: self.renew(ident, fence), since)

    def lost(self, ident: str, fence: int) -> LeaseLost:
        """The error of one who does not hold a document any more: it says who holds it now."""
        now = "the store does not say who has it"
        # Who has it is only for the message; that the store is silent just now must not hide that the lease is lost.
        with suppress(Unavailable), reachable():
            now = _whereabouts(self._collection().find_one({"_id": ident}, {"fence": 1, "lease": 1, "status": 1}))
        return LeaseLost(
            f"The claim on {self._kind} {ident} (fence {fence}) is lost: {now}.", "Stop and leave no trace."
        )


def expired(now: datetime) -> Document:
    """Finds documents whose lease has run out by ``now``, the server's time."""
    return {"lease.expires_at": {"$lt": now}}


def _whereabouts(document: Document | None) -> str:
    if document is None:
        return "it was removed"
    lease, fence = document.get("lease"), document.get("fence")
    if isinstance(lease, Mapping):
        return f"{lease.get('worker')} holds it, with fence {fence}"
    return f"it is {document.get('status')}, with fence {fence}"

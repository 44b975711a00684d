"""Which documents of the task store are invalid, by whatever hand: lists and sweeps leave them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollq.scheduler.online.online_set import ONLINE_SETS
from rollq.scheduler.online.predictions import PREDICTIONS
from rollq.scheduler.routine.ledger import ROUTINES
from rollq.scheduler.signals.ledger import SIGNALS
from rollq.scheduler.strategies.managers import MANAGERS
from rollq.scheduler.strategies.registry import STRATEGIES
from rollq.tasks.backend import Backend
from rollq.tasks.backfills.backfill import BACKFILLS
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.records import Reader
from rollq.tasks.queue.documents import TASKS
from rollq.tasks.queue.states import TERMINAL
from rollq.tasks.queue.worker_registry import WORKERS
from rollq.tasks.rounds.documents import ROUNDS
from rollq.tasks.tracking.runs.orphans import ORPHANS

READERS: tuple[Reader[object], ...] = (
    *(BACKFILLS, WORKERS, ORPHANS, ROUNDS),
    *(STRATEGIES, ROUTINES, SIGNALS, PREDICTIONS, ONLINE_SETS, MANAGERS),
)
# Finished tasks are looked at where they are shown; there may be a million of them.
UNFINISHED = {"status": {"$nin": sorted(TERMINAL)}}
FIX = "Repair them with a MongoDB shell, restore them from a backup, or delete them; nothing else is held up by them."


def unreadable(backend: Backend) -> tuple[str, ...]:
    """One line for each invalid document: collection, id, and why.

    Raises:
        Unavailable: the store does not answer.
    """
    return (
        *(line for reader in READERS for line in _lines(backend, reader.collection, {}, reader.problem)),
        *_lines(backend, "tasks", UNFINISHED, TASKS.problem),
        *_lines(backend, "tasks", {"error.type": "DocumentCorrupted"}, lambda document: document["error"]["message"]),
    )


def _lines(backend: Backend, collection: str, query: Mapping[str, object], why: Callable[[Document], str]) -> list[str]:
    with reachable():
        # Definitions are large and are judged when a task is claimed; the rest of a document is what sweeps read.
        found = list(backend.store.collection(collection).find(query, {"definition": 0}))
    named = [(document["_id"], why(document)) for document in found]
    return [f"{collection} {ident!r}: {reason}" for ident, reason in named if reason]

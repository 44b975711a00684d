"""Which documents of the task store cannot be read, whoever wrote them so: lists and sweeps leave them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scheduler.online_manager import MANAGERS
from scheduler.online_set import ONLINE_SETS
from scheduler.predictions import PREDICTIONS
from scheduler.routines import ROUTINES
from scheduler.signal_ledger import SIGNALS
from scheduler.strategy_book import STRATEGIES
from tasks.backend import Backend
from tasks.backfill import BACKFILLS
from tasks.loose_ends import LOOSE_ENDS
from tasks.record import Reader
from tasks.roster import WORKERS
from tasks.soundness import flaw, round_flaw
from tasks.states import TaskState
from tasks.store import Document, reachable

READERS: tuple[Reader[Any], ...] = (
    *(BACKFILLS, WORKERS, LOOSE_ENDS),
    *(STRATEGIES, ROUTINES, SIGNALS, PREDICTIONS, ONLINE_SETS, MANAGERS),
)
# Finished tasks are looked at where they are shown; there may be a million of them.
UNFINISHED = {"status": {"$nin": [TaskState.DONE, TaskState.CANCELLED, TaskState.FAILED, TaskState.QUARANTINED]}}
FIX = "Mend them with a MongoDB shell, restore them from a backup, or delete them; nothing else is held up by them."


def unreadable(backend: Backend) -> tuple[str, ...]:
    """One line for each document that cannot be read: collection, id, and why.

    Raises:
        Unavailable: the store does not answer.
    """
    return (
        *(line for reader in READERS for line in _lines(backend, reader.collection, {}, _why(reader))),
        *_lines(backend, "rounds", {}, round_flaw),
        *_lines(backend, "tasks", UNFINISHED, lambda document: flaw({"definition": {}, **document}, whole=True)),
        *_lines(backend, "tasks", {"error.type": "DocumentCorrupted"}, lambda document: document["error"]["message"]),
    )


def _lines(backend: Backend, collection: str, query: Mapping[str, Any], why: Callable[[Document], str]) -> list[str]:
    with reachable():
        found = list(backend.store.collection(collection).find(query, {"definition": 0}))
    named = [(document["_id"], why(document)) for document in found]
    return [f"{collection} {ident!r}: {reason}" for ident, reason in named if reason]


def _why(reader: Reader[Any]) -> Callable[[Document], str]:
    return lambda document: reader.flaw(document).rpartition(" is corrupted: ")[2]

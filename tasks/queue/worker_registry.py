"""The worker registry: which workers live, what they serve and have available. Each sends a heartbeat as it sweeps.

It decides nothing (leases do); it lets people, ``rollq tasks explain`` and ``rollq doctor`` see who is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from pymongo import ASCENDING
from pymongo.collection import Collection

from rollq.tasks.config.settings import Settings
from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Id, Reader
from rollq.tasks.resources import Resources

FORGET_SECONDS = 24 * 3600
MISSED_SWEEPS = 5  # a worker that was not seen for so many sweeps is taken for gone


@dataclass(frozen=True)
class WorkerEntry:
    """A worker: ``name`` is ``host/main pid``; ``available`` is what each of its ``processes`` has. Times are UTC.

    ``lacks`` are the classes that it met in tasks and does not know.
    """

    name: Id
    queues: tuple[str, ...]
    processes: int
    available: Resources
    started_at: datetime
    seen_at: datetime
    restarts: int = 0
    alive: bool = False
    lacks: tuple[str, ...] = ()

    def serves(self, queue: str, requested: Resources) -> bool:
        """Whether it can run a task of this queue that requests these resources."""
        return self.alive and queue in self.queues and requested.fit(self.available)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        times = {"started_at": self.started_at.isoformat(), "seen_at": self.seen_at.isoformat()}
        return {**asdict(self), "queues": list(self.queues), "lacks": list(self.lacks), **times}


class WorkerRegistry:
    """The workers of a store. The only code that reads or writes them there."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        # At least five seconds: with sweeps of a tenth of one, a busy machine would make every worker look dead.
        self._patience = max(settings.sweep_seconds * MISSED_SWEEPS, 5.0)

    @property
    def _workers(self) -> Collection[Document]:
        return self._store.collection("workers")  # asked for anew: after a fork it belongs to another connection

    def ensure_indexes(self) -> None:
        """Make the index that forgets workers that were not seen for a day."""
        with reachable():
            self._workers.create_index([("seen_at", ASCENDING)], expireAfterSeconds=FORGET_SECONDS)

    def heartbeat(
        self, name: str, queues: Sequence[str], processes: int, available: Resources, restarts: int = 0
    ) -> None:
        """Register a worker, or say that it still lives.

        Args:
            name: of the worker.
            queues: that it serves.
            processes: how many it has.
            available: what each of its processes has.
            restarts: how often its watchdog has restarted it.

        Raises:
            Unavailable: the store does not answer.
        """
        with reachable():
            now = self._store.now()
            entry = {
                "schema": SCHEMA,
                "queues": list(queues),
                "processes": processes,
                "available": available.to_dict(),
                "seen_at": now,
                "restarts": restarts,
            }
            changes = {"$set": entry, "$setOnInsert": {"started_at": now}}
            self._workers.update_one({"_id": name}, changes, upsert=True)

    def note_class(self, name: str, of_class: str, known: bool) -> None:
        """Say that a worker met a class that it does not know, or that it knows it by now.

        Raises:
            Unavailable: the store does not answer.
        """
        with reachable():
            self._workers.update_one({"_id": name}, {"$pull" if known else "$addToSet": {"lacks": of_class}})

    def deregister(self, name: str) -> None:
        """Remove a worker that stops.

        Raises:
            Unavailable: the store does not answer.
        """
        with reachable():
            self._workers.delete_one({"_id": name})

    def workers(self) -> list[WorkerEntry]:
        """Every worker of the last day, by name; ``alive`` says whether it was seen a moment ago.

        Those whose documents cannot be read are left out.

        Raises:
            Unavailable: the store does not answer.
        """
        with reachable():
            since = self._store.now() - timedelta(seconds=self._patience)
            entries = WORKERS.read_all(self._workers.find().sort("_id", ASCENDING))
            return [replace(entry, alive=entry.seen_at >= since) for entry in entries]


WORKERS = Reader("workers", "worker", WorkerEntry, "A worker that lives repairs it at its next sweep; else delete it.")

"""Routines: what the daily job has done for a (strategy, session), step by step, so that nothing is done twice.

One document per strategy and session. Whoever works on it holds a lease and a fence, as a worker does on a task; one
that dies loses it, and the next one goes on at the step where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from tasks.backend import Backend
from tasks.documents import NOW, later, literal
from tasks.errors import LeaseLost
from tasks.record import Reader, stored
from tasks.store import Document, reachable


class Step(StrEnum):
    """The steps of a routine, in their order."""

    UPDATE = "update predictions"
    PREPARE = "prepare tasks"
    TRAIN = "train"
    GATHER = "gather"
    PROMOTE = "promote"
    PUBLISH = "publish signals"


class RoutineState(StrEnum):
    """Where a routine is. One that is FAILED is tried again at the step that failed."""

    OPEN = "open"
    FAILED = "failed"
    DONE = "done"


@stored
@dataclass(frozen=True)
class Routine:
    """The routine of a strategy and session. ``steps`` holds what each finished step came to; ``notes`` what a step
    that is under way must remember. Times are UTC."""

    strategy: str
    session: str
    status: RoutineState
    steps: dict[str, dict[str, Any]]
    notes: dict[str, Any]
    waits_for: str
    reason: str
    by: str
    fence: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def next_step(self) -> Step | None:
        """The first step that is not finished; None if all are."""
        return next((step for step in Step if step not in self.steps), None)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        plain = asdict(self)
        times = {name: value.isoformat() if value else None for name, value in plain.items() if name.endswith("_at")}
        return {**plain, **times}


class Routines:
    """The routines of a backend. The only code that reads or writes them there."""

    def __init__(self, backend: Backend) -> None:
        self._store = backend.store
        self._lease = backend.settings.lease_seconds

    @property
    def _routines(self) -> Collection[Document]:
        return self._store.collection("routines")  # asked for anew: after a fork it belongs to another connection

    def ensure_indexes(self) -> None:
        """Make the index that lets a session of a strategy exist once."""
        with reachable():
            self._routines.create_index([("strategy", ASCENDING), ("session", ASCENDING)], unique=True)
            self._routines.create_index([("status", ASCENDING)])

    def open(self, strategy: str, session: str) -> Routine:
        """The routine of a session, made if there is none."""
        document: Document = {
            "_id": f"{strategy}:{session}",
            "strategy": strategy,
            "session": session,
            "status": RoutineState.OPEN,
            "steps": {},
            "notes": {},
            "waits_for": "",
            "reason": "",
            "by": "",
            "fence": 0,
            "lease": None,
            "looked_at": self._store.now(),
            "created_at": self._store.now(),
            "finished_at": None,
        }
        with reachable():
            try:
                self._routines.insert_one(document)
            except DuplicateKeyError:
                return self._one(strategy, session)
        return ROUTINES.read(document)

    def claim(self, strategy: str, session: str, by: str) -> Routine | None:
        """Become the one who works on a routine; None if it is DONE, or somebody else who is alive does."""
        free: Document = {
            "_id": f"{strategy}:{session}",
            "status": {"$ne": RoutineState.DONE},
            "$or": [{"lease": None}, {"lease.expires_at": {"$lt": self._store.now()}}],
        }
        changes = {
            "status": RoutineState.OPEN,
            "by": literal(by),
            "fence": {"$add": ["$fence", 1]},
            "lease": {"worker": literal(by), "expires_at": later(self._lease)},
        }
        with reachable():
            if not self._routines.update_one(free, [{"$set": changes}]).modified_count:
                return None
        return self._one(strategy, session)

    def renew(self, routine: Routine) -> None:
        """Hold it for another lease.

        Raises:
            LeaseLost: somebody else works on it now.
        """
        self._write(routine, {"lease.expires_at": later(self._lease)})

    def note(self, routine: Routine, notes: Mapping[str, Any]) -> Routine:
        """Remember something for a step that is under way. Raises as ``renew``."""
        return self._write(routine, {"notes": literal({**routine.notes, **notes})})

    def finish_step(self, routine: Routine, step: Step, result: Mapping[str, Any]) -> Routine:
        """Write a step down as finished. Raises as ``renew``."""
        done = {**routine.steps, step.value: {**result, "by": routine.by, "at": self._store.now().isoformat()}}
        return self._write(routine, {"steps": literal(done), "waits_for": "", "reason": ""})

    def release(self, routine: Routine, waits_for: str) -> Routine:
        """Let go of it, because it has to wait. Raises as ``renew``."""
        return self._write(routine, {"lease": None, "waits_for": literal(waits_for), "looked_at": NOW})

    def fail(self, routine: Routine, reason: str) -> Routine:
        """It cannot go on without help. Raises as ``renew``."""
        return self._write(
            routine, {"lease": None, "status": RoutineState.FAILED, "waits_for": "", "reason": literal(reason)}
        )

    def finish(self, routine: Routine) -> Routine:
        """All steps are finished. Raises as ``renew``."""
        return self._write(routine, {"lease": None, "status": RoutineState.DONE, "finished_at": NOW})

    def skip(self, strategy: str, session: str, why: str) -> None:
        """Write down that a session needs no routine any more, and none before it, for example after a simulation."""
        self.open(strategy, session)
        steps = {step.value: {"skipped": why} for step in Step}
        changes = {"status": RoutineState.DONE, "steps": literal(steps), "lease": None, "finished_at": NOW}
        with reachable():
            self._routines.update_one({"_id": f"{strategy}:{session}"}, [{"$set": changes}])

    def last_done(self, strategy: str) -> str:
        """The last session that is DONE; empty if there is none."""
        query = {"strategy": strategy, "status": RoutineState.DONE}
        with reachable():
            found = list(self._routines.find(query, {"session": 1}).sort("session", DESCENDING).limit(1))
        return str(found[0]["session"]) if found else ""

    def history(self, strategy: str | None = None) -> list[Routine]:
        """All routines of a strategy (or of all), oldest session first."""
        query: Document = {"strategy": strategy} if strategy else {}
        with reachable():
            return ROUTINES.read_all(self._routines.find(query).sort("session", ASCENDING))

    def unfinished(self, seconds: float) -> list[Routine]:
        """Routines that are open, and that nobody works on or has looked at for so many seconds."""
        now = self._store.now()
        waiting = {"lease": None, "looked_at": {"$lt": now - timedelta(seconds=seconds)}}
        query: Document = {"status": RoutineState.OPEN, "$or": [waiting, {"lease.expires_at": {"$lt": now}}]}
        with reachable():
            return ROUTINES.read_all(self._routines.find(query).sort("session", ASCENDING))

    def _one(self, strategy: str, session: str) -> Routine:
        document = self._routines.find_one({"_id": f"{strategy}:{session}"})
        return ROUTINES.read(document or {})

    def _write(self, routine: Routine, changes: Document) -> Routine:
        query = {"_id": f"{routine.strategy}:{routine.session}", "fence": routine.fence, "lease": {"$ne": None}}
        with reachable():
            if not self._routines.update_one(query, [{"$set": changes}]).matched_count:
                raise LeaseLost(f"The routine of {routine.strategy!r} for {routine.session} is somebody else's now.")
            return self._one(routine.strategy, routine.session)


ROUTINES = Reader("routines", "routine", Routine, "Remove it: it is done anew.")

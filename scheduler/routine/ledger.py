"""Routines: what the daily job has done for a (strategy, session), step by step, so that nothing is done twice.

One document per strategy and session. The process that works on it holds a lease and a fence, as a worker does on a
task; one that dies loses it, and the next one goes on at the step where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection as Collection_
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from rollq.scheduler.routine.step_results import Notes, Step, StepResult, Steps, skipped, to_document
from rollq.tasks.backend import Backend
from rollq.tasks.leases.leased_documents import FENCE_RAISED, LeasedDocuments, expired
from rollq.tasks.leases.renewer import Lease
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.expressions import NOW, literal
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Reader
from rollq.tasks.state_machine import StateMachine

DATA = "data: "  # how ``waits_for`` begins when the data of a session cannot be used yet


class RoutineState(StrEnum):
    """Where a routine is. One that is FAILED is tried again at the step that failed."""

    OPEN = "open"
    FAILED = "failed"
    DONE = "done"


OPEN, FAILED, DONE = RoutineState

# The only legal changes; every write to a routine's status is one of these.
ROUTINE_STATES = StateMachine[RoutineState](
    "routine",
    {
        None: frozenset({OPEN}),
        OPEN: frozenset({OPEN, FAILED, DONE}),  # OPEN: another one works on it, or it is planned anew
        FAILED: frozenset({OPEN, DONE}),
        DONE: frozenset({DONE}),  # a simulation stands for it
    },
)


@dataclass(frozen=True)
class Routine:
    """The routine of a strategy and session. Times are UTC."""

    strategy: str
    session: str
    status: RoutineState
    steps: Steps
    notes: Notes
    waits_for: str
    reason: str
    by: str
    fence: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def id(self) -> str:
        """Of its document."""
        return f"{self.strategy}:{self.session}"

    @property
    def next_step(self) -> Step | None:
        """The first step that is not finished; None if all are."""
        return self.steps.next

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        plain = {**asdict(self), "steps": self.steps.to_dict()}
        times = {name: value.isoformat() if value else None for name, value in plain.items() if name.endswith("_at")}
        return {**plain, **times}


@dataclass(frozen=True)
class Done:
    """The sessions of a strategy whose routines are DONE. A simulation stands for every session up to its last one."""

    sessions: frozenset[str] = frozenset()
    simulated: str = ""

    def __contains__(self, session: str) -> bool:
        return session in self.sessions or session <= self.simulated

    def last(self, upto: str = "9999") -> str:
        """The last of them that is not after ``upto``; empty if there is none."""
        return max((session for session in self.sessions if session <= upto), default="")


def round_id(strategy: str, session: str, plan: str = "") -> str:
    """The id of the round of a session: the same whichever process opens it, another one when it is planned anew.

    Args:
        plan: of the strategy, as its entry in the registry has it.
    """
    parts = ["round", strategy, session, *([plan] if plan else [])]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


class Routines:
    """The routines of a backend. The only code that reads or writes them there."""

    def __init__(self, backend: Backend) -> None:
        self._store = backend.store
        held = {"status": RoutineState.OPEN, "lease": {"$ne": None}}  # one that waits is open and not held
        self._leased = LeasedDocuments("routine", lambda: self._routines, held, backend.settings.lease_seconds)

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
            "schema": SCHEMA,
            "strategy": strategy,
            "session": session,
            "status": ROUTINE_STATES.check(None, OPEN),
            "steps": {},
            "notes": {},
            "waits_for": "",
            "reason": "",
            "by": "",
            "fence": 0,
            "lease": None,
            # A new routine counts as looked at, so that sweeps leave it to the process that made it.
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
        """Become the process that works on a routine; None if it is DONE, or another one that is alive does."""
        free: Document = {
            "_id": f"{strategy}:{session}",
            "status": {"$in": ROUTINE_STATES.starts(OPEN)},
            "$or": [{"lease": None}, expired(self._store.now())],
        }
        if not self._leased.claim(free, by, {"status": RoutineState.OPEN, "by": literal(by)}):
            return None
        return self._one(strategy, session)

    def renew(self, routine: Routine) -> None:
        """Hold it for another lease.

        Raises:
            LeaseLost: another process works on it now.
        """
        self._leased.renew(routine.id, routine.fence)

    def lease(self, routine: Routine, since: float) -> Lease:
        """The lease on a claimed routine; ``since`` as for ``LeasedDocuments.lease``."""
        return self._leased.lease(routine.id, routine.fence, since)

    def finish_step(self, routine: Routine, step: Step, result: StepResult) -> Routine:
        """Write a step down as finished. Raises as ``renew``."""
        finished = replace(result, by=routine.by, at=self._store.now().isoformat())
        # All steps are written, not the one alone: the fence says that no other process wrote one since they were read.
        steps = {**to_document(routine.steps), step.field: asdict(finished)}
        return self._write(routine, {"steps": literal(steps), "waits_for": "", "reason": ""})

    def release(self, routine: Routine, waits_for: str, notes: Notes | None = None) -> Routine:
        """Give it up for now, because it has to wait. Raises as ``renew``.

        Args:
            routine: as its holder has it.
            waits_for: what it says that it waits for.
            notes: what its step must remember; None: what it remembers already.
        """
        noted = {"notes": literal(asdict(notes))} if notes else {}
        return self._end(routine, {"waits_for": literal(waits_for), "reason": "", "looked_at": NOW, **noted})

    def fail(self, routine: Routine, reason: str) -> Routine:
        """It cannot go on without help. Raises as ``renew``."""
        failed = {"status": ROUTINE_STATES.check(OPEN, FAILED), "waits_for": "", "reason": literal(reason)}
        return self._end(routine, failed)

    def finish(self, routine: Routine) -> Routine:
        """All steps are finished. Raises as ``renew``."""
        return self._end(routine, {"status": ROUTINE_STATES.check(OPEN, DONE), "finished_at": NOW})

    def skip(self, strategy: str, session: str, why: str) -> None:
        """Write down that a session needs no routine any more, and none before it, for example after a simulation."""
        self.open(strategy, session)
        changes = {"status": DONE, "steps": literal(to_document(skipped(why))), "lease": None, "finished_at": NOW}
        query: Document = {"_id": f"{strategy}:{session}", "status": {"$in": ROUTINE_STATES.starts(DONE)}}
        with reachable():
            self._routines.update_one(query, [{"$set": changes}])

    def wait_for_data(self, strategy: str, session: str, why: str) -> None:
        """Write down that a session waits for its data, unless it is DONE or under way."""
        self.open(strategy, session)
        query: Document = {
            "_id": f"{strategy}:{session}",
            "status": {"$in": ROUTINE_STATES.starts(OPEN)},
            "lease": None,
        }
        changes = {"status": OPEN, "waits_for": literal(DATA + why), "reason": "", "looked_at": NOW}
        with reachable():
            self._routines.update_one(query, [{"$set": changes}])

    def forget_waiting(self, strategy: str, known: Collection_[str]) -> None:
        """Remove what waits for data of sessions that are not ``known`` any more, and for which nothing was done."""
        waits = {"waits_for": {"$regex": f"^{DATA}"}, "steps": {}, "lease": None, "status": RoutineState.OPEN}
        with reachable():
            self._routines.delete_many({"strategy": strategy, **waits, "session": {"$nin": sorted(known)}})

    def forget(self, strategy: str) -> None:
        """Remove all routines of a strategy."""
        with reachable():
            self._routines.delete_many({"strategy": strategy})

    def begun(self, strategy: str) -> list[str]:
        """The sessions that are not DONE and for which something was done."""
        query: Document = {"strategy": strategy, "status": {"$ne": RoutineState.DONE}, "steps": {"$ne": {}}}
        with reachable():
            return [str(found["session"]) for found in self._routines.find(query, {"session": 1})]

    def plan_anew(self, strategy: str) -> list[Routine]:
        """Let every session that is not DONE begin anew, also one that is under way; returns them as they were."""
        query: Document = {"strategy": strategy, "status": {"$in": ROUTINE_STATES.starts(OPEN)}}
        empty = {"steps": literal({}), "notes": literal({}), "waits_for": "", "reason": ""}
        changes = {"status": OPEN, "lease": None, "fence": FENCE_RAISED, **empty}
        with reachable():
            before = ROUTINES.read_all(self._routines.find(query))
            # The fence is raised: a process that works on one of them now ends without writing.
            self._routines.update_many(query, [{"$set": changes}])
        return before

    def done(self, strategy: str) -> Done:
        """The sessions that are DONE."""
        query = {"strategy": strategy, "status": RoutineState.DONE}
        with reachable():
            found = list(self._routines.find(query, {"session": 1, "steps": 1}))
        sessions = frozenset(str(one.get("session")) for one in found)
        return Done(sessions, max((str(one["session"]) for one in found if _is_skipped(one)), default=""))

    def history(self, strategy: str | None = None) -> list[Routine]:
        """All routines of a strategy (or of all), oldest session first."""
        query: Document = {"strategy": strategy} if strategy else {}
        with reachable():
            return ROUTINES.read_all(self._routines.find(query).sort("session", ASCENDING))

    def unfinished(self, seconds: float) -> list[Routine]:
        """Routines that are open, not under way, and were not looked at for so many seconds."""
        now = self._store.now()
        waiting = {"lease": None, "looked_at": {"$lt": now - timedelta(seconds=seconds)}}
        query: Document = {"status": RoutineState.OPEN, "$or": [waiting, expired(now)]}
        with reachable():
            return ROUTINES.read_all(self._routines.find(query).sort("session", ASCENDING))

    def _one(self, strategy: str, session: str) -> Routine:
        with reachable():
            document = self._routines.find_one({"_id": f"{strategy}:{session}"})
        return ROUTINES.read(document or {})

    def _write(self, routine: Routine, changes: Document) -> Routine:
        self._leased.write(routine.id, routine.fence, changes)
        return self._one(routine.strategy, routine.session)

    def _end(self, routine: Routine, changes: Document) -> Routine:
        self._leased.end(routine.id, routine.fence, changes)
        return self._one(routine.strategy, routine.session)


def _is_skipped(document: Document) -> bool:
    """Whether a session needed no routine, nor any before it: those that ``skip`` wrote down."""
    steps = document.get("steps")
    last = steps.get(Step.PUBLISH.field) if isinstance(steps, Mapping) else None
    return isinstance(last, Mapping) and bool(last.get("skipped")) and isinstance(document.get("session"), str)


ROUTINES = Reader("routines", "routine", Routine, "Remove it: it is done anew.")

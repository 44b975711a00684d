"""How far a backfill is: its tasks by state, how many an hour are finished, and when it will be over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from rollq.tasks.backend import Backend
from rollq.tasks.backfills.backfill import ACTIVE, Backfill
from rollq.tasks.queue.admission import Position
from rollq.tasks.queue.states import TERMINAL, TaskState
from rollq.tasks.queue.task import Task

# A rate that follows changes of the fleet, and still counts several windows of a usual length.
RECENT = timedelta(minutes=15)
ENOUGH = 5  # tasks that ended lately; with fewer, all since the backfill began to go tell more
SHOWN = 5  # tasks that are next


@dataclass(frozen=True)
class Progress:
    """How far a backfill is.

    ``pending`` tasks have not been admitted yet, ``held`` ones were held by a person afterwards; ``states`` counts the
    others. ``per_hour`` is None while nothing is known about it, ``eta`` too (UTC, the store's clock).
    """

    total: int
    pending: int
    held: int
    states: dict[TaskState, int]
    per_hour: float | None
    eta: datetime | None
    eta_seconds: float | None
    following: tuple[Position, ...]

    @property
    def finished(self) -> int:
        """How many tasks are finished, well or not."""
        return sum(self.states[state] for state in TERMINAL)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {
            "total": self.total,
            "finished": self.finished,
            "pending": self.pending,
            "held": self.held,
            **{state.lower(): n for state, n in self.states.items()},
            "per_hour": self.per_hour,
            "eta": self.eta.isoformat() if self.eta else None,
            "eta_seconds": self.eta_seconds,
            "next": [{"task": one.id, "test": list(one.test)} for one in self.following],
        }


def progress_of(backend: Backend, found: Backfill) -> Progress:
    """How far ``found`` is now; of one that has ended: how it ended."""
    if found.settled:
        states = {state: (found.counts or {}).get(state, 0) for state in TaskState}
        return Progress(sum(states.values()), 0, 0, states, None, None, None, ())
    now = backend.tasks.now()
    # Since it became active again: the time of a pause is not counted in the rate.
    going = found.going_since or now
    groups = backend.tasks.admission.tally(found.id, {"lately": max(going, now - RECENT), "since": going})
    mine = [group for group in groups if not group["pending"]]
    pending = sum(group["n"] for group in groups if group["pending"])
    held = sum(group["n"] for group in mine if _is_held(group))
    states = {state: sum(g["n"] for g in mine if g["status"] == state and not _is_held(g)) for state in TaskState}
    over = [group for group in mine if group["status"] in TERMINAL]
    left = pending + held + sum(n for state, n in states.items() if state not in TERMINAL)
    # Paused or cancelled, it has a past rate but no end that could be told from it.
    rate = None
    if found.status is ACTIVE:
        rate = _per_hour(sum(g["lately"] for g in over), sum(g["since"] for g in over), now - going)
    seconds = left / rate * 3600 if rate else None
    eta = now + timedelta(seconds=seconds) if seconds is not None else None
    following = tuple(backend.backfills.upcoming(found, SHOWN)[:SHOWN])
    return Progress(sum(group["n"] for group in groups), pending, held, states, rate, eta, seconds, following)


def failures_of(backend: Backend, found: Backfill, limit: int) -> list[Task]:
    """At most ``limit`` tasks of a backfill that are FAILED or QUARANTINED now."""
    bad = [TaskState.FAILED, TaskState.QUARANTINED]
    query = {"backfill": found.id, "pending": None, "status": {"$in": bad}}
    return list(islice(backend.tasks.stream(query, definitions=False), limit))


def _is_held(group: dict[str, object]) -> bool:
    return bool(group["held"]) and group["status"] == TaskState.WAITING


def _per_hour(lately: int, since: int, elapsed: timedelta) -> float | None:
    ended, span = (lately, min(RECENT, elapsed)) if lately >= ENOUGH else (since, elapsed)
    return ended / span.total_seconds() * 3600 if ended and span else None

"""How tasks look in MongoDB: documents and the pieces of pipeline updates. Used by the parts of ``TaskQueue`` alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollq.tasks.definition import MEMBER, Definition, segments_of
from rollq.tasks.errors import TemplateError
from rollq.tasks.labels import check_label
from rollq.tasks.leases.leased_documents import FENCE_RAISED
from rollq.tasks.mongo.client import Document
from rollq.tasks.mongo.expressions import NOW, Write, literal
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Reader, strict
from rollq.tasks.queue.prefetch import Candidate, Claim
from rollq.tasks.queue.states import TASK_STATES, Stage, TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.resources import Resources

HISTORY = 200  # transitions kept per task
GONE = {"lease": None, "pending": None, "ended_at": NOW}


@dataclass(frozen=True)
class Options:
    """How new tasks are to be run; no part of their identity. ``time_limit`` is in seconds.

    Raises:
        TemplateError: a value is of the wrong type or out of range.
    """

    priority: int
    queue: str
    held: bool
    requested: Resources
    time_limit: float | None

    def __post_init__(self) -> None:
        """Refuse what could be stored but never be run."""
        check_label(self.queue, "queue")
        problems = TASKS.invalid({"priority": self.priority, "time_limit": self.time_limit})
        for name in ("priority", "time_limit"):
            if name in problems:
                raise TemplateError(f"it cannot be used: {problems[name]}.", "Give a number.", name)
        if self.time_limit is not None and self.time_limit <= 0:
            raise TemplateError(f"{self.time_limit!r} is no duration.", "Give seconds, more than 0.", "time_limit")


def fence_after(raised: bool) -> Any:
    """The task's fence after a write that raises it, or does not."""
    return FENCE_RAISED if raised else "$fence"


def history_after(start: TaskState, end: TaskState, by: str, why: str, raised: bool) -> Document:
    """The task's history with one more transition."""
    entry = {
        "at": NOW,
        "start": start,
        "end": end,
        "by": literal(by),
        "why": literal(why),
        "fence": fence_after(raised),
    }
    # Cut off at its old end: a document may have 16 MB, and a task may be tried for weeks while a server is away.
    return {"$slice": [{"$concatArrays": ["$history", [entry]]}, -HISTORY]}


def transition(
    query: Document, start: TaskState, end: TaskState, by: str, why: str, changes: Document, *, fence: bool = False
) -> Write:
    """Filter and update of the write from ``start`` to ``end``."""
    step = _step(start, end, by, why, raised=fence)
    # A task that waits again was chosen once: it is staged at once.
    extra = {"stage": Stage.STAGED} if end is TaskState.WAITING else {}
    return {**query, "status": start}, [{"$set": {**step, **extra, **changes}}]


def waiting_again(start: TaskState) -> Document:
    """What becomes of a finished task that waits again, beside its state; of a DONE one the result is kept."""
    kept = {"kept": "$result"} if start is TaskState.DONE else {}
    fresh = {"failures": 0, "losses": 0, "error": None, "result": None, "not_before": NOW, "ended_at": None}
    return {**fresh, "any_code": False, **kept}  # a person's leave to use other code held for that retry


def cancelling(start: TaskState, by: str) -> Document:
    """What cancelling a task changes: it is CANCELLED, or DONE again if it has kept its earlier result."""
    cancelled = {**_step(start, TaskState.CANCELLED, by, "cancelled", raised=True), **GONE}
    # Decided inside the write: whether there is an earlier result may change between a look and the write.
    has_kept = {"$ne": [{"$ifNull": ["$kept", None]}, None]}
    given_back = giving_back(start, by).items()
    return {name: {"$cond": [has_kept, value, cancelled.get(name, f"${name}")]} for name, value in given_back}


def giving_back(start: TaskState, by: str) -> Document:
    """What changes when a task that was to be trained again is DONE as before, with the result that it has kept."""
    step = _step(start, TaskState.DONE, by, "cancelled: its earlier result counts again", raised=True)
    return {**step, **GONE, "result": "$kept", "kept": None, "error": None, "backfill": None}


def _step(start: TaskState, end: TaskState, by: str, why: str, *, raised: bool) -> Document:
    TASK_STATES.check(start, end)
    history = history_after(start, end, by, why, raised)
    return {"status": end, "fence": fence_after(raised), "history": history}


def new_document(
    ident: str, pool: str, key: str, definition: Definition, now: datetime, seq: int, options: Options
) -> Document:
    """The document of a task that was just created; ``seq`` orders tasks of one priority."""
    first = {"at": now, "start": None, "end": TaskState.WAITING, "by": "", "why": "created", "fence": 0}
    return {
        "_id": ident,
        "schema": SCHEMA,
        "pool": pool,
        "key": key,
        "status": TASK_STATES.check(None, TaskState.WAITING),
        "priority": options.priority,
        "queue": options.queue,
        "notified_at": None,
        "stage": Stage.HELD if options.held else Stage.UNSTAGED,
        "requested": options.requested.to_dict(),
        "time_limit": options.time_limit,
        "seq": seq,
        "created_at": now,
        "not_before": now,
        "started_at": None,
        "ended_at": None,
        "fence": 0,
        "attempts": 0,
        "failures": 0,
        "losses": 0,
        "lease": None,
        "result": None,
        "kept": None,  # the result of a DONE task that is trained again, until there is a new one
        "claimed_from": TaskState.WAITING,
        "error": None,
        "rounds": [],
        "backfill": None,
        "scheduled_run": None,
        "scheduled_for": 0,
        "position": None,  # tasks/queue/admission.py says what these mean
        "pending": None,
        "segments": {name: list(map(_day, bounds)) for name, bounds in segments_of(definition).items()},
        "history": [first],
        "member": str(definition.get(MEMBER, "")),
        "definition": definition,
    }


def _day(bound: Any) -> Any:
    """A date as text: a template may write it as a number."""
    return str(bound) if isinstance(bound, int | float) else bound


def to_claim(found: Candidate, worker: str, seen: int, claimed_from: TaskState) -> Claim:
    """The claim on a task that is taken from the state ``claimed_from``; ``found`` is how it was before."""
    return Claim(
        task_id=found.id,
        pool=found.pool,
        key=found.key,
        queue=found.queue,
        fence=found.fence + 1,
        worker=worker,
        attempt=found.attempts + 1,
        failures=found.failures,
        definition=found.definition,
        time_limit=found.time_limit,
        claimed_from=claimed_from,
        partial=found.result,
        rounds=found.rounds,
        seen=seen,
        backfill=found.backfill,
        any_code=found.any_code,
        scheduled_run=found.scheduled_run if found.scheduled_for == found.attempts + 1 else None,
    )


FIX = "It is written down as FAILED where it is met: see `rollq tasks show`."
TASKS = Reader("tasks", "task", Task, FIX)
RESOURCES = strict(Resources)
CANDIDATE_READER = Reader("tasks", "task", Candidate, FIX)

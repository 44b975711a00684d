"""How tasks look in MongoDB: documents and the pieces of pipeline updates. Used by ``TaskPools`` alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollq.tasks.broker.messages import check_label
from rollq.tasks.errors import DocumentCorrupted, TemplateError
from rollq.tasks.mongo.client import Document
from rollq.tasks.mongo.expressions import NOW, Write, literal
from rollq.tasks.queue.states import Stage, TaskState, check_transition
from rollq.tasks.queue.task import Claim, Definition, Task, Transition, segments_of
from rollq.tasks.queue.validation import flaw, mended
from rollq.tasks.resources import Needs

HISTORY = 200  # transitions kept per task
GONE = {"lease": None, "turn": None, "ended_at": NOW}


@dataclass(frozen=True)
class Options:
    """How new tasks are to be run; no part of their identity. ``time_limit`` is in seconds.

    Raises:
        TemplateError: a value is of the wrong type or out of range.
    """

    priority: int
    queue: str
    held: bool
    needs: Needs
    time_limit: float | None

    def __post_init__(self) -> None:
        """Refuse what could be stored but never be run."""
        check_label(self.queue, "queue")
        limit = self.time_limit
        for name, value in (("priority", self.priority), ("time_limit", limit)):
            if why := flaw({"_id": "", name: value}):
                raise TemplateError(f"it cannot be used: {why}.", "Give a number.", name)
        if limit is not None and limit <= 0:
            raise TemplateError(f"{limit!r} is no duration.", "Give seconds, more than 0.", "time_limit")


def fence_after(raised: bool) -> Any:
    """The task's fence after a write that raises it, or does not."""
    return {"$add": ["$fence", 1]} if raised else "$fence"


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
    return {"$slice": [{"$concatArrays": ["$history", [entry]]}, -HISTORY]}


def transition(
    query: Document, start: TaskState, end: TaskState, by: str, why: str, changes: Document, *, fence: bool = False
) -> Write:
    """Filter and update of the write from ``start`` to ``end``."""
    step = _step(start, end, by, why, raised=fence)
    # A task that waits again was chosen once: it need not come from far again.
    extra = {"stage": Stage.NEAR} if end is TaskState.WAITING else {}
    return {**query, "status": start}, [{"$set": {**step, **extra, **changes}}]


def waiting_again(start: TaskState) -> Document:
    """What becomes of a finished task that waits again, beside its state; of a DONE one the result is kept."""
    kept = {"kept": "$result"} if start is TaskState.DONE else {}
    fresh = {"failures": 0, "losses": 0, "error": None, "result": None, "not_before": NOW, "ended_at": None}
    return {**fresh, "any_code": False, **kept}  # a person's leave to use other code held for that retry


def cancelling(start: TaskState, by: str) -> Document:
    """What cancelling a task changes: it is CANCELLED, or DONE again if it has kept its earlier result."""
    cancelled = {**_step(start, TaskState.CANCELLED, by, "cancelled", raised=True), **GONE}
    has_kept = {"$ne": [{"$ifNull": ["$kept", None]}, None]}
    given_back = giving_back(start, by).items()
    return {name: {"$cond": [has_kept, value, cancelled.get(name, f"${name}")]} for name, value in given_back}


def giving_back(start: TaskState, by: str) -> Document:
    """What changes when a task that was to be trained again is DONE as before, with the result that it has kept."""
    step = _step(start, TaskState.DONE, by, "cancelled: its earlier result counts again", raised=True)
    return {**step, **GONE, "result": "$kept", "kept": None, "error": None, "backfill": None}


def _step(start: TaskState, end: TaskState, by: str, why: str, *, raised: bool) -> Document:
    check_transition(start, end)
    history = history_after(start, end, by, why, raised)
    return {"status": end, "fence": fence_after(raised), "history": history}


def new_document(
    ident: str, pool: str, key: str, definition: Definition, now: datetime, seq: int, options: Options
) -> Document:
    """The document of a task that was just created; ``seq`` orders tasks of one priority."""
    first = {"at": now, "start": None, "end": TaskState.WAITING, "by": "", "why": "created", "fence": 0}
    return {
        "_id": ident,
        "pool": pool,
        "key": key,
        "status": TaskState.WAITING,
        "priority": options.priority,
        "queue": options.queue,
        "rung_at": None,
        "stage": Stage.HELD if options.held else Stage.FAR,
        "needs": options.needs.to_dict(),
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
        "home": TaskState.WAITING,
        "error": None,
        "rounds": [],
        "backfill": None,
        "place": None,  # tasks/queue/admission.py says what these mean
        "turn": None,
        "segments": {name: list(bounds) for name, bounds in segments_of(definition).items()},
        "history": [first],
        "definition": definition,
    }


def to_task(document: Document) -> Task:
    """The record of a document; its definition may have been left out. A corrupted one is shown as a FAILED task."""
    if why := flaw(document, whole=True):
        document = mended(document, why)
    lease = document.get("lease") or {}
    result, kept = document["result"], document.get("kept")
    segments = document.get("segments") or segments_of(document.get("definition") or {})
    return Task(
        id=document["_id"],
        pool=document["pool"],
        key=document["key"],
        status=TaskState(document["status"]),
        priority=document["priority"],
        queue=document["queue"],
        held=document["stage"] == Stage.HELD,
        needs=Needs(**document["needs"]),
        time_limit=document["time_limit"],
        seq=document["seq"],
        segments={name: (bounds[0], bounds[1]) for name, bounds in segments.items()},
        created_at=document["created_at"],
        not_before=document["not_before"],
        started_at=document["started_at"],
        ended_at=document["ended_at"],
        fence=document["fence"],
        attempts=document["attempts"],
        failures=document["failures"],
        losses=document["losses"],
        worker=lease.get("worker"),
        lease_expires_at=lease.get("expires_at"),
        result=kept if result is None else result,
        kept=kept,
        error=document["error"],
        home=TaskState(document["home"]),
        rounds=tuple(document["rounds"]),
        backfill=document.get("backfill"),
        any_code=document.get("any_code", False),
        history=tuple(_transition(entry) for entry in document["history"]),
        definition=document.get("definition") or {},
    )


def to_claim(document: Document, worker: str, lease_seconds: float, seen: int, home: TaskState) -> Claim:
    """The claim on a task that was just taken from the state ``home``; ``document`` is as it was before.

    Raises:
        DocumentCorrupted: a field of it is not as rollq writes it.
    """
    if why := flaw(document):
        raise DocumentCorrupted(f"Task {document['_id']} cannot be run: {why}.")
    return Claim(
        task_id=document["_id"],
        pool=document["pool"],
        key=document["key"],
        queue=document["queue"],
        fence=document["fence"] + 1,
        worker=worker,
        attempt=document["attempts"] + 1,
        failures=document["failures"],
        definition=document["definition"],
        lease_seconds=lease_seconds,
        time_limit=document["time_limit"],
        home=home,
        partial=document["result"],
        rounds=tuple(document["rounds"]),
        seen=seen,
        backfill=document.get("backfill"),
        any_code=document.get("any_code", False),
    )


def _transition(entry: Document) -> Transition:
    start = TaskState(entry["start"]) if entry["start"] else None
    return Transition(entry["at"], start, TaskState(entry["end"]), entry["by"], entry["fence"], entry["why"])

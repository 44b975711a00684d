"""How tasks look in MongoDB: documents and the pieces of pipeline updates. Used by ``tasks/manager.py`` alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tasks.states import TaskState
from tasks.store import Document
from tasks.task import Claim, Definition, Task, Transition, segments_of

NOW = "$$NOW"  # the server's clock: a worker's own clock is never written
HISTORY = 200  # transitions kept per task


def literal(value: Any) -> Document:
    """``value`` as it is; without this, a text that starts with ``$`` would be read as the name of a field."""
    return {"$literal": value}


def later(seconds: float) -> Document:
    """The server's time plus ``seconds``."""
    return {"$dateAdd": {"startDate": NOW, "unit": "millisecond", "amount": int(seconds * 1000)}}


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


def new_document(
    ident: str,
    pool: str,
    key: str,
    definition: Definition,
    now: datetime,
    seq: int,
    priority: int,
    queue: str,
    held: bool,
) -> Document:
    """The document of a task that was just created; ``seq`` orders tasks of one priority."""
    first = {"at": now, "start": None, "end": TaskState.WAITING, "by": "", "why": "created", "fence": 0}
    return {
        "_id": ident,
        "pool": pool,
        "key": key,
        "status": TaskState.WAITING,
        "priority": priority,
        "queue": queue,
        "held": held,
        "rung": False,
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
        "error": None,
        "rounds": [],
        "segments": {name: list(bounds) for name, bounds in segments_of(definition).items()},
        "history": [first],
        "definition": definition,
    }


def to_task(document: Document) -> Task:
    """The record of a document; its definition may have been left out."""
    lease = document.get("lease") or {}
    segments = document.get("segments") or segments_of(document.get("definition") or {})
    return Task(
        id=document["_id"],
        pool=document["pool"],
        key=document["key"],
        status=TaskState(document["status"]),
        priority=document["priority"],
        queue=document["queue"],
        held=document["held"],
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
        result=document["result"],
        error=document["error"],
        history=tuple(_transition(entry) for entry in document["history"]),
        definition=document.get("definition") or {},
    )


def to_claim(document: Document, worker: str, lease_seconds: float) -> Claim:
    """The claim on a task that was just taken."""
    return Claim(
        task_id=document["_id"],
        pool=document["pool"],
        key=document["key"],
        fence=document["fence"],
        worker=worker,
        attempt=document["attempts"],
        failures=document["failures"],
        definition=document["definition"],
        lease_seconds=lease_seconds,
    )


def _transition(entry: Document) -> Transition:
    start = TaskState(entry["start"]) if entry["start"] else None
    return Transition(entry["at"], start, TaskState(entry["end"]), entry["by"], entry["fence"], entry["why"])

"""Invalid documents of tasks: what is valid in one is kept, and it becomes a FAILED task that says why.

Others can write to the database too, by mistake or not. An invalid task is shown as FAILED, and dead-lettered as such
by the first worker or sweep that stumbles over it (``tasks/queue/dead_letters.py``): it blocks no other task.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from rollq.tasks.errors import DocumentCorrupted
from rollq.tasks.mongo.client import Document
from rollq.tasks.mongo.records import LARGEST, as_seen
from rollq.tasks.queue.documents import TASKS, Options, new_document
from rollq.tasks.queue.states import TASK_STATES, TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.resources import Resources

NO_DEFINITION = {"definition": None}  # it is left out where many tasks are read, so its record need not have one
OPTIONS = Options(priority=0, queue="default", held=False, requested=Resources(), time_limit=None)


def to_task(document: Document) -> Task:
    """The record of a document; its definition may have been left out. An invalid one is shown as a FAILED task."""
    try:
        return TASKS.read(document)
    except DocumentCorrupted:
        shown = sanitized(document, datetime.now(UTC))
        return replace(TASKS.read({**shown, "_id": str(shown["_id"])}), id=shown["_id"])


def problem(document: Document) -> str:
    """What is wrong with the whole document of a task, its definition included; empty if it is valid."""
    return TASKS.problem({**NO_DEFINITION, **document})


def dead_lettering(document: Document, now: datetime) -> tuple[Document, Document]:
    """Filter and replacement of the write that makes a FAILED task of an invalid document.

    Raises:
        InvalidTransition: it is finished: it stays as it is.
    """
    return as_seen(document, TASK_STATES, TaskState.FAILED), sanitized({**NO_DEFINITION, **document}, now)


def sanitized(document: Document, now: datetime) -> Document:
    """The invalid document of a task as that of a FAILED one that says why; what is valid in it is kept."""
    problems = TASKS.invalid(document)
    ident = str(document["_id"])
    fresh = {**new_document(ident, "", ident, {}, now, 0, OPTIONS), "history": []}
    valid = {name: value for name, value in document.items() if name not in problems}
    if "pool" not in valid:
        valid["key"] = ident  # (pool, key) is unique
    start = TaskState(valid["status"]) if "status" in valid else None
    message = f"Its document is invalid: {next(iter(problems.values()), 'it is not known why')}."
    fence = _fence_after(document)
    last = {"at": now, "start": start, "end": TaskState.FAILED, "by": "", "why": message, "fence": fence}
    return {
        **fresh,
        **valid,
        "_id": document["_id"],
        "status": TaskState.FAILED,
        "lease": None,
        "error": {"type": "DocumentCorrupted", "message": message, "permanent": True},
        "ended_at": now,
        "fence": fence,
        "history": [*valid.get("history", []), last],
    }


def _fence_after(document: Document) -> int:
    """A fence that no claim on the task can have."""
    history = document.get("history")
    entries = [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []
    fences = [document.get("fence"), *(entry.get("fence") for entry in entries)]
    # Higher than any that is known: a worker that still holds the task is refused from now on.
    return max([one for one in fences if isinstance(one, int) and 0 <= one < LARGEST], default=0) + 1

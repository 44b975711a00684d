"""Whether a document of a task is as rollq writes it. Others can write to the database too, by mistake or not.

A document that is not sound is shown as FAILED, and set aside as such by the first worker or sweep that stumbles over
it (``tasks/queue/dead_letters.py``): it blocks no other task.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rollq.tasks.mongo.client import Document
from rollq.tasks.queue.states import Stage, TaskState
from rollq.tasks.resources import Needs

LARGEST = 2**53  # whole numbers that every program reads alike
BOUND = (str, int, float, type(None))  # a date in any form that the calendar reads
NEEDS = set(Needs().to_dict())
Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_time(value: Any) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _is_amount(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_needs(value: Any) -> bool:
    return isinstance(value, dict) and set(value) <= NEEDS and all(map(_is_amount, value.values()))


def _is_lease(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_text(value.get("worker")) or not _is_time(value.get("expires_at")):
        return False
    return value.get("memory_mb") is None or _is_amount(value["memory_mb"])


def _is_segments(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(bounds, list) and len(bounds) == 2 and all(isinstance(bound, BOUND) for bound in bounds)
        for bounds in value.values()
    )


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_transition, value))


def _is_transition(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_time(value.get("at")) or not _is_count(value.get("fence")):
        return False
    if not (_is_text(value.get("end")) and value["end"] in STATES):
        return False
    start = value.get("start", 0)
    known = start is None or (_is_text(start) and start in STATES)
    return known and _is_text(value.get("by")) and _is_text(value.get("why"))


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _one_of(values: frozenset[str]) -> Check:
    return lambda value: isinstance(value, str) and value in values


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


STATES = frozenset(map(str, TaskState))
# What each field must be, and what stands in for it in a document that is set aside.
FIELDS: dict[str, tuple[Check, Any]] = {
    "pool": (_is_text, ""),
    "key": (_is_text, None),
    "status": (_one_of(STATES), TaskState.FAILED),
    "home": (_one_of(STATES), TaskState.WAITING),
    "priority": (_is_whole, 0),
    "queue": (_is_text, "default"),
    "stage": (_one_of(frozenset(map(str, Stage))), Stage.NEAR),
    "needs": (_is_needs, {}),
    "time_limit": (_optional(_is_amount), None),
    "seq": (_is_whole, 0),
    "created_at": (_is_time, None),
    "not_before": (_is_time, None),
    "rung_at": (_optional(_is_time), None),
    "started_at": (_optional(_is_time), None),
    "ended_at": (_optional(_is_time), None),
    "fence": (_is_count, None),
    "attempts": (_is_count, 0),
    "failures": (_is_count, 0),
    "losses": (_is_count, 0),
    "lease": (_optional(_is_lease), None),
    "result": (_optional(_is_mapping), None),
    "kept": (_optional(_is_mapping), None),
    "error": (_optional(_is_mapping), None),
    "rounds": (_is_texts, []),
    "backfill": (_optional(_is_text), None),
    "any_code": (_is_truth, False),
    "segments": (_is_segments, {}),
    "history": (_is_history, []),
    "definition": (_is_mapping, {}),
}


ROUND_FIELDS: dict[str, tuple[Check, Any]] = {
    "pool": (_is_text, ""),
    "task_ids": (_is_texts, []),
    "policy": (_is_text, "all"),
    "purpose": (_is_mapping, {}),
    "status": (_one_of(frozenset({"open", "gathering", "gathered", "failed"})), "failed"),
    "held": (_is_truth, False),
    "after": (_is_texts, []),
    "free": (_is_truth, True),
    "fence": (_is_count, 0),
    "lease": (_optional(_is_lease), None),
    "created_at": (_is_time, None),
    "finished_at": (_optional(_is_time), None),
    "result": (_optional(_is_mapping), None),
    "reason": (_is_text, ""),
}
MAY_LACK = {
    "any_code",
    "backfill",
    "definition",
    "kept",
}  # documents of earlier versions; what was read without the definition


def flaw(document: Document, *, whole: bool = False) -> str:
    """What is wrong with a document, in a few words; empty if it is sound.

    Args:
        whole: fields may not be missing; else only those that are there are looked at, as after a projection.
    """
    if why := _flaw_among(FIELDS, document, whole):
        return why
    if document.get("status") == TaskState.RUNNING and "lease" in document and document["lease"] is None:
        return "it is RUNNING without a lease"
    return ""


def round_flaw(document: Document) -> str:
    """What is wrong with the document of a round; empty if it is sound."""
    return _flaw_among(ROUND_FIELDS, document, whole=True)


def _flaw_among(fields: dict[str, tuple[Check, Any]], document: Document, whole: bool) -> str:
    if not _is_text(document.get("_id")):
        return "its id is no text"
    for name, (check, _) in fields.items():
        if name not in document:
            if whole and name not in MAY_LACK:
                return f"{name} is missing"
        elif not check(document[name]):
            return f"{name} is {ascii(document[name])[:60]}"
    return ""


def mended_round(document: Document, why: str, now: datetime | None = None) -> Document:
    """The document of a round as a failed one that says why; what is sound in it is kept."""
    at = now or datetime.now(UTC)
    fields: Document = {
        name: document[name] if name in document and check(document[name]) else instead
        for name, (check, instead) in ROUND_FIELDS.items()
    }
    ended = {"status": "failed", "lease": None, "finished_at": at, "reason": f"Its document is corrupted: {why}."}
    return {**document, **fields, "created_at": fields["created_at"] or at, **ended}


def mended(document: Document, why: str, now: datetime | None = None) -> Document:
    """The document as a FAILED task that says why; what is sound in it is kept."""
    at = now or datetime.now(UTC)
    stand_ins = {"key": str(document["_id"]), "created_at": at, "not_before": at, "fence": _fence_after(document)}
    fields: Document = {
        name: document[name] if name in document and check(document[name]) else stand_ins.get(name, instead)
        for name, (check, instead) in FIELDS.items()
    }
    start = fields["status"]
    error = {"type": "DocumentCorrupted", "message": f"Its document is corrupted: {why}.", "permanent": True}
    last = {"at": at, "start": start, "end": TaskState.FAILED, "by": "", "why": error["message"]}
    if not _is_text(document.get("pool")):
        fields["key"] = str(document["_id"])  # (pool, key) is unique
    others = {name: value for name, value in document.items() if name not in FIELDS}
    return {
        **others,
        **fields,
        "status": TaskState.FAILED,
        "lease": None,
        "error": error,
        "ended_at": at,
        "fence": stand_ins["fence"],
        "history": [*fields["history"], {**last, "fence": stand_ins["fence"]}],
    }


def _fence_after(document: Document) -> int:
    """A fence that no claim on the task can have."""
    history = document.get("history")
    entries = [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []
    fences: list[Any] = [document.get("fence"), *(entry.get("fence") for entry in entries)]
    return max([int(fence) for fence in fences if _is_count(fence) and fence < LARGEST], default=0) + 1

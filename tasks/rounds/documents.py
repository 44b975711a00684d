"""How rounds look in MongoDB: their states with the one table of changes, the record of a document, and a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rollq.tasks.errors import DocumentCorrupted
from rollq.tasks.leases.leased_documents import LeaseRecord
from rollq.tasks.mongo.client import Document
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Count, Id, Reader
from rollq.tasks.rounds.purpose import Purpose, Serve
from rollq.tasks.state_machine import StateMachine


class RoundState(StrEnum):
    """Where a round is."""

    OPEN = "open"
    GATHERING = "gathering"
    GATHERED = "gathered"
    FAILED = "failed"


OPEN, GATHERING, GATHERED, FAILED = RoundState

# The only legal changes; every write to a round's status is one of these.
ROUND_STATES = StateMachine[RoundState](
    "round",
    {
        None: frozenset({OPEN}),
        OPEN: frozenset({GATHERING, FAILED}),  # FAILED: one that it waits for has failed, or it was given up
        GATHERING: frozenset({GATHERING, OPEN, GATHERED, FAILED}),  # GATHERING: another gatherer, the first one died
        GATHERED: frozenset(),
        FAILED: frozenset({OPEN, FAILED}),  # OPEN: its tasks are tried again; FAILED: it was given up
    },
    corrections=dict.fromkeys((None, OPEN, GATHERING), frozenset({FAILED})),
)


@dataclass(frozen=True)
class Round:
    """A round as it is in the store.

    ``purpose`` says what to do with the models; ``fence`` numbers its gatherers. ``after`` are the rounds that it waits
    for; it is ``unblocked`` once all of them are gathered. While it is ``held`` (delayed) it is not gathered either.
    """

    id: Id
    pool: str
    task_ids: tuple[str, ...]
    policy: str
    purpose: Purpose
    status: RoundState
    held: bool
    after: tuple[str, ...]
    unblocked: bool
    fence: Count
    lease: LeaseRecord | None
    created_at: datetime
    finished_at: datetime | None
    result: dict[str, Any] | None
    reason: str


def to_round(document: Document) -> Round:
    """The record of a document. An invalid one is shown as a failed round."""
    try:
        return ROUNDS.read(document)
    except DocumentCorrupted:
        shown = sanitized(document, datetime.now(UTC))
        return replace(ROUNDS.read({**shown, "_id": str(shown["_id"])}), id=shown["_id"])


def sanitized(document: Document, now: datetime) -> Document:
    """The invalid document of a round as that of a failed one that says why; what is valid in it is kept."""
    problems = ROUNDS.invalid(document)
    valid = {name: value for name, value in document.items() if name not in problems}
    why = next(iter(problems.values()), "it is not known why")
    ended = {"status": FAILED, "lease": None, "finished_at": now, "reason": f"Its document is invalid: {why}."}
    return {**new_document("", "", [], Serve(), now), **valid, "_id": document["_id"], **ended}


def new_document(ident: str, pool: str, task_ids: Sequence[str], purpose: Purpose, now: datetime) -> Document:
    """A round that was just opened, with the options of ``Rounds.create`` at their defaults."""
    return {
        "_id": ident,
        "schema": SCHEMA,
        "pool": pool,
        "task_ids": list(task_ids),
        "policy": "all",
        "purpose": asdict(purpose),
        "status": ROUND_STATES.check(None, OPEN),
        "held": False,
        "after": [],
        "unblocked": True,
        "failed_by_dependency": False,
        "fence": 0,
        "lease": None,
        "created_at": now,
        "finished_at": None,
        "result": None,
        "reason": "",
    }


ROUNDS = Reader("rounds", "round", Round, "It is written down as failed where it is met.")

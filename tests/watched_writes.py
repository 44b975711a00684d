"""Watches what rollq writes, in all tests: is the change of a status in its table, has a new document its schema?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from pymongo import monitoring

from rollq.scheduler.routine.ledger import ROUTINE_STATES
from rollq.tasks.backfills.backfill import BACKFILL_STATES
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.states import TASK_STATES
from rollq.tasks.rounds.documents import ROUND_STATES
from rollq.tasks.state_machine import StateMachine

MACHINES: dict[str, StateMachine[Any]] = {
    "tasks": TASK_STATES,
    "rounds": ROUND_STATES,
    "routines": ROUTINE_STATES,
    "backfills": BACKFILL_STATES,
}
SCRATCH = {"doctor", "looked"}  # what a check writes to see whether it can
TESTS = str(Path(__file__).parent)
Document = Mapping[str, Any]


class WatchedWrites(monitoring.CommandListener):
    """Sees what this process writes; ``wrong`` holds what no table allows, ``seen`` how many writes there were."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.seen = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """A command is on its way."""
        collection = str(event.command.get(event.command_name, ""))
        if event.command_name not in ("insert", "update") or collection in SCRATCH or _is_by_a_test():
            return
        for document in event.command.get("documents", ()):
            self._look_at_new(collection, document)
            if collection in MACHINES:
                self._note(collection, [None], {str(document.get("status"))}, document)
        for one in event.command.get("updates", ()):
            update = one["u"]
            fields = _fields(update)
            if one.get("upsert"):
                self._look_at_new(collection, {**fields, **(update.get("$setOnInsert", {}))})
            if collection in MACHINES and "status" in fields:
                self._note(collection, _starts(one["q"], update), _ends(fields["status"]), one)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Not of interest."""

    def _look_at_new(self, collection: str, document: Document) -> None:
        if document.get("schema") != SCHEMA:
            self.wrong.append(f"{collection}: a new document without its schema: {document}")

    def _note(self, collection: str, starts: list[str | None], ends: set[str], write: Document) -> None:
        self.seen += 1
        if why := violation(MACHINES[collection], starts, ends, correction=not _operators(write.get("u", {"$": 0}))):
            self.wrong.append(f"{collection}: {why}: {write}")


def violation(machine: StateMachine[Any], starts: list[str | None], ends: set[str], *, correction: bool) -> str:
    """Why a write is not in the table; empty if it is."""
    if not starts and not correction:
        return "its filter names no status"
    table = {
        str(start): {*machine.ends(start), *(machine.corrections.get(start, ()) if correction else ())}
        for start in (None, *machine.table)
    }
    for start in starts or [None]:
        if wrong := ends - table.get(str(start), set()):
            return f"{start} -> {', '.join(sorted(wrong))} is not in the table"
    return ""


def _is_by_a_test() -> bool:
    """Whether a test writes, and not rollq: the first caller that belongs to one of them says so."""
    frame: FrameType | None = sys._getframe(2)
    while frame:
        name = frame.f_code.co_filename
        if "site-packages" not in name and not name.startswith(sys.base_prefix):
            return name.startswith(TESTS)
        frame = frame.f_back
    return True


def _operators(update: Any) -> bool:
    return isinstance(update, list) or any(name.startswith("$") for name in update)


def _fields(update: Any) -> dict[str, Any]:
    steps = update if isinstance(update, list) else [update]
    found: dict[str, Any] = {}
    for step in steps:
        found |= dict(step.get("$set", {})) if _operators(step) else dict(step)
    return found


def _ends(value: Any) -> set[str]:
    """The states that an expression may come to; ``$status`` is no change."""
    if isinstance(value, Mapping) and "$cond" in value:
        return _ends(value["$cond"][1]) | _ends(value["$cond"][2])
    return set() if str(value).startswith("$") else {str(value)}


def _starts(query: Document, update: Any) -> list[str | None]:
    """The states that the filter, or a condition of the update, asks for."""
    return [*_of_filter(query), *_of_conditions(_fields(update).get("status"))]


def _of_filter(query: Document) -> Iterator[str]:
    for name, value in query.items():
        if name in ("$or", "$and"):
            for part in value:
                yield from _of_filter(part)
        elif name == "status":
            yield from map(str, value["$in"] if isinstance(value, Mapping) else [value])


def _of_conditions(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(sides := value.get("$eq"), list) and sides[0] == "$status":
            yield str(sides[1])
        for part in value.values():
            yield from _of_conditions(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _of_conditions(part)


WRITES = WatchedWrites()
monitoring.register(WRITES)

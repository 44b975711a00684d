"""A task and its failure, as frozen records; documents exist only inside ``TaskQueue``."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from rollq.tasks.components.user_code import place_of
from rollq.tasks.definition import Definition, Segments
from rollq.tasks.failures import Kind, is_permanent, storable, text_of, trace_of
from rollq.tasks.leases.leased_documents import LeaseRecord
from rollq.tasks.mongo.records import Amount, Count, Id
from rollq.tasks.queue.states import Stage, TaskState
from rollq.tasks.resources import Resources

NOT_YET = f"{Kind.NOT_YET}: "  # how the reason of an attempt begins that was made too early
TRACEBACK_CHARS = 4_000  # kept of a traceback: its end, where the cause is
COMMITTED = "committed"  # in a history: why an attempt ended well

REFERENCE_NAMES = {"_id": "id", "def": "definition", "filter": "definition", "res": "result"}


@dataclass(frozen=True)
class Transition:
    """One line of a task's history. ``at`` is UTC, from the store's clock."""

    at: datetime
    start: TaskState | None
    end: TaskState
    by: str
    fence: Count
    why: str = ""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a task: by whom, from when to when (UTC), and how it ended; without an end it is under way."""

    number: int
    worker: str
    fence: int
    started_at: datetime
    ended_at: datetime | None = None
    end: TaskState | None = None
    why: str = ""

    @property
    def is_committed(self) -> bool:
        """Whether its result was committed: a task may be DONE after it with an earlier one."""
        return self.end in (TaskState.DONE, TaskState.PART_DONE) and self.why == COMMITTED

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it is under way."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {**{name: _plain(value) for name, value in asdict(self).items()}, "seconds": self.seconds}


@dataclass(frozen=True)
class Task:
    """A rolling task as it is in the store.

    Times are UTC; ``seq`` orders the tasks of one priority; ``claimed_from`` is its state before the
    last claim; ``kept`` is the earlier result of a task that was DONE and is trained again; until there is something
    newer, ``result`` is the same. ``scheduled_run`` is the MLflow run that the attempt of number ``scheduled_for``
    trains into.
    """

    id: Id
    pool: str
    key: str
    status: TaskState
    priority: int
    queue: str
    stage: Stage
    requested: Resources
    time_limit: Amount | None
    seq: int
    segments: Segments
    created_at: datetime
    not_before: datetime
    started_at: datetime | None
    ended_at: datetime | None
    fence: Count
    attempts: Count
    failures: Count
    losses: Count
    lease: LeaseRecord | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    rounds: tuple[str, ...]
    history: tuple[Transition, ...]
    kept: dict[str, object] | None = None
    claimed_from: TaskState = TaskState.WAITING
    backfill: str | None = None
    any_code: bool = False
    scheduled_run: str | None = None
    scheduled_for: Count = 0
    member: str = ""
    definition: Definition = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Show the kept result where there is no newer one.

        Raises:
            ValueError: it is RUNNING without a holder.
        """
        if self.status is TaskState.RUNNING and self.lease is None:
            raise ValueError("it is RUNNING without a lease")
        if self.result is None:
            # The record is frozen; while it is made its one derived field is filled in.
            object.__setattr__(self, "result", self.kept)

    def __getitem__(self, name: str) -> Any:
        """A field by its name; the reference's names ``_id``, ``def``, ``filter`` and ``res`` too.

        Raises:
            KeyError: there is no such field.
        """
        target = REFERENCE_NAMES.get(name, name)
        if target not in self.__dataclass_fields__ and not isinstance(getattr(type(self), target, None), property):
            raise KeyError(name)
        return getattr(self, target)

    def keys(self) -> tuple[str, ...]:
        """What the reference's document of this task has; there is no ``res`` before there is a result."""
        return ("_id", "def", "filter", "status", "priority", *(("res",) if self.result is not None else ()))

    def __iter__(self) -> Iterator[str]:
        """Over ``keys``, as over those of a document."""
        return iter(self.keys())

    def __contains__(self, name: object) -> bool:
        """Whether there is such a field."""
        known = {*self.keys(), *(one.name for one in fields(self))}
        return name in known

    def get(self, name: str, default: Any = None) -> Any:
        """A field by its name, as of a document: ``default`` if there is none."""
        try:
            return self[name]
        except KeyError:
            return default

    def items(self) -> list[tuple[str, Any]]:
        """The fields of ``keys``."""
        return [(name, self[name]) for name in self.keys()]

    @property
    def held(self) -> bool:
        """Whether a person or a backfill keeps it from being claimed."""
        return self.stage is Stage.HELD

    @property
    def worker(self) -> str | None:
        """Who runs it; None unless it is RUNNING."""
        return self.lease.worker if self.lease else None

    @property
    def lease_expires_at(self) -> datetime | None:
        """When its lease runs out; None unless it is RUNNING."""
        return self.lease.expires_at if self.lease else None

    @property
    def committed(self) -> dict[str, object] | None:
        """The result that counts: of a DONE task its own, of one that is trained again the earlier one."""
        return self.result if self.status is TaskState.DONE else self.kept

    @property
    def partial(self) -> dict[str, object] | None:
        """What the first of two phases came to."""
        return None if self.status is TaskState.DONE or self.result is self.kept else self.result

    def attempts_made(self) -> list[Attempt]:
        """The attempts in the history, oldest first."""
        made: list[Attempt] = []
        for step in self.history:
            if step.end is TaskState.RUNNING:
                made.append(Attempt(len(made) + 1, step.by, step.fence, step.at))
            elif step.start is TaskState.RUNNING and made:
                made[-1] = replace(made[-1], ended_at=step.at, end=step.end, why=step.why)
        # Numbered from the end, which is there in any case.
        forgotten = self.attempts - len(made)  # a long history keeps its last transitions only
        return [replace(one, number=one.number + forgotten) for one in made]

    @property
    def given_back(self) -> str:
        """Why the last attempt was given back untried; empty if it was not, or if the task is not WAITING since."""
        last = self.history[-1] if self.history else None
        if self.status is not TaskState.WAITING or last is None or last.start is not TaskState.RUNNING:
            return ""
        return "" if (self.error or {}).get("attempt") == self.attempts else last.why

    @property
    def not_yet(self) -> str:
        """What it waits for that was not there at the last attempt; empty if there is no such thing."""
        return self.given_back.removeprefix(NOT_YET) if self.given_back.startswith(NOT_YET) else ""

    def to_dict(self) -> dict[str, object]:
        """JSON-able: times as ISO 8601 with zone."""
        derived = {"held": self.held, "worker": self.worker, "lease_expires_at": self.lease_expires_at}
        shown = {name: value for name, value in asdict(self).items() if name not in ("lease", "stage")}
        return {name: _plain(value) for name, value in {**shown, **derived}.items()}


@dataclass(frozen=True)
class TaskError:
    """Why an attempt failed; ``traceback`` is shortened to its end, ``where`` is the line of the user's own code."""

    type: str
    message: str
    traceback: str = ""
    host: str = ""
    permanent: bool = False
    where: str = ""

    @classmethod
    def of(cls, error: BaseException) -> TaskError:
        """What is kept of an exception."""
        text, name = trace_of(error, TRACEBACK_CHARS), storable(type(error).__name__)
        return cls(name, text_of(error), text, socket.gethostname(), is_permanent(error), place_of(error))


@dataclass(frozen=True)
class Created:
    """What ``create_tasks`` did: ids in the order of the definitions, and how many of them were new."""

    ids: tuple[str, ...]
    new: int

    @property
    def existing(self) -> int:
        """How many were in the pool already, or given twice."""
        return len(self.ids) - self.new


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

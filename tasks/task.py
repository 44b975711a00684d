"""A task, a claim on it, and its failure, as frozen records; documents exist only inside ``TaskPools``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from tasks.needs import Needs
from tasks.states import TaskState

Definition = dict[str, Any]
Segments = dict[str, tuple[str | None, str | None]]


@dataclass(frozen=True)
class Transition:
    """One line of a task's history. ``at`` is UTC, from the store's clock."""

    at: datetime
    start: TaskState | None
    end: TaskState
    by: str
    fence: int
    why: str = ""


@dataclass(frozen=True)
class Task:
    """A rolling task as it is in the store.

    Times are UTC; ``lease_expires_at`` is None unless it is RUNNING; ``seq`` orders the tasks of one priority.
    """

    id: str
    pool: str
    key: str
    status: TaskState
    priority: int
    queue: str
    held: bool
    needs: Needs
    time_limit: float | None
    seq: int
    segments: Segments
    created_at: datetime
    not_before: datetime
    started_at: datetime | None
    ended_at: datetime | None
    fence: int
    attempts: int
    failures: int
    losses: int
    worker: str | None
    lease_expires_at: datetime | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    history: tuple[Transition, ...] = ()
    definition: Definition = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: times as ISO 8601 with zone."""
        return {name: _plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Claim:
    """A worker's right to run a task, valid while ``fence`` is the task's fence.

    ``lease_seconds`` is its length, ``time_limit`` how many seconds the attempt may take; ``seen`` is how many rung
    tasks it was chosen from, at most ``claims.CANDIDATES``.
    """

    task_id: str
    pool: str
    key: str
    queue: str
    fence: int
    worker: str
    attempt: int
    failures: int
    definition: Definition = field(repr=False)
    lease_seconds: float = 30.0
    time_limit: float | None = None
    rounds: tuple[str, ...] = ()
    seen: int = 0


@dataclass(frozen=True)
class TaskError:
    """Why an attempt failed; ``traceback`` is shortened to its end."""

    type: str
    message: str
    traceback: str = ""
    host: str = ""
    permanent: bool = False


@dataclass(frozen=True)
class Created:
    """What ``create_tasks`` did: ids in the order of the definitions, and how many of them were new."""

    ids: tuple[str, ...]
    new: int

    @property
    def existing(self) -> int:
        """How many were in the pool already, or given twice."""
        return len(self.ids) - self.new


def segments_of(definition: Mapping[str, Any]) -> Segments:
    """The segments of a definition, empty if it has none."""
    kwargs = (definition.get("dataset") or {}).get("kwargs") or {}
    return {name: (bounds[0], bounds[1]) for name, bounds in (kwargs.get("segments") or {}).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

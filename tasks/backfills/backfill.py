"""A backfill as a frozen record: its states, the one table of their changes, and which windows it takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from rollq.tasks.mongo.records import Id, Reader
from rollq.tasks.state_machine import StateMachine

INNER = {"positions", "cursor", "admitted", "step", "touched_at"}
MICROSECONDS = 1_000_000  # tasks of one priority go by the time when they were made, in microseconds


class BackfillState(StrEnum):
    """Where a backfill is in its life."""

    PREPARING = "preparing"  # its tasks are being made; none is admitted
    ACTIVE = "active"
    PAUSED = "paused"  # nothing is admitted; what runs goes on
    FINISHED = "finished"  # every task is finished, well or not
    CANCELLED = "cancelled"


class BackfillMode(StrEnum):
    """Which windows of the range a backfill takes."""

    MISSING = "missing"  # those without a DONE task
    FAILED = "failed"  # those whose task failed, was quarantined or cancelled
    ALL = "all"  # every one; DONE ones are trained anew


PREPARING, ACTIVE, PAUSED = BackfillState.PREPARING, BackfillState.ACTIVE, BackfillState.PAUSED
FINISHED, CANCELLED = BackfillState.FINISHED, BackfillState.CANCELLED

# The only legal changes; every write to a backfill's status is one of these.
BACKFILL_STATES = StateMachine[BackfillState](
    "backfill",
    {
        None: frozenset({PREPARING}),
        PREPARING: frozenset({ACTIVE, CANCELLED}),
        ACTIVE: frozenset({PAUSED, FINISHED, CANCELLED}),
        PAUSED: frozenset({ACTIVE, FINISHED, CANCELLED}),
        FINISHED: frozenset(),
        CANCELLED: frozenset(),
    },
    ended="It has ended: create another one, `rollq backfill create`.",
)


@dataclass(frozen=True)
class Backfill:
    """A backfill as it is in the store. Times are UTC, from the store's clock.

    ``positions`` is more than the highest position of its tasks; below ``cursor`` hardly any task is pending.
    ``admitted`` holds the ids of those that were admitted, or are about to be, and not seen finished; each change of it
    raises ``step``. ``going_since`` is when it last became active. ``settled``: nothing is left to do for ``advance``;
    then ``counts`` says how its tasks ended.
    """

    id: Id
    pool: str
    strategy: str
    mode: BackfillMode
    start: str
    end: str
    max_active: int | None
    newest_first: bool
    status: BackfillState
    reason: str
    total: int
    positions: int
    cursor: int
    admitted: tuple[str, ...]
    step: int
    created_at: datetime
    touched_at: datetime
    started_at: datetime | None
    going_since: datetime | None
    ended_at: datetime | None
    cancel_running: bool
    settled: bool
    counts: dict[str, int] | None

    @property
    def by(self) -> str:
        """How it signs what it does to tasks."""
        return f"backfill {self.id}"

    @property
    def first_seq(self) -> int:
        """The ``seq`` of its first task: its tasks come after those that were made before it."""
        return int(self.created_at.timestamp() * MICROSECONDS)

    def to_dict(self) -> dict[str, object]:
        """JSON-able: times as ISO 8601 with zone; how it finds its next tasks is left out."""
        shown = {name: value for name, value in asdict(self).items() if name not in INNER}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in shown.items()}


BACKFILLS = Reader(
    "backfills",
    "backfill",
    Backfill,
    "Repair the document, or delete it and let its tasks go: `rollq tasks unhold`.",
)

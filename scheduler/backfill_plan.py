"""Plans of backfills: which windows of a template a backfill takes, and what becomes of each. And how it begins.

A backfill trains; it does not promote: no online set comes of it. Only failed rounds whose tasks it tries again are
opened again, as ``rollq tasks retry`` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from rollq.scheduler.strategies.plan import Plan, member_of
from rollq.tasks.backend import Backend
from rollq.tasks.backfills.backfill import Backfill, BackfillMode
from rollq.tasks.backfills.driver import INTERRUPTED
from rollq.tasks.client.reuse import NEW, REUSED, judge
from rollq.tasks.definition import Definition, segments_of
from rollq.tasks.errors import CalendarError, RollqError
from rollq.tasks.queue.admission import Attachment, Position
from rollq.tasks.queue.states import ACTIVE, TaskState
from rollq.tasks.queue.task_store import CHUNK
from rollq.tasks.rolling.task_options import TaskOptions


class Fate(StrEnum):
    """What a backfill does with a window."""

    CREATE = "create"  # it has no task yet
    RETRY = "retry"  # its task ended without a result
    ANEW = "train anew"  # its task is DONE
    LEAVE = "leave"


@dataclass(frozen=True)
class BackfillWindow:
    """A window in the range of a backfill, what is done with it, and why."""

    task_id: str
    test: tuple[str, str]
    fate: Fate
    why: str
    definition: Definition = field(repr=False)
    position: Position | None = field(default=None, repr=False)

    @property
    def member(self) -> str:
        """Which of the models it is of that serve together; empty if one serves alone."""
        return member_of(self.definition)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        segments = {name: list(bounds) for name, bounds in segments_of(self.definition).items()}
        return {"task": self.task_id, "segments": segments, "fate": self.fate, "why": self.why}


@dataclass(frozen=True)
class BackfillPlan:
    """The windows that meet the range from ``start`` to ``end``, in the order in which they are admitted."""

    pool: str
    strategy: str
    mode: BackfillMode
    start: str
    end: str
    newest_first: bool
    windows: tuple[BackfillWindow, ...]
    options: TaskOptions

    @property
    def chosen(self) -> list[BackfillWindow]:
        """The windows that the backfill takes."""
        return [window for window in self.windows if window.fate is not Fate.LEAVE]

    def counts(self) -> dict[str, int]:
        """How many windows there are of each fate."""
        found = Counter(window.fate for window in self.windows)
        return {str(fate): found[fate] for fate in Fate}

    def left(self) -> dict[str, int]:
        """Why windows are left as they are, and how many for each reason."""
        return dict(Counter(window.why for window in self.windows if window.fate is Fate.LEAVE))


def read_span(start: str, end: str) -> tuple[str, str]:
    """First and last day as ``YYYY-MM-DD``.

    Raises:
        CalendarError: one is no date, or they are in the wrong order.
    """
    first, last = (_day(text, name) for text, name in ((start, "--from"), (end, "--to")))
    if first > last:
        raise CalendarError(f"--from {first} is after --to {last}.", "Swap the two dates.")
    return first, last


def plan_backfill(
    plan: Plan,
    backend: Backend | None,
    span: tuple[str, str],
    *,
    mode: BackfillMode = BackfillMode.MISSING,
    pool: str | None = None,
    newest_first: bool = False,
) -> BackfillPlan:
    """Which windows of ``plan`` a backfill of the days ``span`` takes.

    Args:
        backend: where its tasks are; None: nowhere yet.
        pool: by default the strategy's name.

    Raises:
        CalendarError: no window's test segment meets the days.
    """
    where = pool or plan.strategy
    definitions = sorted(_meeting(plan, span), key=_test, reverse=newest_first)
    verdicts = judge(backend.tasks.reader if backend else None, where, definitions)
    positions = backend.tasks.admission.positions([verdict.task_id for verdict in verdicts]) if backend else {}
    live = _live(backend, positions)
    windows = []
    for verdict, definition in zip(verdicts, definitions, strict=True):
        found = positions.get(verdict.task_id)
        fate, why = fate_of(found, mode, live)
        if fate is Fate.CREATE:
            why = verdict.why
        windows.append(BackfillWindow(verdict.task_id, _test(definition), fate, why, definition, found))
    return BackfillPlan(where, plan.strategy, mode, *span, newest_first, tuple(windows), plan.options)


def fate_of(found: Position | None, mode: BackfillMode, live: set[str]) -> tuple[Fate, str]:
    """What becomes of a window whose task stands so, and why.

    Args:
        live: ids of the backfills that still go on.
    """
    if found is None:
        return (Fate.LEAVE, "never created") if mode is BackfillMode.FAILED else (Fate.CREATE, NEW)
    if found.status is TaskState.DONE and mode is not BackfillMode.ALL:
        return Fate.LEAVE, REUSED
    if found.backfill in live:
        return Fate.LEAVE, f"belongs to backfill {found.backfill}"
    # It waits for a position in a backfill that has ended: without another one it would wait for ever.
    if found.status is TaskState.WAITING and found.pending is not None:
        return Fate.RETRY, f"left behind by backfill {found.backfill}"
    if found.status in ACTIVE:
        return Fate.LEAVE, f"already under way: {found.status}"
    if found.status is TaskState.DONE:
        return Fate.ANEW, "done"
    return Fate.RETRY, found.status.lower()


def begin_backfill(backend: Backend, plan: BackfillPlan, max_active: int | None = None) -> Backfill | None:
    """Give the chosen windows to a new backfill and let the first ones go; None if no window was chosen.

    A window that was taken by others since the plan was made is left to them. If this process dies half-way, the next
    sweep cancels what it made; the same call then does it anew.

    Raises:
        InvalidTransition: the backfill was cancelled while it was prepared.
        Unavailable: the store does not answer.
    """
    chosen = plan.chosen
    if not chosen:
        return None
    span = (plan.start, plan.end)
    made = backend.backfills.open(
        plan.pool,
        plan.strategy,
        plan.mode,
        span,
        len(chosen),
        max_active=max_active,
        newest_first=plan.newest_first,
    )
    try:
        _fill(backend, plan, made)
    except BaseException:
        # What was created half-way must not be trained as if it was the whole.
        with suppress(RollqError):  # then a sweep does it
            backend.backfills.cancel(made.id, reason=INTERRUPTED)
        raise
    return backend.backfills.start(made.id)


def _fill(backend: Backend, plan: BackfillPlan, made: Backfill) -> None:
    chosen = list(enumerate(plan.chosen))
    for part in (chosen[at : at + CHUNK] for at in range(0, len(chosen), CHUNK)):
        new = [(number, window) for number, window in part if window.position is None]
        there = [(number, window) for number, window in part if window.position is not None]
        _create(backend, plan, [window for _, window in new], _attachment(made, new))
        _attach(backend, made, [window for _, window in there], _attachment(made, there))
        # Between chunks, so that a sweep does not take a long creation for one whose process has died.
        backend.backfills.touch(made.id)


def _attachment(made: Backfill, windows: Sequence[tuple[int, BackfillWindow]]) -> Attachment:
    return Attachment(made.id, made.first_seq, [number for number, _ in windows])


def _create(backend: Backend, plan: BackfillPlan, windows: Sequence[BackfillWindow], attachment: Attachment) -> None:
    definitions = [window.definition for window in windows]
    if definitions:
        backend.tasks.create_tasks(plan.pool, definitions, attachment=attachment, **plan.options)


def _attach(backend: Backend, made: Backfill, windows: Sequence[BackfillWindow], attachment: Attachment) -> None:
    found = [window.position for window in windows if window.position]
    taken = set(backend.tasks.admission.attach(found, attachment, made.by))
    again = [window.task_id for window in windows if window.fate is Fate.RETRY and window.task_id in taken]
    if again:
        backend.rounds.reopen(made.pool, again)


def _meeting(plan: Plan, span: tuple[str, str]) -> list[Definition]:
    tests = [(_test(definition), definition) for definition in plan.definitions]
    found = [definition for (start, end), definition in tests if start <= span[1] and end >= span[0]]
    if not found:
        first, last = min(start for (start, _), _ in tests), max(end for (_, end), _ in tests)
        raise CalendarError(
            f"No window of {plan.strategy} is tested between {span[0]} and {span[1]}.",
            f"Its test segments reach from {first} to {last}.",
        )
    return found


def _test(definition: Definition) -> tuple[str, str]:
    start, end = segments_of(definition)["test"]
    return str(start), str(end)


def _live(backend: Backend | None, positions: dict[str, Position]) -> set[str]:
    """Ids of backfills that still go on, among those that the tasks belong to."""
    if backend is None or not any(found.backfill for found in positions.values()):
        return set()
    return set(backend.backfills.unsettled())


def _day(text: str, name: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise CalendarError(f"{name}: {text!r} is not a date.", "Write it as YYYY-MM-DD.") from None

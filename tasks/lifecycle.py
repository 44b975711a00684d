"""The life of a recorder: its states, the one table of their changes, and MLflow's words for them."""

from __future__ import annotations

from enum import StrEnum

from tasks.errors import InvalidTransition


class RecorderStatus(StrEnum):
    """Where a recorder is in its life."""

    SCHEDULED = "SCHEDULED"  # registered; nothing was trained yet
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


CHANGES: dict[RecorderStatus, frozenset[RecorderStatus]] = {
    RecorderStatus.SCHEDULED: frozenset({RecorderStatus.RUNNING, RecorderStatus.FAILED}),
    RecorderStatus.RUNNING: frozenset({RecorderStatus.FINISHED, RecorderStatus.FAILED}),
    RecorderStatus.FINISHED: frozenset({RecorderStatus.FAILED}),  # only superseded: its task's commit was refused
    RecorderStatus.FAILED: frozenset(),
}


def check_change(start: RecorderStatus, end: str) -> RecorderStatus:
    """``end`` as a status, if a recorder may go there from ``start``.

    Raises:
        InvalidTransition: it may not, or ``end`` is no status.
    """
    if end not in CHANGES[start]:
        allowed = ", ".join(sorted(CHANGES[start])) or "nothing: it is final"
        raise InvalidTransition(f"A recorder cannot go from {start} to {end}.", f"From {start} it may go to {allowed}.")
    return RecorderStatus(end)

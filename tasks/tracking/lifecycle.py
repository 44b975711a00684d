"""The life of a recorder: its states, the one table of their changes, and MLflow's words for them."""

from __future__ import annotations

from enum import StrEnum

from rollq.tasks.errors import InvalidTransition


class RecorderStatus(StrEnum):
    """Where a recorder is in its life."""

    SCHEDULED = "SCHEDULED"  # registered; nothing was trained yet
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"

    @classmethod
    def of_mlflow(cls, status: str) -> RecorderStatus:
        """MLflow's status; a run that was killed by hand has failed."""
        return cls.FAILED if status == "KILLED" else cls(status)


S, R = RecorderStatus.SCHEDULED, RecorderStatus.RUNNING
FINISHED, FAILED = RecorderStatus.FINISHED, RecorderStatus.FAILED

CHANGES: dict[RecorderStatus, frozenset[RecorderStatus]] = {
    S: frozenset({R, FAILED}),
    R: frozenset({FINISHED, FAILED}),
    FINISHED: frozenset({R, FAILED}),  # resumed; or superseded: its task's commit was refused
    FAILED: frozenset({R}),  # resumed
}


def check_change(start: RecorderStatus, end: str) -> RecorderStatus:
    """``end`` as a status, if a recorder may go there from ``start``.

    Raises:
        InvalidTransition: it may not, or ``end`` is no status.
    """
    if end not in CHANGES[start]:
        allowed = ", ".join(sorted(CHANGES[start]))
        raise InvalidTransition(f"A recorder cannot go from {start} to {end}.", f"From {start} it may go to {allowed}.")
    return RecorderStatus(end)

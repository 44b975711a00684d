"""The life of a recorder: its states, the one table of their changes, and MLflow's words for them."""

from __future__ import annotations

from enum import StrEnum

from rollq.tasks.state_machine import StateMachine


class RecorderStatus(StrEnum):
    """Where a recorder is in its life."""

    SCHEDULED = "SCHEDULED"  # registered: nothing was trained yet, or it was given back to be started again
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"

    @classmethod
    def of_mlflow(cls, status: str) -> RecorderStatus:
        """MLflow's status; a run that was killed by hand has failed."""
        return cls.FAILED if status == "KILLED" else cls(status)


S, R = RecorderStatus.SCHEDULED, RecorderStatus.RUNNING
FINISHED, FAILED = RecorderStatus.FINISHED, RecorderStatus.FAILED

# The only legal changes; every write to a recorder's status is one of these.
RECORDER_STATES = StateMachine[RecorderStatus](
    "recorder",
    {
        None: frozenset({S, R}),
        S: frozenset({R, FAILED}),
        R: frozenset({FINISHED, FAILED, S}),
        FINISHED: frozenset({R, FAILED}),  # resumed; or superseded: its task's commit was refused
        FAILED: frozenset({R}),  # resumed
    },
    # A run whose claim is lost, whatever it shows, is FAILED; one that serves was closed by mistake: it is FINISHED.
    corrections={S: frozenset({FINISHED}), FAILED: frozenset({FAILED, FINISHED})},
)

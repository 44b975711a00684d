"""The states of a task and the one table of its transitions."""

from __future__ import annotations

from enum import StrEnum

from rollq.tasks.state_machine import StateMachine


class TaskState(StrEnum):
    """Where a task is in its life."""

    WAITING = "WAITING"  # may be claimed, unless it is held or its not_before lies ahead
    RUNNING = "RUNNING"  # claimed by a worker that holds the lease
    PART_DONE = "PART_DONE"  # a delayed task whose preparation is finished; waits for its second phase
    DONE = "DONE"  # its result is committed
    FAILED = "FAILED"  # its own exception, attempts used up, or a permanent error
    QUARANTINED = "QUARANTINED"  # it took its worker down too often (a poison pill)
    CANCELLED = "CANCELLED"  # it is not wanted any more

    @property
    def is_terminal(self) -> bool:
        """Whether only a person can bring the task back (``rollq tasks retry``)."""
        return self in TERMINAL


class Stage(StrEnum):
    """How near a waiting task is to being claimed (``tasks/queue/stager.py``). It means nothing in other states."""

    HELD = "held"  # not to be claimed until it is admitted
    DELAYED = "delayed"  # an attempt failed: not before its backoff is over
    UNSTAGED = "unstaged"
    STAGED = "staged"  # among those that workers are notified of next
    NOTIFIED = "notified"  # a message was sent for it


W, R, P = TaskState.WAITING, TaskState.RUNNING, TaskState.PART_DONE
D, F, Q, C = TaskState.DONE, TaskState.FAILED, TaskState.QUARANTINED, TaskState.CANCELLED

TERMINAL = frozenset({D, F, Q, C})
LOST = TERMINAL - {D}  # it has ended without a result
ACTIVE = frozenset(TaskState) - TERMINAL

# The only legal changes; every write to a task's status is one of these. A task that was DONE and is trained again
# keeps its result until a new one is committed: who cancels it gives it back as DONE, whatever became of it since.
# A task whose document is invalid is dead-lettered.
TASK_STATES = StateMachine[TaskState](
    "task",
    {
        None: frozenset({W}),
        W: frozenset({R, C, D}),
        R: frozenset({D, W, P, F, Q, C}),
        P: frozenset({W, R, C, D}),  # R: a plain worker loop takes up the second phase itself
        D: frozenset({W}),  # a person wants it trained anew
        F: frozenset({W, D}),  # W: a person tries again
        Q: frozenset({W, D}),
        C: frozenset({W}),
    },
    corrections=dict.fromkeys((None, W, R, P), frozenset({F})),
)

"""The table of transitions is the only law."""

from __future__ import annotations

import pytest

from rollq import InvalidTransition, TaskState
from rollq.tasks.queue.states import TRANSITIONS, check_transition


@pytest.mark.parametrize("start", list(TaskState))
@pytest.mark.parametrize("end", list(TaskState))
def test_only_the_table_is_legal(start: TaskState, end: TaskState) -> None:
    if end in TRANSITIONS[start]:
        check_transition(start, end)
    else:
        with pytest.raises(InvalidTransition):
            check_transition(start, end)

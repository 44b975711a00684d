"""The tables of transitions are the only law."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollq import InvalidTransition
from rollq.scheduler.routine.ledger import ROUTINE_STATES
from rollq.tasks.backfills.backfill import BACKFILL_STATES
from rollq.tasks.queue.states import TASK_STATES
from rollq.tasks.rounds.documents import ROUND_STATES
from rollq.tasks.state_machine import StateMachine
from rollq.tasks.tracking.runs.lifecycle import RECORDER_STATES

MACHINES: tuple[StateMachine[Any], ...] = (TASK_STATES, ROUND_STATES, BACKFILL_STATES, ROUTINE_STATES, RECORDER_STATES)


class Light(StrEnum):
    RED = "red"
    AMBER = "amber"
    GREEN = "green"
    OFF = "off"


LIGHTS = st.sampled_from(Light)
STARTS = LIGHTS | st.none()
TABLES = st.dictionaries(STARTS, st.frozensets(LIGHTS))
Table = dict[Light | None, frozenset[Light]]


@given(TABLES, TABLES, STARTS, LIGHTS | st.text(max_size=6), st.booleans())
def test_only_what_is_in_the_table_is_legal(
    table: Table, corrections: Table, start: Light | None, end: str, correction: bool
) -> None:
    machine = StateMachine("light", table, corrections, ended="Buy another one.")
    legal = table.get(start, frozenset()) | (corrections.get(start, frozenset()) if correction else frozenset())
    if end in legal:
        assert machine.check(start, end, correction=correction) is Light(end)
        return
    with pytest.raises(InvalidTransition, match=r"^The light 7 is ") as refused:
        machine.check(start, end, which="7", correction=correction)
    assert all(state in refused.value.fix for state in legal)
    assert legal or refused.value.fix == "Buy another one."


@given(TABLES, LIGHTS)
def test_starts_and_ends_are_two_sides_of_the_table(table: Table, end: Light) -> None:
    machine = StateMachine("light", table)
    assert machine.starts(end) == sorted(start for start in Light if end in machine.ends(start))
    assert machine.is_final(end) == (not any(end in machine.starts(other) for other in Light))


def reached(machine: StateMachine[Any]) -> Iterator[StrEnum]:
    """Every state that can be reached from the beginning."""
    seen = set[StrEnum]()
    coming = set(machine.ends(None))
    while coming:
        seen |= coming
        coming = {end for start in coming for end in machine.ends(start)} - seen
    yield from seen


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.what)
def test_each_table_knows_every_state_and_reaches_it(machine: StateMachine[Any]) -> None:
    states = {start for start in machine.table if start is not None}
    assert states == set(type(next(iter(states))))
    assert set(reached(machine)) == states

"""A state machine over a backfill: workers, a person and deaths in any order; its promises hold at every step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rollq import Backend, BackfillMode, BackfillState, InvalidTransition, LeaseLost, TaskState
from rollq.tasks.backfills.backfill import BACKFILL_STATES
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.queue.task import TaskError
from tests.integration.tasks.test_backfills import POOL, active, begin_backfill, planned, states

COUNT = 5
ACTIVE, PAUSED, CANCELLED = BackfillState.ACTIVE, BackfillState.PAUSED, BackfillState.CANCELLED


class Killed(BaseException):
    """The process was killed."""


def machine(backend: Backend) -> type[RuleBasedStateMachine]:
    backfills, tasks = backend.backfills, backend.tasks

    class Machine(RuleBasedStateMachine):
        @initialize(limit=st.integers(1, 3), newest_first=st.booleans())
        def create(self, limit: int, newest_first: bool) -> None:
            backend.store.collection("tasks").delete_many({})
            backend.store.collection("backfills").delete_many({})
            self.limit = limit
            made = begin_backfill(
                backend, planned(backend, COUNT, mode=BackfillMode.ALL, newest_first=newest_first), limit
            )
            assert made
            self.id = made.id
            self.status = made.status
            self.claims: list[Claim] = []

        def find(self) -> Any:
            return backfills.get(self.id)

        @rule()
        def claim(self) -> None:
            if found := tasks.claim(POOL, "w"):
                self.claims.append(found)

        @rule(end=st.sampled_from(["commit", "fail", "give up", "release"]), killed=st.booleans(), data=st.data())
        def end(self, end: str, killed: bool, data: st.DataObject) -> None:
            """An attempt ends; its worker sees to the backfill, or is killed before, and a sweep does it."""
            if not self.claims:
                return
            claim = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
            try:
                if end == "commit":
                    tasks.commit(claim, {})
                elif end == "release":
                    tasks.release(claim, "the worker stops")
                else:
                    tasks.fail(claim, TaskError("E", "m", permanent=end == "fail"))
            except LeaseLost:
                assert self.status is CANCELLED
            if killed:
                self.killed_while_advancing(data.draw(st.sampled_from(["admit", "withdraw", "pending"])))
            backfills.advance(self.id)

        def killed_while_advancing(self, where: str) -> None:
            def die(*_: Any, **__: Any) -> None:
                raise Killed

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tasks.admission, where, die)
                try:
                    backfills.advance(self.id)
                except Killed:
                    return

        @rule(verb=st.sampled_from(["pause", "resume", "cancel", "cancel running"]))
        def change(self, verb: str) -> None:
            ends = {"pause": PAUSED, "resume": ACTIVE}
            end, now = ends.get(verb, CANCELLED), self.find().status
            try:
                if end is CANCELLED:
                    backfills.cancel(self.id, running=verb == "cancel running")
                else:
                    getattr(backfills, verb)(self.id)
            except InvalidTransition:
                assert end not in BACKFILL_STATES.ends(now)
                return
            assert end in BACKFILL_STATES.ends(now)
            self.status = end

        @invariant()
        def it_keeps_its_promises(self) -> None:
            if not hasattr(self, "id"):
                return
            found, states_ = self.find(), states(backend)
            assert sum(states_.values()) == COUNT, "no window is lost"
            assert active(backend) <= self.limit
            free = [task for task in tasks.find(POOL, status=[TaskState.WAITING]) if not task.held]
            if found.status in (PAUSED, CANCELLED):
                assert free == []
            if found.status is ACTIVE:
                assert len(free) + states_.get("RUNNING", 0) == min(self.limit, COUNT - over(states_)), (
                    "it stands still"
                )
            if found.settled:
                assert over(states_) == COUNT

    def over(counts: dict[str, int]) -> int:
        return sum(n for state, n in counts.items() if TaskState(state).is_terminal)

    return Machine


def test_any_order_of_events(backend: Backend) -> None:
    run_state_machine_as_test(
        machine(backend),
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )

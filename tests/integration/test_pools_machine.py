"""A state machine over the task pools: three workers do anything; the store must agree with a simple model."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from rollq import Backend, LeaseLost, TaskState
from tasks.task import Claim, TaskError
from tests.integration.test_pools import definition, expire

WORKERS = st.sampled_from(["w1", "w2", "w3"])
_pools = itertools.count()


def machine(backend: Backend) -> type[RuleBasedStateMachine]:
    tasks = backend.tasks

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.pool = f"pool{next(_pools)}"
            self.states: dict[str, TaskState] = {}
            self.failures: dict[str, int] = {}
            self.losses: dict[str, int] = {}
            self.claims: dict[str, Claim] = {}  # what each worker believes to hold
            self.fences: dict[str, int] = {}  # the fence of the claim that really holds
            self.results: dict[str, Any] = {}

        def holds(self, claim: Claim) -> bool:
            return self.states[claim.task_id] is TaskState.RUNNING and self.fences[claim.task_id] == claim.fence

        def write(self, worker: str, action: Any, end: Any) -> None:
            claim = self.claims.pop(worker, None)
            if claim is None:
                return
            if not self.holds(claim):
                if self.results.get(claim.task_id) != claim.fence:  # committing one's own claim again is harmless
                    with pytest.raises(LeaseLost):
                        action(claim)
                return
            action(claim)
            self.states[claim.task_id] = end(claim)

        @rule(number=st.integers(0, 1))
        def create(self, number: int) -> None:
            (ident,) = tasks.create_tasks(self.pool, [definition(number)]).ids
            self.states.setdefault(ident, TaskState.WAITING)
            self.failures.setdefault(ident, 0)
            self.losses.setdefault(ident, 0)

        @rule(worker=WORKERS)
        def claim(self, worker: str) -> None:
            found = tasks.claim(self.pool, worker)
            waiting = [ident for ident, state in self.states.items() if state is TaskState.WAITING]
            assert (found is not None) == bool(waiting)
            if found:
                assert found.task_id in waiting
                assert found.fence > self.fences.get(found.task_id, 0)
                self.states[found.task_id] = TaskState.RUNNING
                self.fences[found.task_id] = found.fence
                self.claims[worker] = found

        @rule(worker=WORKERS)
        def commit(self, worker: str) -> None:
            def end(claim: Claim) -> TaskState:
                assert claim.task_id not in self.results, "two results"
                self.results[claim.task_id] = claim.fence
                return TaskState.DONE

            self.write(worker, lambda claim: tasks.commit(claim, {"fence": claim.fence}), end)

        @rule(worker=WORKERS, permanent=st.booleans())
        def fail(self, worker: str, permanent: bool) -> None:
            def end(claim: Claim) -> TaskState:
                self.failures[claim.task_id] += 1
                spent = self.failures[claim.task_id] >= backend.settings.max_attempts
                return TaskState.FAILED if permanent or spent else TaskState.WAITING

            self.write(worker, lambda claim: tasks.fail(claim, TaskError("E", "m", permanent=permanent)), end)

        @rule(worker=WORKERS)
        def release(self, worker: str) -> None:
            self.write(worker, lambda claim: tasks.release(claim, "x"), lambda _: TaskState.WAITING)

        @rule(worker=WORKERS)
        def lose(self, worker: str) -> None:
            """The worker vanishes; it may come back and write with its stale claim."""
            claim = self.claims.get(worker)
            if claim is None or not self.holds(claim):
                return
            expire(backend, claim)
            assert [task.id for task in tasks.reclaim("sweeper")] == [claim.task_id]
            self.losses[claim.task_id] += 1
            poison = self.losses[claim.task_id] >= backend.settings.max_worker_losses
            self.states[claim.task_id] = TaskState.QUARANTINED if poison else TaskState.WAITING

        @rule(worker=WORKERS, other=WORKERS)
        def pause_past_the_lease(self, worker: str, other: str) -> None:
            """A worker sleeps, another takes over; both believe to hold the task."""
            self.lose(worker)
            if other != worker:
                self.claim(other)

        @rule(data=st.data())
        def cancel_or_retry(self, data: st.DataObject) -> None:
            if not self.states:
                return
            ident = data.draw(st.sampled_from(sorted(self.states)))
            state = self.states[ident]
            if data.draw(st.booleans()):
                assert tasks.cancel([ident], "me") == ([] if state.is_terminal else [ident])
                if not state.is_terminal:
                    self.states[ident] = TaskState.CANCELLED
            else:
                again = state.is_terminal and state is not TaskState.DONE
                assert tasks.retry([ident], "me") == ([ident] if again else [])
                if again:
                    self.states[ident] = TaskState.WAITING
                    self.failures[ident] = self.losses[ident] = 0

        @invariant()
        def the_store_agrees(self) -> None:
            found = {task.id: task for task in tasks.find(self.pool)}
            assert {ident: task.status for ident, task in found.items()} == self.states
            for ident, fence in self.results.items():
                assert found[ident].result == {"fence": fence}

    return Machine


def test_any_order_of_events(backend: Backend) -> None:
    run_state_machine_as_test(
        machine(backend),
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )

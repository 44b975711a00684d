"""A state machine over the task pools: three workers and a person do anything; the store must agree with a model.

Leases are long, and the machine ages them itself: what happens depends on the order of events alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rollq import Backend, LeaseLost, TaskState
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.queue.states import ACTIVE
from rollq.tasks.queue.task import TaskError
from rollq.tasks.rounds.documents import Round, RoundState
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.rounds.rounds import Rounds
from tests.pool_tasks import age, definition, replace_settings

WORKERS = st.sampled_from(["w1", "w2", "w3"])
NUMBERS = st.integers(0, 1)  # few tasks, so that the workers meet
LEASE = 1_000.0
OUTSTANDING = 64
_numbers = itertools.count()


@dataclass(eq=False)  # a task that was removed and made again is another one
class Model:
    """What a task should be."""

    priority: int
    held: bool
    state: TaskState = TaskState.WAITING
    failures: int = 0
    losses: int = 0
    claim: Claim | None = None  # the one that holds
    expired: bool = False
    result: Any = None
    kept: Any = None  # the result of before, while it is trained again
    committed: Claim | None = None  # the one that brought the result
    rounds: set[str] = field(default_factory=set)

    @property
    def claimable(self) -> bool:
        return self.state is TaskState.WAITING and not self.held

    @property
    def gives_back(self) -> bool:
        return self.kept is not None and self.state is not TaskState.DONE

    def go(self, state: TaskState, **changes: Any) -> None:
        self.state, self.claim, self.held, self.expired = state, None, False, False
        for name, value in changes.items():
            setattr(self, name, value)


def machine(backend: Backend) -> type[RuleBasedStateMachine]:
    """The machine over the store of ``backend``."""
    config = backend.settings.model_copy(update={"lease_seconds": LEASE})
    tasks, rounds = replace_settings(backend, lease_seconds=LEASE), Rounds(backend.store, config)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.pool = f"pool{next(_numbers)}"
            self.models: dict[str, Model] = {}
            self.claims: dict[str, tuple[Model, Claim]] = {}  # what each worker believes to hold
            self.ended: dict[str, tuple[Model, Claim]] = {}  # what each worker gave up last
            self.round = ""
            self.round_state = RoundState.OPEN
            self.gatherers: dict[str, Round] = {}
            self.gatherer: Round | None = None  # the one that holds

        def pick(self, data: st.DataObject) -> tuple[str, Model]:
            ident = data.draw(st.sampled_from(list(self.models)))  # by creation: ids change with the pool
            return ident, self.models[ident]

        # -- workers -------------------------------------------------------------------------------------------------

        def took(self, worker: str, found: Claim | None) -> None:
            free = {ident: model for ident, model in self.models.items() if model.claimable}
            assert (found is not None) == bool(free)
            if found:
                model = free[found.task_id]
                assert found.failures == model.failures
                model.go(TaskState.RUNNING, claim=found)
                self.claims[worker] = (model, found)

        def holds(self, model: Model, claim: Claim) -> bool:
            return model.claim is claim and self.models.get(claim.task_id) is model

        def write(self, data: st.DataObject, action: Callable[[Claim], Any], ends: bool = True) -> Model | None:
            """Let a worker write with the claim that it believes to hold; returns the task if it held."""
            worker = data.draw(st.sampled_from(sorted(self.claims)))
            model, claim = self.claims[worker]
            if self.holds(model, claim):
                action(claim)
                if ends:
                    self.ended[worker] = self.claims.pop(worker)
                return model
            with pytest.raises(LeaseLost):
                action(claim)
            del self.claims[worker]
            return None

        @precondition(lambda self: self.models)
        @rule(workers=st.lists(WORKERS, min_size=1, max_size=3))
        def claim(self, workers: list[str]) -> None:
            for worker in workers:
                self.took(worker, tasks.claim(self.pool, worker))

        @precondition(lambda self: any(model.claimable for model in self.models.values()))
        @rule(worker=WORKERS)
        def claim_the_best(self, worker: str) -> None:
            tasks.next_to_notify(self.pool, OUTSTANDING)
            best = max((model.priority for model in self.models.values() if model.claimable), default=None)
            found = tasks.claim(self.pool, worker)
            if found:
                assert self.models[found.task_id].priority == best
            self.took(worker, found)

        @precondition(lambda self: self.claims)
        @rule(data=st.data())
        def commit(self, data: st.DataObject) -> None:
            result = {"n": next(_numbers)}
            if model := self.write(data, lambda claim: tasks.commit(claim, result)):
                model.go(TaskState.DONE, result=result, kept=None, committed=model.claim)

        @precondition(lambda self: self.ended)
        @rule(data=st.data())
        def commit_again(self, data: st.DataObject) -> None:
            """Committing twice is harmless, as long as it is the result that counts; else it is refused."""
            worker = data.draw(st.sampled_from(sorted(self.ended)))
            model, claim = self.ended.pop(worker)
            if self.models.get(claim.task_id) is model and model.state is TaskState.DONE and model.committed is claim:
                tasks.commit(claim, {"n": "again"})
            else:
                with pytest.raises(LeaseLost):
                    tasks.commit(claim, {"n": "again"})

        @precondition(lambda self: self.claims)
        @rule(data=st.data(), permanent=st.booleans())
        def fail(self, data: st.DataObject, permanent: bool) -> None:
            error = TaskError("E", "m", permanent=permanent)
            if model := self.write(data, lambda claim: tasks.fail(claim, error)):
                failures = model.failures + 1
                final = permanent or failures >= config.max_attempts
                model.go(TaskState.FAILED if final else TaskState.WAITING, failures=failures)

        @precondition(lambda self: self.claims)
        @rule(data=st.data())
        def release(self, data: st.DataObject) -> None:
            if model := self.write(data, lambda claim: tasks.release(claim, "x")):
                model.go(TaskState.WAITING)

        @precondition(lambda self: self.claims)
        @rule(data=st.data())
        def renew(self, data: st.DataObject) -> None:
            """Even a late one counts, if nobody took the task away."""
            if model := self.write(data, lambda claim: tasks.renew(claim, memory_mb=1.0), ends=False):
                model.expired = False

        @precondition(lambda self: self.claims)
        @rule(data=st.data())
        def fall_asleep(self, data: st.DataObject) -> None:
            """The lease runs out; the worker may come back, before or after a sweep."""
            model, claim = self.claims[data.draw(st.sampled_from(sorted(self.claims)))]
            if self.holds(model, claim):
                age(backend, "tasks", claim.task_id)
                model.expired = True

        @precondition(lambda self: any(model.state is TaskState.RUNNING for model in self.models.values()))
        @rule()
        def sweep(self) -> None:
            lost = {ident: model for ident, model in self.models.items() if model.expired}
            assert {task.id for task in tasks.reclaim("sweeper") if task.pool == self.pool} == set(lost)
            for model in lost.values():
                losses = model.losses + 1
                poison = losses >= config.max_worker_losses
                model.go(TaskState.QUARANTINED if poison else TaskState.WAITING, losses=losses)

        # -- people --------------------------------------------------------------------------------------------------

        @initialize()
        def begin(self) -> None:
            for number in range(2):
                self.create(number, 0, False)
            self.claim(["w1"])

        @rule(number=NUMBERS, priority=st.integers(0, 2), held=st.booleans())
        def create(self, number: int, priority: int, held: bool) -> None:
            made = tasks.create_tasks(self.pool, [definition(number)], priority=priority, held=held)
            assert made.new == (made.ids[0] not in self.models)
            self.models.setdefault(made.ids[0], Model(priority, held))

        @precondition(lambda self: any(not m.state.is_terminal or m.gives_back for m in self.models.values()))
        @rule(data=st.data())
        def cancel(self, data: st.DataObject) -> None:
            ident, model = self.pick(data)
            back = model.gives_back
            assert tasks.cancel([ident], "me") == ([ident] if back or not model.state.is_terminal else [])
            if back:
                model.go(TaskState.DONE, result=model.kept, kept=None)
            elif not model.state.is_terminal:
                model.go(TaskState.CANCELLED)

        @precondition(lambda self: any(model.state.is_terminal for model in self.models.values()))
        @rule(data=st.data(), done=st.booleans(), held=st.booleans())
        def retry(self, data: st.DataObject, done: bool, held: bool) -> None:
            ident, model = self.pick(data)
            again = model.state.is_terminal and (done or model.state is not TaskState.DONE)
            assert tasks.retry([ident], "me", done=done, held=held) == ([ident] if again else [])
            if again:
                kept = model.result if model.state is TaskState.DONE else model.kept
                changes = {"failures": 0, "losses": 0, "result": None, "kept": kept, "committed": None}
                model.go(TaskState.WAITING, held=held, **changes)

        @precondition(lambda self: self.models)
        @rule(data=st.data(), priority=st.integers(0, 2))
        def prioritize(self, data: st.DataObject, priority: int) -> None:
            ident, model = self.pick(data)
            assert tasks.prioritize([ident], priority) == (model.state in ACTIVE)
            if model.state in ACTIVE:
                model.priority = priority

        @precondition(lambda self: self.models)
        @rule(data=st.data(), held=st.booleans())
        def hold_or_unhold(self, data: st.DataObject, held: bool) -> None:
            ident, model = self.pick(data)
            changes = model.state is TaskState.WAITING and model.held is not held
            assert (tasks.hold([ident]) if held else tasks.unhold([ident])) == changes
            model.held = held if changes else model.held

        @precondition(lambda self: self.models)
        @precondition(lambda self: self.models)
        @rule(data=st.data())
        def remove(self, data: st.DataObject) -> None:
            ident, model = self.pick(data)
            gone = model.state is not TaskState.RUNNING
            assert tasks.remove([ident]) == ([ident] if gone else [])
            if gone:
                del self.models[ident]

        @precondition(lambda self: self.claims)
        @rule(data=st.data(), other=WORKERS)
        def make_anew(self, data: st.DataObject, other: str) -> None:
            """A worker's task is thrown away and made again, and another may take it: the first holds nothing."""
            worker = data.draw(st.sampled_from(sorted(self.claims)))
            model, claim = self.claims[worker]
            if self.models.get(claim.task_id) is model:
                tasks.cancel([claim.task_id], "me")
                assert tasks.remove([claim.task_id]) == [claim.task_id]
                del self.models[claim.task_id]
                self.create(claim.definition["model"]["kwargs"]["n"], 9, False)
                if other != worker:
                    self.claim_the_best(other)

        # -- rounds --------------------------------------------------------------------------------------------------

        @precondition(lambda self: self.models and (not self.round or self.round_state is not RoundState.OPEN))
        @rule()
        def open_round(self) -> None:
            self.round = rounds.create(self.pool, sorted(self.models), Serve())
            tasks.join_round(sorted(self.models), self.round)
            self.round_state, self.gatherer = RoundState.OPEN, None
            self.gatherers.clear()
            for model in self.models.values():
                model.rounds.add(self.round)

        @precondition(lambda self: self.round)
        @rule(worker=WORKERS)
        def gather(self, worker: str) -> None:
            found = rounds.claim(self.round, worker)
            assert (found is not None) == (self.round_state is RoundState.OPEN)
            if found:
                self.round_state, self.gatherer = RoundState.GATHERING, found
                self.gatherers[worker] = found

        @precondition(lambda self: self.round_state is RoundState.GATHERING)
        @rule()
        def gatherer_dies(self) -> None:
            """Its lease is over: for the others the round is as good as open."""
            assert rounds.abandoned() == []
            age(backend, "rounds", self.round)
            assert rounds.abandoned() == [self.round]
            taken = rounds.claim(self.round, "w4")
            assert taken
            self.gatherer = None
            rounds.release(taken, "x")
            self.round_state = RoundState.OPEN

        @precondition(lambda self: self.gatherers)
        @rule(data=st.data(), well=st.booleans())
        def end_gathering(self, data: st.DataObject, well: bool) -> None:
            worker = data.draw(st.sampled_from(sorted(self.gatherers)))
            found = self.gatherers.pop(worker)
            if found is self.gatherer:
                rounds.finish(found, {"n": 1}) if well else rounds.fail(found, "x")
                self.round_state, self.gatherer = RoundState.GATHERED if well else RoundState.FAILED, None
            else:
                with pytest.raises(LeaseLost):
                    rounds.finish(found, {"n": 2}) if well else rounds.fail(found, "y")

        @precondition(lambda self: self.round and self.models)
        @rule(data=st.data())
        def reopen(self, data: st.DataObject) -> None:
            ident, _ = self.pick(data)
            member = self.round_state is RoundState.FAILED and ident in rounds.get(self.round).task_ids
            reopened = rounds.reopen(self.pool, [ident])
            assert (rounds.get(self.round).status is RoundState.OPEN) == (member or self.round_state is RoundState.OPEN)
            assert reopened >= member
            self.round_state = RoundState.OPEN if member else self.round_state

        # -- the model and the store ---------------------------------------------------------------------------------

        @invariant()
        def the_store_agrees(self) -> None:
            found = {task.id: task for task in tasks.find(self.pool)}
            for ident, model in self.models.items():
                task = found.pop(ident)
                counts = model.result if model.kept is None else model.kept
                assert (task.status, task.result, task.committed) == (model.state, counts, counts)
                assert (task.priority, task.failures, task.losses) == (model.priority, model.failures, model.losses)
                assert task.held == model.held or model.state is not TaskState.WAITING
                assert (task.worker is not None) == (model.state is TaskState.RUNNING)
            assert not found
            if self.round:
                active = any(self.round in model.rounds and model.state in ACTIVE for model in self.models.values())
                assert tasks.has_active(self.round) == active
                assert rounds.get(self.round).status is self.round_state

        def teardown(self) -> None:
            """Leave no running task to the sweeps of the next example."""
            tasks.cancel(sorted(self.models), "teardown")
            if self.gatherer:
                rounds.finish(self.gatherer, {})

    return Machine

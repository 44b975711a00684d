"""Rounds that wait for other rounds: unblocked when those are gathered, failed with one that fails, open again."""

from __future__ import annotations

import pytest

from rollq import Backend, DelayTrainer, NotFound, TaskState, Trainer
from rollq.scheduler.rounds.trained_round import TrainedRound
from rollq.tasks.client.explain import explain
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.upkeep.dependencies import settle
from tests.pool_tasks import definition

PURPOSE = Serve("s")


def open_round(trainer: Trainer, number: int, *after: TrainedRound) -> TrainedRound:
    return trainer.open_round([definition(number)], PURPOSE, after=[found.id for found in after])


def end(backend: Backend, trained: TrainedRound, *, well: bool) -> None:
    gathering = backend.rounds.claim(trained.id, "me")
    assert gathering
    backend.rounds.finish(gathering, {}) if well else backend.rounds.fail(gathering, "a window failed")


def state(backend: Backend, trained: TrainedRound) -> tuple[RoundState, bool]:
    """Of the round, and whether its task is held."""
    (task,) = backend.tasks.find(ids=trained.created.ids)
    return backend.rounds.get(trained.id).status, task.held


def test_a_round_waits_for_all_that_it_is_after(backend: Backend) -> None:
    trainer = Trainer("p", backend=backend)
    first, second = open_round(trainer, 1), open_round(trainer, 2)
    third = open_round(trainer, 3, first, second)
    end(backend, first, well=True)
    assert settle(backend) == 0
    assert state(backend, third) == (RoundState.OPEN, True)
    (task,) = backend.tasks.find(ids=third.created.ids)
    assert f"waits for {first.id}, {second.id}" in " ".join(explain(backend, task))
    assert backend.rounds.claim(third.id, "too early") is None
    end(backend, second, well=True)
    assert (settle(backend), settle(backend)) == (1, 0)
    assert state(backend, third) == (RoundState.OPEN, False)
    assert backend.rounds.claim(third.id, "me")


def test_a_failure_is_told_down_the_chain_and_taken_back_when_it_is_tried_again(backend: Backend) -> None:
    trainer = Trainer("p", backend=backend)
    first = open_round(trainer, 1)
    second = open_round(trainer, 2, first)
    third = open_round(trainer, 3, second)
    end(backend, first, well=False)
    assert settle(backend) == 2
    assert [state(backend, found) for found in (second, third)] == [(RoundState.FAILED, True)] * 2
    reason = backend.rounds.get(third.id).reason
    assert second.id in reason
    assert "a window failed" in reason
    assert backend.rounds.reopen("p", first.created.ids) == 3
    assert settle(backend) == 0
    assert [state(backend, found)[0] for found in (first, second, third)] == [RoundState.OPEN] * 3
    end(backend, first, well=True)
    settle(backend)
    assert [state(backend, found)[1] for found in (second, third)] == [False, True]


@pytest.mark.parametrize("gathered_first", [True, False])
def test_a_delayed_round_needs_both_its_release_and_the_others(backend: Backend, gathered_first: bool) -> None:
    trainer = DelayTrainer("p", backend=backend)
    first = Trainer("p", backend=backend).open_round([definition(1)], PURPOSE)
    second = open_round(trainer, 2, first)
    steps = [lambda: end(backend, first, well=True), lambda: trainer.start_round(second)]
    for step in steps if gathered_first else reversed(steps):
        assert state(backend, second) == (RoundState.OPEN, True)
        step()
        settle(backend)
    assert state(backend, second) == (RoundState.OPEN, False)
    assert backend.tasks.stat("p")[TaskState.WAITING] == 2


def test_a_round_cannot_wait_for_what_is_not_there(backend: Backend) -> None:
    with pytest.raises(NotFound, match="no round"):
        Trainer("p", backend=backend).open_round([definition(1)], PURPOSE, after=["0123456789ab"])

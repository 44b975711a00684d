"""What people do with tasks: cancel, retry, prioritize, hold, remove."""

from __future__ import annotations

import pytest

from rollq import Backend, LeaseLost, TaskState
from rollq.tasks.client.explain import explain
from rollq.tasks.queue.task import TaskError
from tests.pool_tasks import POOL, claim, create, expire


def test_cancel_reaches_waiting_and_running_but_not_done(backend: Backend) -> None:
    ids = create(backend.tasks, 3)
    done = claim(backend.tasks)
    backend.tasks.commit(done, {})
    running = claim(backend.tasks)
    assert set(backend.tasks.cancel(ids, "me")) == set(ids) - {done.task_id}
    with pytest.raises(LeaseLost):
        backend.tasks.commit(running, {})


def test_a_finished_task_is_trained_anew_only_when_asked(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    first = claim(backend.tasks)
    backend.tasks.commit(first, {"n": 1})
    assert backend.tasks.retry([ident], "me") == []
    assert backend.tasks.retry([ident], "me", done=True, held=True) == [ident]
    assert backend.tasks.claim(POOL, "w") is None
    backend.tasks.unhold([ident])
    second = claim(backend.tasks)
    with pytest.raises(LeaseLost):
        backend.tasks.commit(first, {"n": 1})
    backend.tasks.commit(second, {"n": 2})
    assert backend.tasks.get(ident).result == {"n": 2}


@pytest.mark.parametrize("fate", ["waits", "runs", "half done", "failed", "tried again", "quarantined"])
def test_a_task_that_is_trained_again_keeps_its_result_and_gets_it_back(backend: Backend, fate: str) -> None:
    (ident,) = create(backend.tasks)
    backend.tasks.commit(claim(backend.tasks), {"n": 1})
    assert backend.tasks.retry([ident], "me", done=True) == [ident]
    if fate != "waits":
        again = claim(backend.tasks)
        if fate == "half done":
            backend.tasks.commit(again, {"half": 1}, part=True)
        elif fate in ("failed", "tried again"):
            backend.tasks.fail(again, TaskError("E", "m", permanent=True))
        elif fate == "quarantined":
            for worker in range(backend.settings.max_worker_losses):
                claimed = backend.tasks.claim(POOL, f"{worker}") if worker else again
                assert claimed
                expire(backend, claimed)
                backend.tasks.reclaim("sweeper")
    if fate == "tried again":
        assert backend.tasks.retry([ident], "me") == [ident]
    during = backend.tasks.get(ident)
    assert during.status is not TaskState.DONE
    assert (during.committed, during.partial) == ({"n": 1}, {"half": 1} if fate == "half done" else None)
    assert "rollq tasks cancel" in explain(backend, during)[-1]
    assert backend.tasks.cancel([ident], "me") == [ident]
    back = backend.tasks.get(ident)
    assert (back.status, back.result, back.error) == (TaskState.DONE, {"n": 1}, None)
    assert backend.tasks.cancel([ident], "me") == [], "it is finished"
    assert backend.tasks.retry([ident], "me", done=True) == [ident]
    backend.tasks.commit(claim(backend.tasks), {"n": 2})
    assert backend.tasks.get(ident).committed == {"n": 2}


def test_held_tasks_are_not_claimed_until_they_are_unheld(backend: Backend) -> None:
    ids = create(backend.tasks, 2)
    running = claim(backend.tasks, wanted=ids[0])
    assert backend.tasks.hold(ids) == 1
    assert backend.tasks.claim(POOL, "w") is None
    backend.tasks.commit(running, {})
    assert backend.tasks.unhold(ids) == 1
    assert claim(backend.tasks).task_id == ids[1]


def test_removing_spares_what_runs(backend: Backend) -> None:
    ids = create(backend.tasks, 3)
    running = claim(backend.tasks, wanted=ids[1])
    assert backend.tasks.remove([*ids, "ffff"]) == [ids[0], ids[2]]
    backend.tasks.commit(running, {})
    assert [task.id for task in backend.tasks.find(POOL)] == [ids[1]]


def test_who_held_a_removed_task_does_not_hold_it_when_it_is_made_again(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    stale = claim(backend.tasks, "stale")
    backend.tasks.cancel([ident], "me")
    assert backend.tasks.remove([ident]) == [ident]
    assert create(backend.tasks) == [ident]
    fresh = claim(backend.tasks, "fresh")
    assert fresh.fence > stale.fence
    with pytest.raises(LeaseLost):
        backend.tasks.commit(stale, {"by": "stale"})
    backend.tasks.commit(fresh, {"by": "fresh"})

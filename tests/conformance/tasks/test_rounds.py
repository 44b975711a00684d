"""Rounds: gathered by one at a time, finished once, taken over from the dead."""

from __future__ import annotations

import threading

import pytest

from rollq import Backend, LeaseLost, NotFound, SettingsError
from rollq.tasks.queue.task import TaskError
from rollq.tasks.rounds.documents import Round, RoundState
from rollq.tasks.rounds.purpose import Serve
from tests.pool_tasks import POOL, age, claim, create

PURPOSE = Serve("$s.t", ("2021-01-04",))


@pytest.fixture
def opened(backend: Backend) -> str:
    """A round over two tasks."""
    ids = create(backend.tasks, 2)
    ident = backend.rounds.create(POOL, ids, PURPOSE)
    backend.tasks.join_round(ids, ident)
    return ident


def take(backend: Backend, ident: str, worker: str = "g") -> Round:
    found = backend.rounds.claim(ident, worker)
    assert found
    return found


def test_a_round_is_kept_as_it_was_opened(backend: Backend, opened: str) -> None:
    found = backend.rounds.get(opened)
    assert (found.status, found.purpose, found.policy, found.fence) == (RoundState.OPEN, PURPOSE, "all", 0)
    assert len(found.task_ids) == 2
    assert [one.id for one in backend.rounds.find(POOL, [RoundState.OPEN])] == [opened]
    assert backend.rounds.find("other") == []
    with pytest.raises(NotFound):
        backend.rounds.get("nothing")
    with pytest.raises(SettingsError):
        backend.rounds.create(POOL, found.task_ids, PURPOSE, policy="most")


def test_eight_gatherers_and_one_gathers(backend: Backend, opened: str) -> None:
    won: list[Round | None] = []
    threads = [threading.Thread(target=lambda n=n: won.append(backend.rounds.claim(opened, f"g{n}"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [found for found in won if found]
    backend.rounds.renew(winner)
    backend.rounds.finish(winner, {"version": 1, "$odd": "$value"})
    found = backend.rounds.get(opened)
    assert (found.status, found.fence, found.result) == (RoundState.GATHERED, 1, {"version": 1, "$odd": "$value"})
    assert found.finished_at
    assert backend.rounds.claim(opened, "late") is None


def test_a_dead_gatherer_is_replaced_and_refused(backend: Backend, opened: str) -> None:
    dead = take(backend, opened, "dead")
    assert backend.rounds.abandoned() == []
    age(backend, "rounds", opened)
    assert backend.rounds.abandoned() == [opened]
    alive = take(backend, opened, "alive")
    assert alive.fence > dead.fence
    for write in (
        lambda: backend.rounds.renew(dead),
        lambda: backend.rounds.release(dead, "x"),
        lambda: backend.rounds.finish(dead, {}),
        lambda: backend.rounds.fail(dead, "x"),
    ):
        with pytest.raises(LeaseLost, match="alive holds it, with fence 2"):
            write()
    backend.rounds.release(alive, "$why")
    assert backend.rounds.get(opened).reason == "$why"
    backend.rounds.finish(take(backend, opened), {"version": 2})


def test_a_failed_round_is_opened_again_with_its_tasks(backend: Backend, opened: str) -> None:
    backend.rounds.fail(take(backend, opened), "too few")
    task = backend.rounds.get(opened).task_ids[0]
    assert backend.rounds.claim(opened, "g") is None
    assert backend.rounds.reopen("other", [task]) == backend.rounds.reopen(POOL, ["ffff"]) == 0
    assert backend.rounds.reopen(POOL, [task]) == 1
    assert take(backend, opened).fence == 2


def test_a_delayed_round_waits_for_its_start(backend: Backend) -> None:
    ident = backend.rounds.create(POOL, create(backend.tasks), PURPOSE, held=True)
    assert backend.rounds.claim(ident, "g") is None
    assert not backend.rounds.may_be_gathered(ident)
    backend.rounds.start(ident)
    assert backend.rounds.may_be_gathered(ident)
    take(backend, ident)
    assert not backend.rounds.may_be_gathered(ident)


def test_a_round_is_finished_with_its_last_task(backend: Backend, opened: str) -> None:
    assert backend.tasks.has_active(opened)
    assert len(backend.tasks.find(round_id=opened)) == 2
    backend.tasks.commit(claim(backend.tasks), {})
    assert backend.tasks.has_active(opened)
    last = claim(backend.tasks)
    assert backend.tasks.has_active(opened)
    backend.tasks.fail(last, TaskError("E", "m", permanent=True))
    assert not backend.tasks.has_active(opened)
    assert not backend.tasks.has_active("other")

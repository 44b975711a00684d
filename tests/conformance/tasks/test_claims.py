"""Claims: one holder at a time, fences, leases on the server's clock, and how attempts end."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from rollq import Backend, LeaseLost, TaskState
from rollq.tasks.queue.losses import TaskLosses
from rollq.tasks.queue.task import TaskError
from tests.pool_tasks import POOL, claim, create, expire, replace_settings


def test_claim_commit(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    claimed = claim(backend.tasks)
    assert backend.tasks.claim(POOL, "other") is None
    backend.tasks.commit(claimed, {"recorder_id": "$r", "metrics": {"Rank IC": 0.1}})
    task = backend.tasks.get(ident)
    assert (task.status, task.fence, task.attempts) == (TaskState.DONE, 1, 1)
    assert task.result == {"recorder_id": "$r", "metrics": {"Rank IC": 0.1}}
    assert [(t.start, t.end) for t in task.history] == [
        (None, "WAITING"),
        ("WAITING", "RUNNING"),
        ("RUNNING", "DONE"),
    ]
    backend.tasks.commit(claimed, {"recorder_id": "again"})  # the same claim: harmless
    assert backend.tasks.get(ident).result == task.result


def test_eight_threads_claim_each_task_once(backend: Backend) -> None:
    create(backend.tasks, 100)
    taken: list[str] = []

    def work(name: str) -> None:
        while found := backend.tasks.claim(POOL, name):
            taken.append(found.task_id)
            backend.tasks.commit(found, {})

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 100


def test_a_stale_holder_is_refused_everywhere(backend: Backend) -> None:
    create(backend.tasks)
    stale = claim(backend.tasks, "stale")
    expire(backend, stale)
    (taken,) = backend.tasks.reclaim("sweeper")
    assert taken.status is TaskState.WAITING
    fresh = claim(backend.tasks, "fresh")
    assert fresh.fence > stale.fence
    for write in (
        lambda: backend.tasks.renew(stale),
        lambda: backend.tasks.commit(stale, {}),
        lambda: backend.tasks.fail(stale, TaskError("E", "m")),
        lambda: backend.tasks.release(stale, "x"),
    ):
        with pytest.raises(LeaseLost, match="fresh holds it, with fence"):
            write()
    assert not backend.tasks.holds(stale)
    backend.tasks.renew(fresh)
    backend.tasks.commit(fresh, {"by": "fresh"})
    with pytest.raises(LeaseLost, match="it is DONE"):
        backend.tasks.commit(stale, {"by": "stale"})
    assert backend.tasks.get(fresh.task_id).result == {"by": "fresh"}


def test_a_live_lease_is_not_reclaimed(backend: Backend) -> None:
    create(backend.tasks)
    claimed = claim(backend.tasks)
    assert backend.tasks.reclaim("sweeper") == []
    time.sleep(1.2)
    backend.tasks.renew(claimed)
    time.sleep(1.2)  # longer than the lease since the claim, shorter since it was renewed
    assert backend.tasks.reclaim("sweeper") == []
    assert backend.tasks.holds(claimed)


def test_a_lease_that_is_renewed_while_a_sweep_looks_is_kept(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    create(backend.tasks)
    claimed = claim(backend.tasks)
    expire(backend, claimed)
    take_back = TaskLosses._reclaim

    def late(*args: Any) -> bool:
        backend.tasks.renew(claimed)  # after the sweep has read, before it writes
        return take_back(*args)

    monkeypatch.setattr(TaskLosses, "_reclaim", late)
    assert backend.tasks.reclaim("sweeper") == []
    assert backend.tasks.holds(claimed)


def test_a_dead_worker_need_not_be_waited_for(backend: Backend) -> None:
    create(backend.tasks, 2)
    dead, alive = claim(backend.tasks, "host/1/2"), claim(backend.tasks, "host/1/3")
    (taken,) = backend.tasks.reclaim("sweeper", ["host/1/2"])
    assert taken.id == dead.task_id
    assert backend.tasks.holds(alive)


def test_a_poison_pill_is_quarantined(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    for _ in range(backend.settings.max_worker_losses):
        expire(backend, claim(backend.tasks))
        backend.tasks.reclaim("sweeper")
    task = backend.tasks.get(ident)
    assert task.status is TaskState.QUARANTINED
    assert "lost" in (task.error or {})["message"]
    assert backend.tasks.claim(POOL, "w") is None


def test_failures_are_tried_again_then_final(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    error = TaskError("ValueError", "$bad", "trace")
    states = [backend.tasks.fail(claim(backend.tasks), error) for _ in range(backend.settings.max_attempts)]
    assert states == [TaskState.WAITING, TaskState.WAITING, TaskState.FAILED]
    task = backend.tasks.get(ident)
    assert (task.error or {})["message"] == "$bad"
    assert backend.tasks.claim(POOL, "w") is None
    assert backend.tasks.retry([ident], "me") == [ident]
    assert claim(backend.tasks).failures == 0


def test_a_permanent_error_fails_at_once(backend: Backend) -> None:
    create(backend.tasks)
    assert backend.tasks.fail(claim(backend.tasks), TaskError("DataError", "m", permanent=True)) is TaskState.FAILED


def test_backoff_keeps_a_failed_task_waiting(backend: Backend) -> None:
    slow = replace_settings(backend, backoff_seconds=1000.0, backoff_max_seconds=1000.0)
    create(slow)
    slow.fail(claim(slow), TaskError("E", "m"))
    assert slow.claim(POOL, "w") is None


def test_release_gives_back_untried(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    backend.tasks.release(claim(backend.tasks), "stopping")
    task = backend.tasks.get(ident)
    assert (task.status, task.failures, task.losses) == (TaskState.WAITING, 0, 0)


def test_a_lost_worker_leaves_its_last_words(backend: Backend) -> None:
    tasks = replace_settings(backend, max_worker_losses=1)
    (ident,) = create(tasks)
    tasks.renew(claim(tasks, "host/1/2"), memory_mb=512.0)
    tasks.reclaim("sweeper", {"host/1/2": "signal 9 (SIGKILL)"})
    error = tasks.get(ident).error or {}
    assert (error["signal"], error["memory_mb"]) == ("signal 9 (SIGKILL)", 512.0)
    assert "SIGKILL" in error["message"]
    assert "512 MB" in error["message"]

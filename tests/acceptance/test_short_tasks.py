"""What a worker does with short tasks: limits, last words, turns between pools, what it can run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rollq import Backend, LeaseLost, Settings, TaskState
from rollq.tasks.attempts.attempt_lease import AttemptLease, TimeLimitExceeded
from tests.acceptance.processes.worker_processes import children, kill, wait_until
from tests.chaos.job import definition
from tests.chaos.scene import LiveWorker


@contextmanager
def live_worker(settings: Settings, processes: int = 2, **changes: object) -> Iterator[LiveWorker]:
    found = LiveWorker(
        settings.model_copy(update={"concurrency": processes, **changes}), settings.state_dir / "short.log"
    )
    try:
        yield found
    finally:
        found.process.terminate()
        found.process.wait(30)


def create(backend: Backend, pool: str, count: int, seconds: float, **options: object) -> list[str]:
    ids = backend.tasks.create_tasks(pool, [definition(n, seconds) for n in range(count)], **options).ids  # type: ignore[arg-type]
    backend.notifier.top_up(pool)
    return list(ids)


def done(backend: Backend, pool: str) -> int:
    return backend.tasks.stat(pool)[TaskState.DONE]


def test_a_pool_of_thousands_does_not_starve_one_of_ten(backend: Backend) -> None:
    create(backend, "big", 3_000, 0.02)
    with live_worker(backend.settings):
        wait_until(lambda: done(backend, "big") > 20)
        create(backend, "small", 10, 0.02)
        wait_until(lambda: done(backend, "small") == 10)
        assert done(backend, "big") < 1_500


def test_few_messages_lie_about_however_many_tasks_are_done(backend: Backend) -> None:
    create(backend, "pool", 1_000, 0.0)
    with live_worker(backend.settings):
        deepest = 0
        while done(backend, "pool") < 1_000:
            deepest = max(deepest, backend.notifier.depth("default"))
            time.sleep(0.05)
    assert deepest <= 2 * backend.settings.max_outstanding


def test_a_worker_takes_only_what_it_can_run(backend: Backend) -> None:
    (large,) = create(backend, "pool", 1, 0.0, requested={"gpu": 1}, queue="default")
    with live_worker(backend.settings, 1):
        small = create(backend, "other", 3, 0.0)
        wait_until(lambda: done(backend, "other") == len(small))
        assert backend.tasks.get(large).status is TaskState.WAITING
        with live_worker(backend.settings, 1, gpu=1.0):
            wait_until(lambda: backend.tasks.get(large).status is TaskState.DONE)


def test_a_quarantined_task_says_by_which_signal_its_worker_died(backend: Backend) -> None:
    with live_worker(backend.settings, 1, max_worker_losses=1) as found:
        (ident,) = create(backend, "pool", 1, 30.0)
        wait_until(lambda: backend.tasks.get(ident).status is TaskState.RUNNING)
        time.sleep(1.0)  # the lease was renewed once: with the memory in use
        kill(children(found.process)[0])
        wait_until(lambda: backend.tasks.get(ident).status is TaskState.QUARANTINED)
    error = backend.tasks.get(ident).error or {}
    assert error["signal"] == "signal 9 (SIGKILL)"
    assert error["memory_mb"] > 10


def test_a_task_that_does_not_look_at_its_time_limit_is_left_behind(backend: Backend) -> None:
    with live_worker(backend.settings, 1, max_attempts=1):
        (stuck,) = create(backend, "pool", 1, 600.0, time_limit=0.5)
        wait_until(lambda: backend.tasks.get(stuck).status is TaskState.FAILED)
        assert (backend.tasks.get(stuck).error or {})["type"] == "TimeLimitExceeded"
        create(backend, "next", 1, 0.0)
        wait_until(lambda: done(backend, "next") == 1)  # the process was replaced


def test_a_cancelled_task_that_does_not_look_at_its_checkpoint_is_left_behind(backend: Backend) -> None:
    with live_worker(backend.settings, 1):
        (stuck,) = create(backend, "pool", 1, 600.0)
        wait_until(lambda: backend.tasks.get(stuck).status is TaskState.RUNNING)
        backend.tasks.cancel([stuck], "me")
        create(backend, "next", 1, 0.0)
        wait_until(lambda: done(backend, "next") == 1, 30)
    assert backend.tasks.get(stuck).status is TaskState.CANCELLED


def test_a_model_is_told_of_its_time_limit_and_of_cancellation(backend: Backend) -> None:
    limited, endless = create(backend, "a", 1, 0.0, time_limit=0.2)[0], create(backend, "b", 1, 0.0)[0]
    first, second = backend.tasks.claim("a", "w"), backend.tasks.claim("b", "w")
    assert first
    assert second
    assert (first.task_id, second.task_id) == (limited, endless)
    with AttemptLease(backend.tasks, first) as lease, pytest.raises(TimeLimitExceeded):
        wait_until(lambda: lease.checkpoint() is not None, 2)
    with AttemptLease(backend.tasks, second) as lease:
        lease.checkpoint()
        backend.tasks.cancel([endless], "me")
        with pytest.raises(LeaseLost):
            wait_until(lambda: lease.checkpoint() is not None, 2)

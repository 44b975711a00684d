"""The lease when the store hangs: it neither answers nor refuses, as behind a cut cable."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rollq import Backend, LeaseLost, LocalStack, TaskQueue, TaskState
from rollq.tasks.attempts.attempt_lease import AttemptLease
from rollq.tasks.errors import Unavailable
from rollq.tasks.mongo.client import within
from rollq.tasks.queue.prefetch import Claim
from tests.acceptance.processes.worker_processes import wait_until
from tests.chaos.job import definition


@contextmanager
def hanging(stack: LocalStack) -> Iterator[None]:
    """The store is stopped, its sockets stay open."""
    assert stack._store
    pid = stack._store.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def claim(tasks: TaskQueue) -> Claim:
    tasks.create_tasks("pool", [definition(1, 0.0)])
    found = tasks.claim("pool", "w")
    assert found
    return found


def test_an_attempt_ends_when_its_lease_cannot_be_renewed(stack: LocalStack, backend: Backend) -> None:
    claimed = claim(backend.tasks)
    lease_seconds = backend.settings.lease_seconds
    with hanging(stack):
        with AttemptLease(backend.tasks, claimed) as lease:
            lease.checkpoint()
            with pytest.raises(LeaseLost, match="ran out"):
                wait_until(lambda: lease.checkpoint() is not None, lease_seconds + 1)
            assert time.monotonic() - claimed.since > lease_seconds
            left = time.monotonic()
        assert time.monotonic() - left < 2.0  # the hanging thread is not waited for


def test_a_short_silence_costs_nothing(stack: LocalStack, backend: Backend) -> None:
    claimed = claim(backend.tasks)
    with AttemptLease(backend.tasks, claimed) as lease:
        with hanging(stack):
            time.sleep(backend.settings.lease_seconds / 2)
        time.sleep(backend.settings.lease_seconds)
        lease.checkpoint()
        assert backend.tasks.reclaim("sweeper") == []
        backend.tasks.commit(claimed, {})


def test_a_commit_survives_a_restart_of_the_store(stack: LocalStack, backend: Backend) -> None:
    patient = TaskQueue(backend.store, backend.settings.model_copy(update={"lease_seconds": 9.0}))
    claimed = claim(patient)
    one_try = patient.lease(claimed).seconds / 3 + 0.5
    with AttemptLease(patient, claimed) as lease:
        assert stack._store
        stack._store.kill()
        writing = threading.Thread(target=lambda: lease.retry(lambda: patient.commit(claimed, {"n": 1})))
        writing.start()
        time.sleep(one_try)  # it has tried by now, and was told that there is no store
        stack.restart_store()
        writing.join()
    assert patient.get(claimed.task_id).result == {"n": 1}


def test_a_commit_is_not_tried_for_ever(stack: LocalStack, backend: Backend) -> None:
    claimed = claim(backend.tasks)
    with hanging(stack), AttemptLease(backend.tasks, claimed) as lease:
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            lease.retry(lambda: backend.tasks.commit(claimed, {}))
        assert time.monotonic() - begun < 2 * backend.settings.lease_seconds


def test_an_operation_can_be_given_a_time(stack: LocalStack, backend: Backend) -> None:
    claimed = claim(backend.tasks)
    with hanging(stack):
        begun = time.monotonic()
        with pytest.raises(Unavailable), within(0.3):
            backend.tasks.commit(claimed, {})
        assert time.monotonic() - begun < 2.0
    backend.tasks.commit(claimed, {})  # whether the first one arrived or not
    assert backend.tasks.get(claimed.task_id).status is TaskState.DONE

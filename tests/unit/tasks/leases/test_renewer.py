"""The lease renewer: what it holds ends by the store's word or by this process's own clock."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from rollq.tasks.errors import LeaseLost, StateError, Unavailable
from rollq.tasks.leases.renewer import Lease, LeaseRenewer, no_lease
from tests.acceptance.processes.worker_processes import wait_until

LONG = 3_600.0


class Store:
    """What answers a renewal."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    def renew(self) -> None:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else None
        if answer:
            raise answer


def lease(renew: Callable[[], object], seconds: float = LONG, age: float = 0.0) -> Lease:
    return Lease("round r", seconds, renew, time.monotonic() - age)


def keepers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "rollq-lease"]


def test_a_lease_that_ran_out_is_lost_though_nobody_said_so() -> None:
    renewer = LeaseRenewer(lease(Store().renew, age=LONG + 1))
    for _ in range(2):
        with pytest.raises(LeaseLost, match="The lease on round r ran out"):
            renewer.check()
    with pytest.raises(LeaseLost):
        renewer.check(sure=True)


def test_a_lease_begins_when_it_was_asked_for() -> None:
    LeaseRenewer(lease(Store().renew, age=LONG / 2)).check()


def test_a_sure_check_asks_the_store() -> None:
    store = Store(None, Unavailable("away"), LeaseLost("another one has it"))
    renewer = LeaseRenewer(lease(store.renew))
    renewer.check()
    assert store.asked == 0
    renewer.check(sure=True)
    with pytest.raises(Unavailable):
        renewer.check(sure=True)
    renewer.check()  # one that was told nothing says nothing
    with pytest.raises(LeaseLost, match="another one"):
        renewer.check(sure=True)
    with pytest.raises(LeaseLost, match="another one"):
        renewer.check()
    no_lease(sure=True)


def test_work_that_lasts_is_renewed_until_its_end() -> None:
    store, watched = Store(Unavailable("away"), StateError("odd")), Store()
    with LeaseRenewer(lease(store.renew, seconds=0.6), on_tick=watched.renew):
        wait_until(lambda: store.asked >= 4)  # what goes wrong ends no thread
    wait_until(lambda: keepers() == [])
    assert watched.asked >= store.asked


def test_a_thread_that_is_told_that_the_lease_is_gone_says_it_and_ends() -> None:
    store, told = Store(LeaseLost("another one has it")), threading.Event()
    with LeaseRenewer(lease(store.renew, seconds=0.6), on_lost=told.set) as renewer:
        assert told.wait(30)
        with pytest.raises(LeaseLost, match="another one"):
            renewer.check()
        wait_until(lambda: keepers() == [])
    assert store.asked == 1


def test_a_block_that_ends_after_its_commit_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """The thread was told that the lease is gone, because what was done under it has been committed."""
    committed, asked = threading.Event(), threading.Event()

    def renew() -> None:
        asked.set()
        assert committed.wait(30)
        raise LeaseLost("it is DONE")

    lost = threading.Event()
    with LeaseRenewer(lease(renew, seconds=1.5), on_lost=lost.set):
        assert asked.wait(30)
        committed.set()
    wait_until(lambda: keepers() == [])
    assert caplog.messages == []
    assert not lost.is_set()


def test_a_forked_process_renews_its_own_leases() -> None:
    with LeaseRenewer(lease(Store().renew)):  # the thread that starts others is there
        if not (pid := os.fork()):
            store = Store()
            with LeaseRenewer(lease(store.renew, seconds=0.6)):
                wait_until(lambda: store.asked > 0, 30)
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

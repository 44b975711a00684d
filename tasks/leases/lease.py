"""The lease keeper: a thread that renews a claim while the task trains, and says when the attempt must stop."""

from __future__ import annotations

import logging
import os
import resource
import threading
import time
from collections.abc import Callable
from types import TracebackType

from rollq.tasks.errors import Draining, LeaseLost, RollqError, Unavailable
from rollq.tasks.mongo.client import within
from rollq.tasks.queue.pools import TaskPools
from rollq.tasks.queue.task import Claim, TaskError

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5  # how often the keeper looks; cancellation reaches a model within this and its next round
LEAVE_SECONDS = 1.0  # how long the end of the block waits for a renewal under way; a late one is refused by its fence
SHORT_SECONDS = 0.1  # a task that takes less than this has no thread of its own
GRACE_SECONDS = 5.0  # a model that does not look at the checkpoint for this long after a drain is left behind


class TimeLimitExceeded(RollqError):
    """The attempt took longer than the task's ``time_limit``."""


class LeaseKeeper:
    """Renews a claim every third of its lease until the block ends.

    Args:
        draining: whether the worker wants its tasks back.
        own_process: the process is here for this task alone: if the model has to stop and does not look at its
            checkpoint, the process is ended. Else the work may go on, but its commit is refused.

    ``checkpoint`` is given to the model, which calls it often. It does not trust the renewing thread: when the lease
    has run out by this process's own clock without a renewal that the store confirmed (its machine is cut off, the
    process was stopped for a while), the attempt ends, because somebody else may have the task.
    """

    def __init__(
        self,
        tasks: TaskPools,
        claim: Claim,
        draining: Callable[[], bool] = lambda: False,
        *,
        own_process: bool = False,
    ) -> None:
        self._tasks = tasks
        self._claim = claim
        self._draining = draining
        self._own_process = own_process
        self._lost: LeaseLost | None = None
        self._told_to_drain = 0.0
        self._began, self._renewed = time.monotonic(), claim.since
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="rollq-lease", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        """Start to renew."""
        _starter.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to renew."""
        if _starter.remove(self):
            self._thread.join(LEAVE_SECONDS)

    def start(self) -> None:
        """Start the thread, unless the block has ended."""
        if not self._done.is_set():
            self._thread.start()

    def end(self) -> bool:
        """The block ends; whether there is a thread to wait for."""
        self._done.set()
        return self._thread.ident is not None

    def checkpoint(self) -> None:
        """Stop the attempt if it has to stop.

        Raises:
            LeaseLost: the claim is gone.
            TimeLimitExceeded: the task's time is over.
            Draining: the worker stops.
        """
        if lost := self._gone():
            raise lost
        if self._overtime() >= 0:
            raise self._too_long()
        if self._told_to_drain:
            raise Draining("The worker stops.")

    def insist(self, write: Callable[[], object]) -> None:
        """Do a write that may be repeated, again and again while the store is away and the lease may still hold.

        Raises:
            LeaseLost: the store says that the claim is gone.
            Unavailable: the store stayed away for longer than the lease.
        """
        while True:
            try:
                with within(self._claim.lease_seconds / 3):
                    write()
            except Unavailable as error:
                if self._gone():
                    raise
                log.warning("the result could not be written yet: %s", error)
            else:
                return
            time.sleep(min(TICK_SECONDS, self._claim.lease_seconds / 6))

    def _keep(self) -> None:
        while not self._done.wait(min(TICK_SECONDS, self._claim.lease_seconds / 6)):
            if self._draining():
                self._drain()
            if self._overtime() > GRACE_SECONDS:
                self._leave(
                    lambda: self._tasks.fail(self._claim, TaskError("TimeLimitExceeded", str(self._too_long())))
                )
            if time.monotonic() - self._renewed < self._claim.lease_seconds / 3 and self._is_ours():
                continue
            self._renew()
            if self._gone():
                self._abandon()
                return

    def _renew(self) -> None:
        asked = time.monotonic()
        try:
            with within(self._claim.lease_seconds / 3):
                self._tasks.renew(self._claim, memory_mb=peak_memory_mb())
        except LeaseLost as error:
            self._lost = error
        except Unavailable as error:
            log.warning("the lease could not be renewed: %s", error)
        else:
            self._renewed = asked

    def _gone(self) -> LeaseLost | None:
        """Why the attempt must not go on: the store said so, or the lease ran out unrenewed; None while it holds."""
        if not self._lost and time.monotonic() - self._renewed > self._claim.lease_seconds:
            self._lost = LeaseLost(f"The lease on task {self._claim.task_id} ran out: it could not be renewed.")
            log.warning("the attempt gives up: %s", self._lost)
        return self._lost

    def _is_ours(self) -> bool:
        """Whether a cheap look says that the claim still holds; if not, ``_renew`` finds out for sure."""
        try:
            with within(self._claim.lease_seconds / 3):
                return self._tasks.holds(self._claim)
        except Unavailable:
            return True

    def _drain(self) -> None:
        self._told_to_drain = self._told_to_drain or time.monotonic()
        if time.monotonic() - self._told_to_drain < GRACE_SECONDS:
            return
        self._leave(lambda: self._tasks.release(self._claim, "the worker was stopped"))

    def _leave(self, last: Callable[[], object]) -> None:
        """The model does not look at its checkpoint: write the ``last`` word on the task and leave it behind."""
        try:
            last()
        except RollqError as error:
            log.warning("the task could not be given back, its lease will run out: %s", error)
        if self._own_process:
            os._exit(0)
        self._lost = LeaseLost("The task was given up.")

    def _abandon(self) -> None:
        """The claim is lost, so the work is useless: a model that does not look at its checkpoint is left behind."""
        if not self._done.wait(GRACE_SECONDS):
            self._leave(lambda: None)

    def _overtime(self) -> float:
        """Seconds over the time limit; negative before that."""
        limit = self._claim.time_limit
        return -1.0 if limit is None else time.monotonic() - self._began - limit

    def _too_long(self) -> TimeLimitExceeded:
        return TimeLimitExceeded(f"The attempt took longer than its time limit of {self._claim.time_limit:g} s.")


class _Starter:
    """Starts the threads of keepers whose tasks last, one thread for all: a thread each would cost more than a task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._new: list[LeaseKeeper] = []
        self._thread: threading.Thread | None = None

    def add(self, keeper: LeaseKeeper) -> None:
        """Start the keeper's thread within ``SHORT_SECONDS``, if it is still there then."""
        with self._lock:
            self._new.append(keeper)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rollq-leases", daemon=True)
                self._thread.start()
        self._woken.set()

    def remove(self, keeper: LeaseKeeper) -> bool:
        """The keeper's block has ended; whether it has a thread to wait for."""
        with self._lock:
            return keeper.end()

    def _run(self) -> None:
        while self._woken.wait():
            time.sleep(SHORT_SECONDS)
            with self._lock:
                self._woken.clear()
                self._new = [keeper for keeper in self._new if not _started(keeper)]
                if self._new:
                    self._woken.set()


def _started(keeper: LeaseKeeper) -> bool:
    try:
        keeper.start()
    except RuntimeError as error:  # no more threads: perhaps in a moment
        log.warning("the lease is not renewed yet: %s", error)
        return False
    return True


_starter = _Starter()


def _after_fork() -> None:
    """A forked process has no threads."""
    global _starter
    _starter = _Starter()


os.register_at_fork(after_in_child=_after_fork)


def peak_memory_mb() -> float:
    """The most memory that this process had resident, in megabytes (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

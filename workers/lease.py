"""The lease keeper: a thread that renews a claim while the task trains, and says when the attempt must stop."""

from __future__ import annotations

import logging
import os
import resource
import threading
import time
from collections.abc import Callable
from types import TracebackType

from tasks.errors import LeaseLost, RollqError, Unavailable
from tasks.pools import TaskPools
from tasks.task import Claim, TaskError

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5  # how often the keeper looks; cancellation reaches a model within this and its next round
GRACE_SECONDS = 5.0  # a model that does not look at the checkpoint for this long after a drain is left behind


class TimeLimitExceeded(RollqError):
    """The attempt took longer than the task's ``time_limit``."""


class Draining(RollqError):
    """The worker stops: the task goes back untried."""


class LeaseKeeper:
    """Renews a claim every third of its lease until the block ends.

    Args:
        draining: whether the worker wants its tasks back.

    ``checkpoint`` is given to the model, which calls it often.
    """

    def __init__(self, tasks: TaskPools, claim: Claim, draining: Callable[[], bool] = lambda: False) -> None:
        self._tasks = tasks
        self._claim = claim
        self._draining = draining
        self._lost: LeaseLost | None = None
        self._told_to_drain = 0.0
        self._began = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="rollq-lease", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        """Start to renew."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to renew."""
        self._done.set()
        self._thread.join()

    def checkpoint(self) -> None:
        """Stop the attempt if it has to stop.

        Raises:
            LeaseLost: the claim is gone.
            TimeLimitExceeded: the task's time is over.
            Draining: the worker stops.
        """
        if self._lost:
            raise self._lost
        if self._overtime() >= 0:
            raise self._too_long()
        if self._told_to_drain:
            raise Draining("The worker stops.")

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._done.wait(min(TICK_SECONDS, self._claim.lease_seconds / 6)):
            if self._draining():
                self._drain()
            if self._overtime() > GRACE_SECONDS:
                self._leave(
                    lambda: self._tasks.fail(self._claim, TaskError("TimeLimitExceeded", str(self._too_long())))
                )
            if time.monotonic() - renewed < self._claim.lease_seconds / 3 and self._is_ours():
                continue
            renewed = self._renew(renewed)
            if self._lost:
                return

    def _renew(self, renewed: float) -> float:
        try:
            asked = time.monotonic()
            self._tasks.renew(self._claim, memory_mb=peak_memory_mb())
        except LeaseLost as error:
            self._lost = error
        except Unavailable as error:
            log.warning("the lease could not be renewed: %s", error)
            if time.monotonic() - renewed > self._claim.lease_seconds:
                self._lost = LeaseLost("The store was away for longer than the lease.")
        else:
            return asked
        return renewed

    def _is_ours(self) -> bool:
        """Whether a cheap look says that the claim still holds; if not, ``_renew`` finds out for sure."""
        try:
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
        os._exit(0)

    def _overtime(self) -> float:
        """Seconds over the time limit; negative before that."""
        limit = self._claim.time_limit
        return -1.0 if limit is None else time.monotonic() - self._began - limit

    def _too_long(self) -> TimeLimitExceeded:
        return TimeLimitExceeded(f"The attempt took longer than its time limit of {self._claim.time_limit:g} s.")


def peak_memory_mb() -> float:
    """The most memory that this process had resident, in megabytes (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

"""The lease of an attempt at a task: beside the lease itself it watches the task's time limit and the worker's end."""

from __future__ import annotations

import logging
import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace

from rollq.tasks.errors import Draining, RollqError
from rollq.tasks.leases.renewer import LeaseRenewer
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.queue.task import TaskError
from rollq.tasks.queue.task_queue import TaskQueue

log = logging.getLogger(__name__)

GRACE_SECONDS = 5.0  # a model that does not look at the checkpoint for this long after a drain is left behind


class TimeLimitExceeded(RollqError):
    """The attempt took longer than the task's ``time_limit``."""


class AttemptLease:
    """Renews the lease of a claim until the block ends.

    Args:
        draining: whether the worker wants its tasks back.
        own_process: the process is here for this task alone: if the model has to stop and does not look at its
            checkpoint, the process is ended. Else the work may go on, but its commit is refused.

    ``checkpoint`` is given to the model, which calls it often.
    """

    def __init__(
        self,
        tasks: TaskQueue,
        claim: Claim,
        draining: Callable[[], bool] = lambda: False,
        *,
        own_process: bool = False,
    ) -> None:
        """The time of the attempt counts from here, after the claim: waiting in the queue is not the task's."""
        self._tasks = tasks
        self._claim = claim
        self._draining = draining
        self._own_process = own_process
        self._told_to_drain = 0.0
        self._began = time.monotonic()
        lease = replace(tasks.lease(claim), renew=lambda: tasks.renew(claim, memory_mb=peak_memory_mb()))
        self._renewer = LeaseRenewer(lease, self._watch, self._abandon)

    def __enter__(self) -> AttemptLease:
        """Start to renew."""
        self._renewer.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to renew."""
        self._renewer.__exit__()

    def checkpoint(self) -> None:
        """Stop the attempt if it has to stop.

        Raises:
            LeaseLost: the claim is gone.
            TimeLimitExceeded: the task's time is over.
            Draining: the worker stops.
        """
        self._renewer.check()
        if self._overtime() >= 0:
            raise self._too_long()
        if self._told_to_drain:
            raise Draining("The worker stops.")

    def retry(self, write: Callable[[], object]) -> None:
        """Do a write that may be repeated, while the store is away. Raises as ``LeaseRenewer.retry``."""
        self._renewer.retry(write)

    def _watch(self) -> None:
        if self._draining():
            self._drain()
        if self._overtime() > GRACE_SECONDS:
            self._leave(lambda: self._tasks.fail(self._claim, TaskError("TimeLimitExceeded", str(self._too_long()))))

    def _drain(self) -> None:
        self._told_to_drain = self._told_to_drain or time.monotonic()
        if time.monotonic() - self._told_to_drain < GRACE_SECONDS:
            return
        # Given back before the process ends, so that it counts neither as an attempt nor as a loss.
        self._leave(lambda: self._tasks.release(self._claim, "the worker was stopped"))

    def _leave(self, last: Callable[[], object]) -> None:
        """The model does not look at its checkpoint: write the ``last`` word on the task and leave it behind."""
        try:
            last()
        except RollqError as error:
            log.warning("the task could not be given back, its lease will run out: %s", error)
        if self._own_process:
            # Not `sys.exit`: this is the renewer's thread, and native code holds the main one. Celery starts another
            # process.
            os._exit(0)
        self._renewer.give_up("The task was given up.")

    def _abandon(self) -> None:
        """The claim is lost, so the work is useless: a model that does not look at its checkpoint is left behind."""
        if not self._renewer.ends_within(GRACE_SECONDS):
            self._leave(lambda: None)

    def _overtime(self) -> float:
        """Seconds over the time limit; negative before that."""
        limit = self._claim.time_limit
        return -1.0 if limit is None else time.monotonic() - self._began - limit

    def _too_long(self) -> TimeLimitExceeded:
        return TimeLimitExceeded(f"The attempt took longer than its time limit of {self._claim.time_limit:g} s.")


def peak_memory_mb() -> float:
    """The most memory that this process had resident, in megabytes (10^6 bytes)."""
    # Linux counts in kibibytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

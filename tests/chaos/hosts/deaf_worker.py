"""A real ``rollq worker`` that does not listen to its lease: it trains to the end and commits, however late that is."""

from __future__ import annotations

import logging
import sys
from typing import Any

from rollq.service import run_worker
from rollq.tasks.attempts.attempt_lease import AttemptLease
from rollq.tasks.config.settings import load_settings
from rollq.tasks.errors import LeaseLost
from rollq.tasks.queue.claims import TaskClaims
from rollq.tasks.queue.prefetch import Claim

log = logging.getLogger(__name__)
commit = TaskClaims.commit


def deaf(_: AttemptLease) -> None:
    """Whatever the lease says, go on."""


def told(tasks: TaskClaims, claim: Claim, *args: Any, **kwargs: Any) -> None:
    """Commit, and say it when the commit is refused."""
    try:
        commit(tasks, claim, *args, **kwargs)
    except LeaseLost:
        log.warning("refused: task %s, fence %s", claim.task_id, claim.fence)
        raise


if __name__ == "__main__":
    AttemptLease.checkpoint = deaf  # type: ignore[method-assign]
    AttemptLease._abandon = deaf  # type: ignore[method-assign]
    TaskClaims.commit = told  # type: ignore[method-assign]
    settings = load_settings()
    sys.exit(run_worker(settings, settings.concurrency))

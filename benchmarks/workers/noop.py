"""A worker whose tasks do nothing but commit, under a lease as in production: ``python -m benchmarks.workers.noop``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from rollq.service import run_worker
from rollq.tasks.attempts.attempt_lease import AttemptLease
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import load_settings
from rollq.tasks.errors import LeaseLost
from rollq.tasks.queue.prefetch import Claim
from rollq.workers.jobs.attempt import Outcome


def run(backend: Backend, claim: Claim, draining: Callable[[], bool]) -> Outcome:
    """What the worker does with a claim: as ``train_under_lease``, without a model and without MLflow."""
    try:
        with AttemptLease(backend.tasks, claim, draining, own_process=True) as lease:
            if seconds := claim.definition.get("seconds"):
                time.sleep(seconds)
            lease.checkpoint()
            backend.tasks.commit(claim, claim.definition.get("result", {"ok": True}))
    except LeaseLost:
        return Outcome.LOST
    return Outcome.COMMITTED


def definition(number: int, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    """A task that takes ``seconds``; with the shape of a window.

    Args:
        more: further keys; ``result`` is what it commits.
    """
    segments = {"train": ["2001-01-02", "2003-12-31"], "test": ["2004-07-01", "2004-09-30"]}
    return {
        "model": {"class": "LGBModel", "kwargs": {"seed": number, "num_boost_round": 60, "num_leaves": 31}},
        "dataset": {"class": "PanelDataset", "kwargs": {"path": "prices.parquet", "segments": segments}},
        "seconds": seconds,
        **more,
    }


if __name__ == "__main__":
    settings = load_settings()
    sys.exit(run_worker(settings, settings.concurrency, run))

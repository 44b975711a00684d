"""The work of the chaos runs: short, and the same wherever and however often it is done."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rollq.tasks.attempts.attempt_lease import AttemptLease
from rollq.tasks.backend import Backend
from rollq.tasks.errors import Draining, LeaseLost
from rollq.tasks.identity import task_key
from rollq.tasks.queue.prefetch import Claim
from rollq.workers.jobs.attempt import Outcome

log = logging.getLogger(__name__)


def definition(number: int, seconds: float) -> dict[str, Any]:
    """A window that takes about ``seconds``."""
    segments = {"train": [f"{2000 + number // 1000}-01-03", f"{2001 + number // 1000}-12-31"], "test": [None, None]}
    return {
        "model": {"class": "Ridge", "kwargs": {"n": number, "seconds": seconds}},
        "dataset": {"kwargs": {"segments": segments}},
    }


def predict(task: dict[str, Any]) -> np.ndarray:
    """Fit a ridge regression on the window's own data and predict: 20 values."""
    generator = np.random.default_rng(int(task_key(task)[:12], 16))
    features, label = generator.normal(size=(120, 4)), generator.normal(size=120)
    train = features[:100]
    weights = np.linalg.solve(train.T @ train + np.eye(4), train.T @ label[:100])
    return features[100:] @ weights


def digest(values: np.ndarray) -> str:
    """SHA-256 of the predicted values."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()


def run(backend: Backend, claim: Claim, draining: Callable[[], bool]) -> Outcome:
    """What a worker does with a claim: as ``train_under_lease``, without MLflow."""
    try:
        with AttemptLease(backend.tasks, claim, draining, own_process=True):
            time.sleep(claim.definition["model"]["kwargs"]["seconds"])
            values = predict(claim.definition)  # it does not look at the lease: a paused worker tries to commit
            backend.tasks.commit(claim, {"sha256": digest(values)})
    except LeaseLost as error:
        log.warning("commit refused: %s", error)
        return Outcome.LOST
    except Draining:
        backend.tasks.release(claim, "the worker was stopped")
        return Outcome.RELEASED
    return Outcome.COMMITTED

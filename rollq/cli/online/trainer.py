"""Who does the work that a verb asks for: workers, or this process; and under which name."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollq.scheduler.rounds.trainers import Trainer
    from rollq.tasks.backend import Backend


def trainer_of(backend: Backend, here: bool) -> tuple[type[Trainer] | None, Callable[[Backend, str], None]]:
    """How tasks are put into a pool, and how time passes until they are done."""
    from rollq.scheduler.strategies.registry import StrategyRegistry

    if not here:
        return None, lambda *_: time.sleep(0.2)
    from rollq.trainers import TrainerR

    registry = StrategyRegistry(backend)
    return TrainerR, lambda backend, name: TrainerR(registry.get(name).pool, backend=backend).work()


def has_worker(backend: Backend) -> bool:
    """Whether a worker lives."""
    return any(worker.alive for worker in backend.worker_registry.workers())


def this_process() -> str:
    """The name of this process in routines and updates: host and process number."""
    import os
    from socket import gethostname

    return f"{gethostname()}/{os.getpid()}"

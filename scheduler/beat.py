"""Beat: Celery's clock. Its entry is the sweep, done in beat's own process, so that busy workers cannot delay it."""

from __future__ import annotations

import logging
import os
import socket
from datetime import timedelta
from typing import Any

from celery.beat import Scheduler

from tasks.backend import Backend
from tasks.errors import RollqError
from tasks.sweeper import sweep

log = logging.getLogger(__name__)

SWEEP = "rollq.sweep"


def make_scheduler(backend: Backend) -> type[Scheduler]:
    """A scheduler class for Celery beat that sweeps ``backend``. It keeps nothing on disk; any number may run."""
    name = f"beat/{socket.gethostname()}/{os.getpid()}"

    class SweepingScheduler(Scheduler):  # type: ignore[misc]
        """Runs the sweep here, and sends every other entry as Celery does."""

        def setup_schedule(self) -> None:
            every = timedelta(seconds=backend.settings.sweep_seconds)
            self.update_from_dict({SWEEP: {"task": SWEEP, "schedule": every}})

        def apply_async(self, entry: Any, *args: Any, **kwargs: Any) -> Any:
            if entry.task != SWEEP:
                return super().apply_async(entry, *args, **kwargs)
            try:
                swept = sweep(backend, name)
            except RollqError as error:
                log.warning("a sweep was left out: %s", error)
                return None
            if swept.reclaimed or swept.rung or swept.rounds:
                log.info("swept: %s tasks taken back, %s rung, %s rounds rung", *vars(swept).values())
            return None

    return SweepingScheduler

"""Beat: Celery's clock. It sweeps, and notifies of routines, in its own process, so that busy workers delay nothing."""

from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.beat import Scheduler

from rollq.scheduler.routine.driver import notify_unfinished
from rollq.scheduler.routine.timetable import Now, Timetable
from rollq.tasks.backend import Backend
from rollq.tasks.errors import RollqError
from rollq.tasks.upkeep.sweeper import sweep

log = logging.getLogger(__name__)

SWEEP, ROUTINES = "rollq.sweep", "rollq.routines"


def _utc_now() -> datetime:
    return datetime.now(UTC)


def make_scheduler(backend: Backend, now: Now = _utc_now) -> type[Scheduler]:
    """A scheduler class for Celery beat that serves ``backend``. It keeps nothing on disk; any number may run.

    Args:
        now: the clock that routines go by, with a time zone.
    """
    timetable = Timetable(backend, now)
    name = f"beat/{socket.gethostname()}/{os.getpid()}"

    def sweep_once() -> None:
        swept = sweep(backend, name)
        if swept.reclaimed or swept.notified or swept.rounds:
            log.info("swept: %s tasks taken back, %s notified, %s rounds notified", *vars(swept).values())

    def notify_routines() -> None:
        for strategy, date in timetable.notify():
            log.info("routine of %s is due up to %s", strategy, date)
        notify_unfinished(backend)

    jobs = {SWEEP: sweep_once, ROUTINES: notify_routines}

    class SweepingScheduler(Scheduler):  # type: ignore[misc]
        """Runs the sweep here, and sends every other entry as Celery does."""

        def setup_schedule(self) -> None:
            every = timedelta(seconds=backend.settings.sweep_seconds)
            self.update_from_dict({entry: {"task": entry, "schedule": every} for entry in jobs})

        def apply_entry(self, entry: Any, producer: Any = None) -> None:
            if entry.task not in jobs:
                super().apply_entry(entry, producer)
                return
            try:  # without Celery's line for each time, among which those that matter would drown
                jobs[entry.task]()
            except RollqError as error:
                log.warning("%s was left out: %s", entry.task, error)
            except Exception:  # whatever it was, the next time must come
                log.exception("%s was left out", entry.task)

    return SweepingScheduler

"""A worker whose Celery meets an error that it has no answer to, once, as when a socket is gone between two steps."""

import os
import sys
from pathlib import Path

from celery import signals

from rollq.service import run_worker
from rollq.tasks.config.settings import current_settings
from rollq.workers.process.watchdog import RESTART, start_again
from tests.chaos.job import run

settings = current_settings()
marker = Path(os.environ["ROLLQ_STATE_DIR"]) / f"stumbled-{settings.mongo_database}"


def stumble():  # type: ignore[no-untyped-def]
    raise ValueError("file descriptor is None")


def trip_once(sender, **_):  # type: ignore[no-untyped-def]
    if not marker.exists():
        marker.touch()
        sender.hub.call_soon(stumble)


signals.worker_ready.connect(trip_once)
code = run_worker(settings, settings.concurrency, run)
if code == RESTART:
    start_again()
sys.exit(code)

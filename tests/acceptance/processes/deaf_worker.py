"""A worker that is connected and deaf in its first life: its consumer was told to stop listening."""

import os
import sys
from pathlib import Path

from celery import signals

from rollq.service import run_worker
from rollq.tasks.config.settings import current_settings
from rollq.workers.process.watchdog import RESTART, start_again
from tests.chaos.job import run

settings = current_settings()
marker = Path(os.environ["ROLLQ_STATE_DIR"]) / f"deaf-{settings.mongo_database}"


def deafen(sender, **_):  # type: ignore[no-untyped-def]
    if not marker.exists():
        marker.touch()
        sender.task_consumer.cancel()


signals.worker_ready.connect(deafen)
code = run_worker(settings, settings.concurrency, run)
if code == RESTART:
    start_again()
sys.exit(code)

"""A worker whose first coordinator dies by SIGKILL at the worst moment: signals written, nothing online yet."""

import os
import signal
from pathlib import Path

from rollq.scheduler.online.ledger import OnlineSets
from rollq.service import run_worker
from rollq.tasks.config.settings import current_settings

settings = current_settings()
marker = Path(os.environ["ROLLQ_STATE_DIR"]) / f"died-{settings.mongo_database}"
publish = OnlineSets.publish


def die_once(self, *args, **kwargs):  # type: ignore[no-untyped-def]
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return publish(self, *args, **kwargs)


OnlineSets.publish = die_once  # type: ignore[method-assign]
run_worker(settings, settings.concurrency)

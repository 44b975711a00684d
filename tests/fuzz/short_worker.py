"""A worker for the fuzz tests that must end well; if it does not, the test shows where each of its threads is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

from rollq import Backend
from tests.chaos.scene import LiveWorker

STOP_SECONDS = 15.0


@contextlib.contextmanager
def short_worker(backend: Backend, log: str) -> Iterator[LiveWorker]:
    """A real worker with two processes that does the short work of the chaos runs; its log is in the state folder."""
    path = backend.settings.state_dir / log
    found = LiveWorker(backend.settings.model_copy(update={"concurrency": 2}), path)
    try:
        yield found
    finally:
        found.process.send_signal(signal.SIGTERM)
        stuck = _stuck(found)
    assert not stuck, path.read_text(errors="replace")[-6_000:]
    assert found.process.returncode == 0


def _stuck(live_worker: LiveWorker) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        live_worker.process.wait(STOP_SECONDS)
        return False
    for pid in reversed(live_worker.everyone()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGABRT)  # Python writes where each thread is
        time.sleep(0.2)
    live_worker.process.kill()
    live_worker.process.wait()
    return True

"""A worker's main process lives on, whatever is killed while it starts and whatever Celery stumbles over."""

from __future__ import annotations

import signal
import time

from rollq import Backend, TaskState
from tests.acceptance.processes.worker_processes import kill, wait_until, worker
from tests.chaos.job import definition
from tests.chaos.scene import LiveWorker


def test_a_process_killed_while_the_worker_starts_ends_nothing(backend: Backend) -> None:
    """Celery ends a worker one of whose processes is gone when it begins to listen."""
    settings = backend.settings.model_copy(update={"concurrency": 2})
    backend.tasks.create_tasks("pool", [definition(n, 0.0) for n in range(5)])
    live_worker = LiveWorker(settings, settings.state_dir / "start.log")
    try:
        while len(live_worker.pool()) < 2:
            time.sleep(0.001)
        kill(live_worker.pool()[0])
        wait_until(lambda: live_worker.process.poll() is not None or backend.tasks.stat("pool")[TaskState.DONE] == 5)
        assert live_worker.process.poll() is None
        wait_until(lambda: len(live_worker.pool()) == 2)
    finally:
        live_worker.process.terminate()
        live_worker.process.wait(30)


def test_a_worker_that_celery_gives_up_begins_anew(backend: Backend) -> None:
    log = backend.settings.state_dir / "stumbling.log"
    with worker(backend.settings, 1, "stumbling_worker.py", log) as process:
        wait_until(lambda: "Unrecoverable error" in log.read_text())
        backend.tasks.create_tasks("pool", [definition(n, 0.0) for n in range(3)])
        wait_until(lambda: process.poll() is not None or backend.tasks.stat("pool")[TaskState.DONE] == 3)
        assert process.poll() is None
        process.send_signal(signal.SIGQUIT)  # a second signal ends it at once
        wait_until(lambda: process.poll() is not None)

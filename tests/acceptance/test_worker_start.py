"""A worker that is hurt while it starts."""

from __future__ import annotations

import time

from rollq import Backend, TaskState
from tests.acceptance.crew import kill, wait_until
from tests.chaos.job import definition
from tests.chaos.scene import Crew


def test_a_process_killed_while_the_worker_starts_is_replaced(backend: Backend) -> None:
    """Celery ends a worker one of whose processes is gone when it begins to listen."""
    settings = backend.settings.model_copy(update={"concurrency": 2})
    backend.tasks.create_tasks("pool", [definition(n, 0.0) for n in range(5)])
    crew = Crew(settings, settings.state_dir / "start.log")
    try:
        while len(crew.pool()) < 2:
            time.sleep(0.001)
        kill(crew.pool()[0])
        wait_until(lambda: crew.process.poll() is not None or backend.tasks.stat("pool")[TaskState.DONE] == 5)
        assert crew.process.poll() is None
        wait_until(lambda: len(crew.pool()) == 2)
    finally:
        crew.process.terminate()
        crew.process.wait(30)

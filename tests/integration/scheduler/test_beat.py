"""Beat, as a real process: it sweeps alone."""

from __future__ import annotations

import signal
import subprocess
import sys

from rollq import Backend, TaskState
from rollq.tasks.config.settings import worker_environment
from tests.acceptance.processes.worker_processes import wait_until
from tests.pool_tasks import claim, create, expire


def test_two_beats_sweep_and_stop(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    expire(backend, claim(backend.tasks))
    command = [sys.executable, "-P", "-m", "rollq", "beat"]
    beats = [subprocess.Popen(command, env=worker_environment(backend.settings)) for _ in range(2)]
    try:
        wait_until(lambda: backend.tasks.get(ident).status is TaskState.WAITING)
        wait_until(lambda: backend.notifier.depth("default") >= 1)
    finally:
        for beat in beats:
            beat.send_signal(signal.SIGTERM)
        codes = [beat.wait(20) for beat in beats]
    assert set(codes) <= {0, 143}  # 143: it was told to stop before it listened to signals itself
    task = backend.tasks.get(ident)
    assert (task.losses, task.fence) == (1, 2)

"""Real worker processes for tests, and ways to hurt them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rollq.service import THREADS
from rollq.tasks.config.settings import Settings, worker_environment

PATIENCE = 180.0


@contextmanager
def worker(
    settings: Settings,
    processes: int = 2,
    script: str | None = None,
    log: Path | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A ``rollq worker`` that is stopped at the end.

    Args:
        script: a file beside this one that runs it, instead of the command.
        folder: on its path, too.
    """
    module = [str(Path(__file__).with_name(script))] if script else ["-P", "-m", "rollq", "worker"]
    path = os.pathsep.join(map(str, filter(None, [Path(__file__).parents[3], folder])))
    environment = {**worker_environment(settings), **THREADS, "PYTHONPATH": path}
    environment["ROLLQ_CONCURRENCY"] = str(processes)
    with (log or settings.state_dir / "worker.log").open("ab") as output:
        process = subprocess.Popen([sys.executable, *module], env=environment, stdout=output, stderr=output)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """Pids of the pool processes of a worker."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


def kill(pid: int) -> None:
    """As a crash would."""
    os.kill(pid, signal.SIGKILL)


def wait_until(happens: Callable[[], bool], seconds: float = PATIENCE, pause: float = 0.05) -> None:
    """Wait for something that must happen."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(pause)

"""The bench: one embedded store and one broker in a temporary folder, and workers on them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rollq.local.child import Child, free_port
from rollq.local.servers import start_broker, start_store, store_uri
from rollq.service import THREADS
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings, load_settings, worker_environment
from rollq.tasks.queue.states import TaskState

ROOT = Path(__file__).parents[1]
PATIENCE = 900.0


class Bench:
    """Store and broker, as ``rollq up`` starts them (every write is on disk before it is acknowledged)."""

    def __init__(self, **changes: object) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rollq-bench-")
        self.folder = Path(self._folder.name)
        ports = free_port(), free_port()
        self.broker: Child = start_broker(ports[0], self.folder / "broker", self.folder / "broker.log")
        self.store: Child = start_store(ports[1], self.folder / "store", self.folder / "store.log")
        values: dict[str, object] = {
            "state_dir": self.folder,
            "mongo_uri": store_uri(ports[1]),
            "redis_url": f"redis://127.0.0.1:{ports[0]}/0",
            "mlflow_uri": f"sqlite:///{self.folder}/mlflow.db",
            "concurrency": 2,
            "log_level": "WARNING",
        }
        self.settings: Settings = load_settings(**{**values, **changes})
        self._backends: list[Backend] = []
        self._workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Bench:
        """Wait until both answer."""
        for server in (self.broker, self.store):
            server.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything that was started here."""
        for process in self._workers:
            kill(process)  # those whose end matters were stopped before
        for backend in self._backends:
            backend.store.close()
            backend.app.close()
        for server in (self.broker, self.store):
            server.stop()
        self._folder.cleanup()

    def backend(self, database: str = "rollq") -> Backend:
        """A backend on a database of its own, with its indexes."""
        made = Backend.of(self.settings.model_copy(update={"mongo_database": database}))
        made.prepare()
        self._backends.append(made)
        return made

    def start(self, module: str, settings: Settings | None = None, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``python -m module`` with ``settings`` in its environment; its output goes to a log."""
        environment = {**worker_environment(settings or self.settings), **THREADS, "PYTHONPATH": str(ROOT)}
        with (self.folder / "worker.log").open("ab") as output:
            command = [sys.executable, "-m", module, *arguments]
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
        self._workers.append(process)
        return process

    @contextlib.contextmanager
    def worker(self, settings: Settings | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """A worker of no-op tasks for the length of the block, ready for messages."""
        process = self.start("benchmarks.workers.noop", settings)
        try:
            wait_until(lambda: bool(children(process.pid)) or process.poll() is not None, 120)
            time.sleep(2.0)  # its pool is there; its connections are made
            if process.poll() is not None:
                raise RuntimeError((self.folder / "worker.log").read_text()[-2000:])
            yield process
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, wait, and kill it."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and its pool at once, as a crash would."""
    for pid in [process.pid, *children(process.pid)] if process.poll() is None else []:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def children(pid: int) -> list[int]:
    """Pids of the children of a process; none if it is gone."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def done(backend: Backend, pool: str) -> int:
    """How many tasks of a pool are DONE."""
    return backend.tasks.stat(pool)[TaskState.DONE]


def wait_until(happens: Callable[[], bool], seconds: float = PATIENCE, pause: float = 0.05) -> None:
    """Wait for something that must happen.

    Raises:
        TimeoutError: it did not.
    """
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen in time")
        time.sleep(pause)

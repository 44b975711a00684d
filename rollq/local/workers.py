"""The worker processes of a command that needs some for as long as it runs."""

from __future__ import annotations

import sys
from pathlib import Path

from rollq.local.child import Child
from rollq.service import THREADS
from rollq.tasks.config.settings import Settings, worker_environment
from rollq.tasks.errors import Unavailable

RESTARTS = 20  # times that a dead worker is started again before the command gives up


class LocalWorkers:
    """A ``rollq worker`` with some processes; started again when it dies, as systemd would.

    Args:
        settings: where the servers are.
        count: worker processes; 0: none is started, those that run already do the work.
    """

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings.model_copy(update={"state_dir": settings.state_dir.resolve()})
        self._count = count
        self._restarts = 0
        self._child: Child | None = None

    def __enter__(self) -> LocalWorkers:
        if self._count:
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child:
            self._child.stop()

    def keep_alive(self) -> None:
        """Start the worker again if it is dead.

        Raises:
            Unavailable: it has died too often.
        """
        if self._child is None or self._child.process.poll() is None:
            return
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise Unavailable("The workers end again and again.", f"Their log is {self._log()}.")
        self._start()

    def _start(self) -> None:
        # -P: a tasks.py in the working directory must not hide ours.
        command = [sys.executable, "-P", "-m", "rollq", "worker", "--concurrency", str(self._count)]
        environment = {**worker_environment(self._settings), **THREADS, "ROLLQ_LOG_LEVEL": "INFO"}
        self._log().parent.mkdir(parents=True, exist_ok=True)
        # It is not waited for: tasks can be enqueued before a worker listens.
        self._child = Child("worker", command, self._log(), lambda: True, environment)

    def _log(self) -> Path:
        return self._settings.state_dir / "logs" / "worker.log"

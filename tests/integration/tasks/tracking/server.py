"""A real ``mlflow server`` on loopback, which can be stopped and started again on its data."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from rollq.local.child import Child


class Server:
    """Runs in its folder for the length of the block."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._child: Child | None = None
        self.uri = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers."""
        where = ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        kept = ["--artifacts-destination", str(self._folder / "artifacts")]
        command = [sys.executable, "-P", "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--workers", "1", "--serve-artifacts", *where, *kept]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        environment = {**os.environ, **quiet}
        self._child = Child("MLflow server", command, self._folder / "server.log", lambda: True, environment)
        end = time.monotonic() + 90
        while not self._answers():
            assert self._child.process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
            assert time.monotonic() < end, "the MLflow server does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it as a crash would, with the processes that it started: they are in its session."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.process.pid, signal.SIGKILL)
            self._child.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

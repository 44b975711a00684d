"""Two machines that train, and a third with broker, task store and MLflow server."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from rollq.local.child import Child
from rollq.local.servers import broker_command, store_binary, store_command
from rollq.service import THREADS
from rollq.tasks.config.settings import Settings, load_settings, worker_environment
from tests.chaos.gated_model import NAME as GATED
from tests.chaos.hosts.network import HUB, Network

ROOT = Path(__file__).parents[3]
BROKER, STORE, MLFLOW = 6379, 27017, 5000
MLFLOW_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONWARNINGS": "ignore",
}


class Hosts:
    """The three machines: each has a folder of its own. Everything is stopped and removed at the end of the block."""

    def __init__(self, folder: Path, lease: float) -> None:
        self.folder = folder
        self.network = Network("a", "b")
        self._lease = lease
        self._running: list[Child] = []
        self._servers: list[Child] = []

    def __enter__(self) -> Hosts:
        """Begin to start the servers."""
        self.network.__enter__()
        try:
            self._start_servers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, the workers first."""
        for child in [*self._running, *self._servers]:
            child.process.terminate()
        for child in [*self._running, *self._servers]:
            child.stop()
        self.network.__exit__()

    def wait_ready(self) -> None:
        """Wait until every server answers.

        Raises:
            Unavailable: one does not.
        """
        for server in self._servers:
            server.wait_ready()

    def settings(self, host: str) -> Settings:
        """Settings of a process on ``host``."""
        address = self.network.address(HUB)
        return load_settings(
            state_dir=self.home(host),
            mongo_uri=f"mongodb://{address}:{STORE}/?directConnection=true",
            redis_url=f"redis://{address}:{BROKER}/0",
            mlflow_uri=f"http://{address}:{MLFLOW}",
            allow_insecure=True,
            components=(GATED,),
            lease_seconds=self._lease,
            sweep_seconds=0.5,
            backoff_seconds=0.0,
            drain_seconds=0.0,
            concurrency=1,
        )

    def home(self, host: str) -> Path:
        """The folder of a machine; no other machine looks into it."""
        found = self.folder / host
        found.mkdir(parents=True, exist_ok=True)
        return found

    def hire(self, host: str, name: str, *script: str) -> Child:
        """Start a ``rollq worker`` (or a script that runs one) with one process; it logs to ``name.log``."""
        environment = {**worker_environment(self.settings(host)), **THREADS, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
        command = [sys.executable, *(script or ("-P", "-m", "rollq", "worker"))]
        child = self._start(host, name, command, lambda: True, environment)
        self._running.append(child)
        return child

    def log(self, host: str, name: str) -> str:
        """What a process wrote so far."""
        return (self.home(host) / f"{name}.log").read_text(errors="replace")

    def _start_servers(self) -> None:
        home, address = self.home(HUB), self.network.address(HUB)
        (home / "redis").mkdir()
        (home / "mongo").mkdir()
        broker = [*broker_command(BROKER, home / "redis", address), "--protected-mode", "no"]
        store = store_command(store_binary(), STORE, home / "mongo", address)
        for name, port, command in (
            ("broker", BROKER, broker),
            ("store", STORE, store),
            ("mlflow", MLFLOW, self._mlflow_command()),
        ):
            ready = lambda port=port: _accepts(address, port)  # noqa: E731
            self._servers.append(self._start(HUB, name, command, ready, {**os.environ, **MLFLOW_ENVIRONMENT}))

    def _mlflow_command(self) -> list[str]:
        """Artifacts go through the server: the machines share no folder."""
        home, address = self.home(HUB), self.network.address(HUB)
        where = ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}", "--artifacts-destination", str(home / "art")]
        reach = ["--host", address, "--port", str(MLFLOW), "--allowed-hosts", f"{address}:{MLFLOW}"]
        return [sys.executable, "-m", "mlflow", "server", "--serve-artifacts", "--workers", "1", *where, *reach]

    def _start(
        self, host: str, name: str, command: list[str], ready: Callable[[], bool], environment: dict[str, str]
    ) -> Child:
        home = self.home(host)
        return Child(name, self.network.command(host, home, *command), home / f"{name}.log", ready, environment)


def _accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False

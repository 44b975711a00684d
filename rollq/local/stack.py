"""The embedded stack of a state folder: broker, task store and tracking store; one process at a time runs it."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from rollq.local.child import Child, free_port
from rollq.local.health import broker_writes, free_bytes, store_writes
from rollq.local.servers import start_broker, start_store, store_uri
from rollq.tasks.errors import StackRunning, Unavailable
from rollq.tasks.runtime import LOCK, RUNTIME, Runtime, read_runtime
from rollq.tasks.tracking.mlflow.store import local_tracking_uri, prepare_tracking

log = logging.getLogger(__name__)

ROOM_BYTES = 1 << 23  # with less a server would only break again
REPAIRS = 5  # times in a row that a server is started again


class LocalStack:
    """The servers of a state folder, as a context manager.

    Args:
        state_dir: the folder; it is made if it does not exist.
        announce: write the runtime file, so that other commands find the stack.
        lock_seconds: how long to wait for another short command that runs the stack.
    """

    def __init__(self, state_dir: Path, *, announce: bool = True, lock_seconds: float = 0.0) -> None:
        """Nothing is started yet. The folder is resolved now, because children run elsewhere."""
        self.state_dir = state_dir.resolve()
        self._announce = announce
        self._lock_seconds = lock_seconds
        self._lock: IO[str] | None = None
        self._broker: Child | None = None
        self._store: Child | None = None
        self._ports = (0, 0)
        self._repaired = 0
        self.stopped = threading.Event()
        self.runtime: Runtime | None = None

    def __enter__(self) -> LocalStack:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> Runtime:
        """Start all servers.

        Raises:
            StackRunning: another process runs the stack of this folder.
            Unavailable: a server cannot be started.
        """
        (self.state_dir / "logs").mkdir(parents=True, exist_ok=True)
        self._lock = _take_lock(self.state_dir, self._lock_seconds)
        # What a killed stack left: with the lock held again, its addresses would be taken for those of this one.
        (self.state_dir / RUNTIME).unlink(missing_ok=True)
        try:
            self._start_servers()
        except BaseException:
            self.stop()
            raise
        self.runtime = Runtime(
            os.getpid(),
            socket.gethostname(),
            datetime.now(UTC).isoformat(timespec="seconds"),
            store_uri(self._ports[1]),
            f"redis://127.0.0.1:{self._ports[0]}/0",
            local_tracking_uri(self.state_dir),
        )
        if self._announce:
            _write(self.state_dir / RUNTIME, self.runtime.to_json())
        return self.runtime

    def stop(self) -> None:
        """Stop all servers; harmless if they are stopped."""
        self.stopped.set()
        if self._announce and self._lock:
            # Before the servers end, so that no command finds a stack that is about to go.
            (self.state_dir / RUNTIME).unlink(missing_ok=True)
        for child in (self._broker, self._store):
            if child:
                child.stop()
        self._broker = self._store = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def repair(self) -> None:
        """Start the servers that have ended, or cannot write any more, again; those that lack room, when there is some.

        A server that met a full disk may stay broken for good, whatever room there is later.

        Raises:
            Unavailable: one of them ends again and again.
        """
        broken = [restart for child, works, restart in self._looks() if child.process.poll() is not None or not works()]
        if not broken:
            self._repaired = 0
            return
        # Without room a server that is started again meets the same error, and would use up the times that it may.
        if free_bytes(self.state_dir) < ROOM_BYTES:
            log.warning("the disk of %s is full: the servers wait for room", self.state_dir)
            return
        # Counted until all of them work again: a server that ends as often as it is started has a cause that a start
        # does not cure.
        self._repaired += 1
        if self._repaired > REPAIRS:
            raise Unavailable("An embedded server ends again and again.", f"Its log is in {self.state_dir / 'logs'}.")
        for restart in broken:
            log.warning("an embedded server does not work any more: it is started again")
            try:
                restart()
            except Unavailable as error:
                log.warning("%s", error)

    def _looks(self) -> list[tuple[Child, Callable[[], bool], Callable[[], None]]]:
        """Each server, whether it takes what is written, and how it is started again."""
        if not (self._broker and self._store and self.runtime):
            return []  # it is stopped
        runtime = self.runtime
        return [
            (self._broker, lambda: broker_writes(runtime.redis_url), self.restart_broker),
            (self._store, lambda: store_writes(runtime.mongo_uri), self.restart_store),
        ]

    def restart_broker(self, *, emptied: bool = False) -> None:
        """Kill the broker as a crash would, and start it again on its port, with its data or without."""
        if self._broker:
            self._broker.kill()
        data = self.state_dir / "redis"
        if emptied:
            for path in sorted(data.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        self._broker = start_broker(self._ports[0], data, self._log("redis"))
        self._broker.wait_ready()

    def restart_store(self) -> None:
        """Kill the task store as a crash would, and start it again on its port with its data."""
        if self._store:
            self._store.kill()
        self._store = start_store(self._ports[1], self.state_dir / "mongo", self._log("mongo"))
        self._store.wait_ready()

    def _start_servers(self) -> None:
        self._ports = (free_port(), free_port())
        self._broker = start_broker(self._ports[0], self.state_dir / "redis", self._log("redis"))
        self._store = start_store(self._ports[1], self.state_dir / "mongo", self._log("mongo"))
        prepare_tracking(local_tracking_uri(self.state_dir))  # while the servers start
        for child in (self._broker, self._store):
            child.wait_ready()

    def _log(self, name: str) -> Path:
        return self.state_dir / "logs" / f"{name}.log"


def _take_lock(state_dir: Path, seconds: float) -> IO[str]:
    """The lock of a state folder, held for as long as the file is open; a process that dies gives it back."""
    file = (state_dir / LOCK).open("a")
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < end:
                time.sleep(0.05)
                continue
            file.close()
            raise _already(state_dir) from None
        # A server that outlived its parent would else hold the lock, and the folder with it.
        os.set_inheritable(file.fileno(), False)
        return file


def _already(state_dir: Path) -> StackRunning:
    runtime = read_runtime(state_dir)
    if runtime is None:
        return StackRunning(f"Another rollq command uses the stack in {state_dir}.", "Try again when it has ended.")
    return StackRunning(
        f"A stack already runs in {state_dir}: process {runtime.pid} since {runtime.started_at}, "
        f"broker {runtime.redis_url}, store {runtime.mongo_uri}.",
        "Use it as it is, stop it with Ctrl-C, or choose another --state-dir.",
    )


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)

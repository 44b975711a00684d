"""The scene of a chaos run: real servers, real workers, real beats, and what can be done to them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import redis

from rollq.local.child import Child
from rollq.local.servers import start_broker, start_store
from rollq.service import THREADS
from rollq.tasks.backend import Backend
from rollq.tasks.broker.celery_app import queue_name
from rollq.tasks.config.settings import Settings, load_settings, worker_environment

ROOT = Path(__file__).parents[2]
LEASE = 2.0
PROCESSES = 2
TENFOLD_SECONDS = 1.0
POOL = "chaos"
QUEUE = queue_name("default")
ORPHANS = (b"no JSON at all", b"{}", b"[1, 2]", b"\xff\xfe")


class LiveWorker:
    """A worker's main process and its pool processes."""

    def __init__(self, settings: Settings, log: Path, skew: float = 0.0) -> None:
        environment = {**worker_environment(settings), **THREADS, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.chaos.worker", str(skew)]
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)

    def pool(self) -> list[int]:
        """Pids of its living pool processes."""
        with contextlib.suppress(OSError):
            return [
                int(p) for p in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            ]
        return []

    def everyone(self) -> list[int]:
        """All its pids."""
        return [self.process.pid, *self.pool()]


class Scene:
    """Servers and workers in a folder; everything is stopped at the end of the block.

    ``deserters`` are processes that ended though nobody ended them.
    """

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.folder = folder
        self.ports = {"broker": free_port(), "store": free_port()}
        self.settings = load_settings(
            state_dir=folder,
            mongo_uri=f"mongodb://127.0.0.1:{self.ports['store']}",
            redis_url=f"redis://127.0.0.1:{self.ports['broker']}/0",
            mlflow_uri=f"sqlite:///{folder}/mlflow.db",
            lease_seconds=LEASE,
            sweep_seconds=0.5,
            backoff_seconds=0.0,
            max_worker_losses=1_000_000,  # here it is the executioner who kills, not the task
            concurrency=PROCESSES,
            log_level="WARNING",
        )
        self._wanted = workers
        self._hired = 0
        self.live_workers: list[LiveWorker] = []
        self.beats: list[subprocess.Popen[bytes]] = []
        self._servers: dict[str, Child] = {}
        self.deserters: list[str] = []

    def __enter__(self) -> Scene:
        """Start the servers, the workers (the last one with a clock an hour ahead) and two beats."""
        self.start("broker")
        self.start("store")
        for number in range(self._wanted):
            self.hire(skew=3600.0 if number == self._wanted - 1 else 0.0)
        environment = {**worker_environment(self.settings), "PYTHONPATH": str(ROOT)}
        for _ in range(2):
            with (self.folder / "beat.log").open("ab") as output:
                command = [sys.executable, "-P", "-m", "rollq", "beat"]
                self.beats.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.call_the_roll()
        for process in [*self.beats, *(live_worker.process for live_worker in self.live_workers)]:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in [*self.beats, *(live_worker.process for live_worker in self.live_workers)]:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for server in self._servers.values():
            server.stop()

    def start(self, name: str) -> None:
        """Start a server on the data that it left."""
        begin = start_broker if name == "broker" else start_store
        self._servers[name] = begin(self.ports[name], self.folder / name, self.folder / f"{name}.log")
        self._servers[name].wait_ready()

    def hire(self, skew: float = 0.0) -> None:
        """Start one more worker."""
        self._hired += 1
        self.live_workers.append(LiveWorker(self.settings, self.folder / f"worker-{self._hired}.log", skew))

    def call_the_roll(self) -> None:
        """See who is missing."""
        for live_worker in [live_worker for live_worker in self.live_workers if live_worker.process.poll() is not None]:
            words = live_worker.log.read_text(errors="replace").strip().splitlines()[-1:]
            self.deserters.append(
                f"worker {live_worker.process.pid} ended with {live_worker.process.returncode}: {words}"
            )
            self.live_workers.remove(live_worker)
            self.hire()
        for beat in [beat for beat in self.beats if beat.poll() is not None]:
            self.deserters.append(f"beat {beat.pid} ended with {beat.returncode}")
            self.beats.remove(beat)

    # -- faults: each returns how many processes it killed -------------------------------------------------------------

    def kill_child(self, chance: random.Random) -> int:
        """SIGKILL a pool process."""
        children = [pid for live_worker in self.live_workers for pid in live_worker.pool()]
        return _kill(chance.choice(children)) if children else 0

    def kill_worker(self, chance: random.Random) -> int:
        """SIGKILL a whole worker; another one is hired."""
        live_worker = chance.choice(self.live_workers)
        killed = sum(_kill(pid) for pid in live_worker.everyone())
        live_worker.process.wait()
        self.live_workers.remove(live_worker)
        self.hire(skew=chance.choice([0.0, 3600.0]))
        return killed

    def pause_worker(self, chance: random.Random) -> int:
        """SIGSTOP a worker, or its pool processes alone, for longer than the lease, then let them go on."""
        live_worker = chance.choice(self.live_workers)
        pids = live_worker.everyone() if chance.random() < 0.5 else live_worker.pool()
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        time.sleep(LEASE * 1.5)
        for pid in pids:
            _signal(pid, signal.SIGCONT)
        return 0

    def flush_broker(self, _: random.Random) -> int:
        """Forget every message."""
        with self._redis() as client:
            client.flushall()
        return 0

    def restart_broker(self, _: random.Random) -> int:
        """SIGKILL the broker and start it again."""
        self._servers["broker"].kill()
        self.start("broker")
        return 1

    def restart_store(self, _: random.Random) -> int:
        """SIGKILL the store and start it again."""
        self._servers["store"].kill()
        self.start("store")
        return 1

    def double_messages(self, _: random.Random) -> int:
        """Every message that lies in the broker, and for a while every one that a worker sends, ten times."""
        with self._redis() as client:
            for message in client.lrange(QUEUE, 0, -1):
                client.lpush(QUEUE, *[message] * 9)
        flag = self.folder / "ten-times"
        flag.touch()
        time.sleep(TENFOLD_SECONDS)
        flag.unlink()
        return 0

    def orphan_messages(self, chance: random.Random) -> int:
        """Messages for tasks, pools and rounds that there are not, and some that make no sense."""
        backend = Backend.of(self.settings)
        nobody = f"{chance.getrandbits(96):024x}"
        for pool, ident in (("nowhere", nobody), (POOL, nobody), ("", ""), (POOL, "$where"), (7, None), ([], {})):
            backend.notifier.notify(pool, ident, "default")  # type: ignore[arg-type]
        backend.notifier.notify_gather(nobody[:12])
        backend.app.close()
        with self._redis() as client:
            client.lpush(QUEUE, *ORPHANS)
        return 0

    def _redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.redis_url, socket_timeout=5)


def _kill(pid: int) -> int:
    return _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> int:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return 0
    return 1


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

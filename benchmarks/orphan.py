"""Workers are killed with all their processes while they run a task: how long until it is RUNNING on another one.

Nobody but the lease tells that they are dead. Tasks never end here, so each kill hits one that was taken over before.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.bench import PATIENCE, Bench, kill
from benchmarks.table import percentile, show
from benchmarks.workers.noop import definition
from rollq.tasks.backend import Backend
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task

POOL = "orphans"
TASKS, WORKERS = 4, 7  # more workers than tasks: one is always free to take over
HELD_SECONDS = 1.0  # a task runs for at least this long before its worker is killed, so that its lease was renewed


@dataclass(frozen=True)
class Kill:
    """A task whose worker was killed, and when by the store's clock."""

    task: str
    fence: int
    at: datetime


def measure(bench: Bench, kills: int) -> list[float]:
    """Seconds from each kill to the task's next start, both by the store's clock."""
    backend = bench.backend()
    backend.tasks.create_tasks(POOL, [definition(number, seconds=24 * 3600.0) for number in range(TASKS)])
    live_workers = [bench.start("benchmarks.workers.noop", backend.settings) for _ in range(WORKERS)]
    backend.notifier.top_up(POOL)
    orphans: dict[str, Kill] = {}
    took: list[float] = []
    killed, end = 0, time.monotonic() + PATIENCE
    while len(took) < kills:
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
        found = {task.id: task for task in backend.tasks.find(POOL)}
        for ident, lost in list(orphans.items()):
            if (task := found[ident]).fence > lost.fence and task.started_at and task.status is TaskState.RUNNING:
                took.append((task.started_at - lost.at).total_seconds())
                del orphans[ident]
        ready = [task for task in found.values() if _may_lose_its_worker(task, backend, orphans)]
        if killed < kills and ready and len(_idle(backend, live_workers, found)) > len(orphans):
            victim = random.choice(ready)
            orphans[victim.id] = _kill(backend, live_workers, victim)
            killed += 1
            live_workers.append(bench.start("benchmarks.workers.noop", backend.settings))
    return took


def _may_lose_its_worker(task: Task, backend: Backend, orphans: dict[str, Kill]) -> bool:
    if task.status is not TaskState.RUNNING or task.id in orphans or task.started_at is None:
        return False
    held = (backend.tasks.now() - task.started_at).total_seconds()
    return held > HELD_SECONDS + random.random()


def _idle(backend: Backend, live_workers: list[subprocess.Popen[bytes]], found: dict[str, Task]) -> list[int]:
    """Workers that could take over: they listen, since they are registered, and they hold nothing."""
    ready = {int(entry.name.split("/")[1]) for entry in backend.worker_registry.workers()}
    holders = {_main_pid(task) for task in found.values() if task.worker}
    return [live_worker.pid for live_worker in live_workers if live_worker.pid in ready - holders]


def _kill(backend: Backend, live_workers: list[subprocess.Popen[bytes]], task: Task) -> Kill:
    """SIGKILL the whole worker that runs the task."""
    live_worker = next(live_worker for live_worker in live_workers if live_worker.pid == _main_pid(task))
    at = backend.tasks.now()
    kill(live_worker)
    live_workers.remove(live_worker)
    return Kill(task.id, task.fence, at)


def _main_pid(task: Task) -> int:
    """Of the worker that holds a task; its name is ``host/main pid/own pid``."""
    return int((task.worker or "//0").split("/")[1] or 0)


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orphan", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--lease", type=float, default=2.0, help="seconds; the default of rollq itself is 30")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    with Bench(lease_seconds=given.lease, max_worker_losses=1_000_000, concurrency=1) as bench:
        took = measure(bench, given.kills)
    row: dict[str, Any] = {"kills": len(took), "lease s": given.lease}
    row |= {"median s": percentile(took, 0.5), "p99 s": percentile(took, 0.99), "longest s": max(took)}
    show("orphan: from the kill to RUNNING again", [row], given.json, allowed_p99_s=given.lease + 5.0)


if __name__ == "__main__":
    main()

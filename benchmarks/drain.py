"""Draining no-op tasks with two processes: rollq, the reference's ``run_task``, and bare Celery, in turn."""

from __future__ import annotations

import argparse
import time
from typing import Any

import redis

from benchmarks.bench import Bench, wait_until
from benchmarks.processor import ProcessorTime
from benchmarks.reference.process import Reference
from benchmarks.table import show
from benchmarks.workers import bare
from benchmarks.workers.noop import definition
from rollq.tasks.backend import Backend
from rollq.tasks.queue.states import TaskState


def drain_rollq(bench: Bench, count: int, seconds: float, number: int = 0) -> dict[str, Any]:
    """``count`` tasks through a worker of two processes; after ``seconds`` what was done until then counts."""
    backend = bench.backend(f"drain{count}x{number}")
    pool = f"drain{count}"
    backend.tasks.create_tasks(pool, [definition(number) for number in range(count)])
    with bench.worker(backend.settings) as worker:
        cost = ProcessorTime(worker=[worker.pid], store=[bench.store.process.pid], broker=[bench.broker.process.pid])
        begun = time.monotonic()
        backend.notifier.top_up(pool)
        wait_until(lambda: _finished(backend, pool, count) or time.monotonic() - begun > seconds, pause=0.2)
        used = cost.used()
        done, span = _committed(backend, pool)
    with redis.Redis.from_url(bench.settings.redis_url) as client:
        client.flushdb()  # messages that a run cut short left behind
    return _row("rollq", count, done, span, used)


def _finished(backend: Backend, pool: str, count: int) -> bool:
    # Cheap looks while it runs: counting 20,000 tasks would take the processor that is measured.
    if backend.tasks.notified_pools(("default",)) or backend.tasks.is_running(pool):
        return False
    return backend.tasks.stat(pool)[TaskState.DONE] >= count


def _committed(backend: Backend, pool: str) -> tuple[int, float]:
    """How many tasks are DONE, and seconds from the first claim to the last commit, by the store's clock."""
    found = backend.tasks.find(pool, status=[TaskState.DONE])
    began = min(task.started_at for task in found if task.started_at)
    return len(found), (max(task.ended_at for task in found if task.ended_at) - began).total_seconds()


def drain_reference(bench: Bench, count: int, seconds: float) -> dict[str, Any]:
    """``run_task`` in two processes on ``count`` tasks; after ``seconds`` what was done until then counts."""
    pool = f"drain{count}"
    with Reference(bench) as one, Reference(bench) as two:
        one.order("insert", pool=pool, definitions=[definition(number) for number in range(count)])
        both = (one, two)
        cost = ProcessorTime(worker=[side.process.pid for side in both], store=[bench.store.process.pid], broker=[])
        for side in both:
            side.send("drain", pool=pool, seconds=seconds)
        answers = [side.answer() for side in both]
        used = cost.used()
    span = max(answer["ended"] for answer in answers) - min(answer["began"] for answer in answers)
    return _row("reference run_task", count, sum(answer["done"] for answer in answers), span, used)


def drain_bare(bench: Bench, count: int) -> dict[str, Any]:
    """``count`` messages through bare Celery."""
    app = bare.make_app(bench.settings.redis_url)
    for number in range(count):
        app.send_task("bare.noop", args=["drain", f"{number:024x}"], queue=bare.QUEUE)
    app.close()
    with redis.Redis.from_url(bench.settings.redis_url) as client:
        process = bench.start("benchmarks.workers.bare")
        wait_until(lambda: client.llen(bare.QUEUE) < count - 50, 60, pause=0.002)
        left, begun = int(client.llen(bare.QUEUE)), time.monotonic()
        cost = ProcessorTime(worker=[process.pid], store=[], broker=[bench.broker.process.pid])
        wait_until(lambda: client.llen(bare.QUEUE) == 0, pause=0.01)
        span, used = time.monotonic() - begun, cost.used()
    process.terminate()
    process.wait()
    return _row("bare Celery", count, left, span, used)


def _row(system: str, waiting: int, done: int, seconds: float, used: dict[str, float]) -> dict[str, Any]:
    cost = {f"{name} ms/task": used[name] / done for name in ("worker", "store", "broker")}
    return {
        "system": system,
        "waiting": waiting,
        "done": done,
        "seconds": seconds,
        "tasks/s": done / seconds,
        **cost,
        "sum ms/task": sum(used.values()) / done,
    }


def measure(bench: Bench, count: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The best run of each system: they take turns, and whatever else the machine does only slows them down."""
    best: dict[str, dict[str, Any]] = {}
    for number in range(given.repeat):
        found = [drain_bare(bench, count), drain_rollq(bench, count, given.seconds, number)]
        if not given.no_reference and number == 0:
            found.append(drain_reference(bench, count, given.reference_seconds))
        for row in found:
            if row["tasks/s"] > best.get(row["system"], {"tasks/s": 0.0})["tasks/s"]:
                best[row["system"]] = row
    return list(best.values())


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drain", description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="+", default=[2_000, 20_000], help="tasks that wait at the start")
    parser.add_argument("--repeat", type=int, default=3, help="runs of rollq and bare Celery, in turn; the best counts")
    parser.add_argument("--seconds", type=float, default=120.0, help="the most that a run of rollq may take")
    parser.add_argument("--reference-seconds", type=float, default=60.0, help="the most that the reference may take")
    parser.add_argument("--no-reference", action="store_true", help="leave the reference out")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    facts: dict[str, float] = {}
    with Bench() as bench:
        for count in given.waiting:
            found = measure(bench, count, given)
            rows += found
            bare_row, ours, *reference = (row["tasks/s"] for row in found)
            facts[f"rollq to bare Celery at {count}"] = ours / bare_row
            if reference:
                facts[f"rollq to the reference at {count}"] = ours / reference[0]
    show("drain: no-op tasks, 2 processes, each durably committed", rows, given.json, **facts)


if __name__ == "__main__":
    main()

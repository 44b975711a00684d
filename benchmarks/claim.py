"""One claim with its share of topping up, and one commit, in pools of 1,000 to 100,000 waiting tasks; and ``stat``."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench
from benchmarks.definitions import realistic
from benchmarks.table import show
from tasks.ahead import Lookahead
from tasks.backend import Backend
from tasks.claims import CANDIDATES
from tasks.task import Claim
from workers.attempt import TOP_UP_EVERY

POOL = "pool"


class Worker:
    """Claims and commits as ``workers/attempt.py`` does and takes the time; ``ahead`` as it does with short tasks."""

    def __init__(self, backend: Backend, ahead: Lookahead | None) -> None:
        self._backend = backend
        self._ahead = ahead
        self._ended = 0

    def claim(self) -> Claim:
        """One claim."""
        found = self._backend.tasks.claim(POOL, "bench", ahead=self._ahead)
        assert found
        return found

    def top_up(self, claim: Claim) -> None:
        """See to the window when a worker would."""
        self._ended += 1
        if claim.seen < CANDIDATES or self._ended % TOP_UP_EVERY == 0:
            self._backend.doorbell.refill(POOL)


def measure(bench: Bench, waiting: int, claims: int) -> dict[str, Any]:
    """Milliseconds per claim, its share of topping up, and per commit: means, since topping up comes in lumps."""
    backend = bench.backend(f"claim{waiting}")
    backend.tasks.create_tasks(POOL, realistic(waiting))
    backend.doorbell.refill(POOL)
    row: dict[str, Any] = {"waiting": waiting}
    for name, ahead in (("alone", None), ("short tasks", Lookahead())):
        worker = Worker(backend, ahead)
        times: dict[str, list[float]] = {"claim": [], "top up": [], "commit": []}
        for _ in range(claims):
            claim = _timed(times["claim"], worker.claim)
            _timed(times["commit"], lambda claim=claim: backend.tasks.commit(claim, {"ok": True}))
            _timed(times["top up"], lambda claim=claim, worker=worker: worker.top_up(claim))
        shares = {part: statistics.fmean(values) for part, values in times.items()}
        if ahead is None:
            row |= {"claim ms": shares["claim"], "top up ms": shares["top up"]}
            row["claim + top up ms"] = shares["claim"] + shares["top up"]
        row[f"{name}: all of a task ms"] = sum(shares.values())
    begun = time.perf_counter()
    assert sum(backend.tasks.stat(POOL).values()) == waiting
    row["stat ms"] = (time.perf_counter() - begun) * 1000
    return row


def _timed(times: list[float], call: Callable[[], Any]) -> Any:
    begun = time.perf_counter()
    try:
        return call()
    finally:
        times.append((time.perf_counter() - begun) * 1000)


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claim", description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="tasks in the pools")
    parser.add_argument("--claims", type=int, default=400, help="claims that are measured, of each kind")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    with Bench() as bench:
        measure(bench, 1_000, 50)  # not counted: connections, imports
        bench.backend("claim1000").store._database().client.drop_database("claim1000")
        rows = [measure(bench, waiting, given.claims) for waiting in given.waiting]
    cost = [row["claim + top up ms"] for row in rows]
    facts = {"dearest claim + top up to the cheapest": max(cost) / min(cost)}
    show("claim: its cost as the pool grows", rows, given.json, **facts)


if __name__ == "__main__":
    main()

"""One claim with its share of topping up, and one commit, in pools of 1,000 to 100,000 waiting tasks; and ``stat``."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.bench import Bench
from benchmarks.definitions import realistic
from benchmarks.table import show
from rollq.tasks.backend import Backend
from rollq.tasks.queue.claims import CANDIDATES
from rollq.tasks.queue.prefetch import Prefetch
from rollq.workers.jobs.attempt import TOP_UP_EVERY

POOL = "pool"
TURN = 50  # claims


PARTS = ("claim", "top up", "commit")


class Pool:
    """A pool of waiting tasks in a database of its own, and a worker that claims and commits as a process does."""

    def __init__(self, bench: Bench, waiting: int) -> None:
        self.waiting = waiting
        self._backend: Backend = bench.backend(f"claim{waiting}")
        self._backend.tasks.create_tasks(POOL, realistic(waiting))
        self._backend.notifier.refill(POOL)
        self._ended = 0
        self._times: dict[bool, dict[str, list[float]]] = {
            prefetch: {part: [] for part in PARTS} for prefetch in (False, True)
        }

    def run(self, claims: int, prefetch: bool) -> None:
        """Claim and commit so many tasks and take the time.

        Args:
            prefetch: as with short tasks: the next claim goes along with the commit.
        """
        times, look = self._times[prefetch], Prefetch() if prefetch else None
        tasks = self._backend.tasks
        for _ in range(claims):
            with _timed(times["claim"]):
                claim = tasks.claim(POOL, "bench", prefetch=look)
            assert claim
            with _timed(times["commit"]):
                tasks.commit(claim, {"ok": True})
            self._ended += 1
            with _timed(times["top up"]):
                if claim.seen < CANDIDATES or self._ended % TOP_UP_EVERY == 0:
                    self._backend.notifier.refill(POOL)
        if look and (claim := look.take()):
            tasks.release(claim, "the end of the measurement")

    def forget(self) -> None:
        """Start to measure anew."""
        for times in self._times.values():
            for values in times.values():
                values.clear()

    def row(self) -> dict[str, Any]:
        """Milliseconds: medians of claims and commits; means of topping up, which comes in lumps."""
        alone = {part: _middle(part, values) for part, values in self._times[False].items()}
        short = {part: statistics.fmean(values) for part, values in self._times[True].items()}
        return {
            "waiting": self.waiting,
            "claim ms": alone["claim"],
            "top up ms": alone["top up"],
            "claim + top up ms": alone["claim"] + alone["top up"],
            "commit ms": alone["commit"],
            "short tasks, all ms": sum(short.values()),
            "stat ms": min(self._stat() for _ in range(5)),
        }

    def _stat(self) -> float:
        begun = time.perf_counter()
        assert sum(self._backend.tasks.stat(POOL).values()) == self.waiting
        return (time.perf_counter() - begun) * 1000


def _middle(part: str, values: list[float]) -> float:
    return statistics.fmean(values) if part == "top up" else statistics.median(values)


@contextmanager
def _timed(times: list[float]) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    times.append((time.perf_counter() - begun) * 1000)


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claim", description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="tasks in the pools")
    parser.add_argument("--claims", type=int, default=400, help="claims that are measured, of each kind")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    with Bench() as bench:
        pools = [Pool(bench, waiting) for waiting in given.waiting]
        for number in range(-1, given.claims // TURN):
            for pool in pools:  # in turns: whatever else this machine does then hits all of them
                for prefetch in (False, True):
                    pool.run(TURN, prefetch)
            if number < 0:
                for pool in pools:
                    pool.forget()  # the first turn made the connections
        rows = [pool.row() for pool in pools]
    cost = [row["claim + top up ms"] for row in rows]
    facts = {"dearest claim + top up to the cheapest": max(cost) / min(cost)}
    show("claim: its cost as the pool grows", rows, given.json, **facts)


if __name__ == "__main__":
    main()

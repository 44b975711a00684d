"""From the last task of a round to its end: how long until a coordinator has claimed and judged it.

Each round has a task that does nothing and one that was cancelled before, so its coordinator finds that the policy
cannot be met and fails it at once: nothing but the way there is measured, and a little more than was asked.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from benchmarks.bench import Bench, wait_until
from benchmarks.table import percentile, show
from benchmarks.workers.noop import definition
from rollq.tasks.backend import Backend
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.rounds.purpose import Purpose, Serve

POOL = "rounds"


def one_round(backend: Backend, number: int) -> float:
    """Seconds from the last commit to the end of a round, both by the store's clock."""
    (first, second) = backend.tasks.create_tasks(POOL, [definition(2 * number), definition(2 * number + 1)]).ids
    backend.tasks.cancel([second], "bench")
    opened = open_round(backend, [first, second], Serve("bench"))
    wait_until(lambda: backend.rounds.get(opened).status is RoundState.FAILED, 60, pause=0.02)
    finished, ended = backend.rounds.get(opened).finished_at, backend.tasks.get(first).ended_at
    assert finished
    assert ended
    return (finished - ended).total_seconds()


def open_round(backend: Backend, ids: Sequence[str], purpose: Purpose) -> str:
    """Open a round over tasks and notify of them; returns its id."""
    opened = backend.rounds.create(POOL, ids, purpose)
    backend.tasks.join_round(ids, opened)
    backend.notifier.top_up(POOL)
    return opened


def latencies(took: Sequence[float]) -> dict[str, Any]:
    """The row of a table: of how many rounds, and their seconds."""
    middle = {"rounds": len(took), "median s": percentile(took, 0.5)}
    return {**middle, "p99 s": percentile(took, 0.99), "longest s": max(took)}


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gather", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    with Bench() as bench:
        backend = bench.backend()
        with bench.worker(backend.settings):
            one_round(backend, -1)  # not counted: connections, imports
            took = [one_round(backend, number) for number in range(given.rounds)]
    title = "gather: from the last task done to the round claimed and judged"
    show(title, [latencies(took)], given.json, allowed_p99_s=1.0)


if __name__ == "__main__":
    main()

"""Creating realistic definitions, and creating them again: ``create_tasks`` and the reference's ``create_task``."""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

from benchmarks.bench import Bench
from benchmarks.definitions import realistic
from benchmarks.reference.process import Reference
from benchmarks.table import show

_databases = itertools.count()


def create_rollq(bench: Bench, count: int) -> dict[str, Any]:
    """``count`` definitions into an empty database, and again."""
    backend = bench.backend(f"create{next(_databases)}")
    definitions = realistic(count)
    begun = time.perf_counter()
    assert backend.tasks.create_tasks("pool", definitions).new == count
    middle = time.perf_counter()
    assert backend.tasks.create_tasks("pool", definitions).new == 0
    return _row("rollq", count, middle - begun, time.perf_counter() - middle)


def create_reference(bench: Bench, count: int) -> dict[str, Any]:
    """The same with the reference."""
    with Reference(bench) as reference:
        took = reference.order("create", pool=f"create{count}", definitions=realistic(count))
    return _row("reference", count, took["create"], took["again"])


def _row(system: str, count: int, create: float, again: float) -> dict[str, Any]:
    both = create + again
    return {
        "system": system,
        "tasks": count,
        "create s": create,
        "again s": again,
        "ms per task, both": both / count * 1000,
    }


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.create", description=__doc__)
    parser.add_argument("--tasks", type=int, default=5_000, help="definitions, for both systems (default 5000)")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="definitions, rollq alone"
    )
    parser.add_argument("--no-reference", action="store_true", help="leave the reference out")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    with Bench() as bench:
        create_rollq(bench, 100)  # not counted: connections, imports
        alone = [create_rollq(bench, count) for count in given.sizes]
        ours = create_rollq(bench, given.tasks)
        rows = [*alone, ours]
        if not given.no_reference:
            rows.append(create_reference(bench, given.tasks))
            for name in ("create s", "again s", "ms per task, both"):
                facts[f"times faster, {name}"] = rows[-1][name] / ours[name]
    if len(alone) > 1:
        least, most = (row["ms per task, both"] for row in (alone[0], alone[-1]))
        facts[f"cost per task at {given.sizes[-1]} to that at {given.sizes[0]}"] = most / least
    show("create: realistic definitions, and the same again", rows, given.json, **facts)


if __name__ == "__main__":
    main()

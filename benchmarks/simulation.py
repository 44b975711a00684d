"""Four years, two strategies: a simulation with DelayTrainer on two worker processes, and one task after the other.

Sliding LightGBM as in ``examples/pse/lightgbm.yaml`` and an expanding ridge regression, on the prices of the example.
Both must come to the same histories and the same signals, byte by byte.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.bench import ROOT, Bench, children, stop, wait_until
from benchmarks.table import show
from rollq.online.manager import OnlineManager
from rollq.scheduler.rounds.trainers import DelayTrainer, Trainer
from rollq.scheduler.signals.files import write_signals
from rollq.scheduler.strategies.rolling import RollingStrategy
from rollq.tasks.backend import Backend
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import current_settings
from rollq.tasks.queue.states import TaskState
from rollq.tasks.rolling.template import load_template
from rollq.tasks.tracking.mlflow.store import prepare_tracking
from rollq.trainers import TrainerR

EXAMPLE = ROOT / "examples" / "pse" / "lightgbm.yaml"
FASTER = 1.8
SIMULATED = ("lightgbm", "ridge")


@dataclass(frozen=True)
class Outcome:
    """What a simulation came to: seconds, how many tasks, ``history()`` and the signals of each strategy.

    ``busy`` is how many processors of the machine worked meanwhile, for this or for anything else.
    """

    seconds: float
    busy: float
    tasks: int
    history: str
    signals: dict[str, bytes]


def templates(folder: Path, begin: str, step: int, prices: Path | None = None) -> list[Path]:
    """The templates of both strategies.

    Args:
        begin: the first session (``YYYY-MM-DD``) of the first test segment.
        prices: None: those of the example.
    """
    base = yaml.safe_load(EXAMPLE.read_text())
    year = int(begin[:4])
    base["dataset"]["kwargs"]["path"] = str(prices or EXAMPLE.with_name("prices.parquet"))
    base["dataset"]["kwargs"]["segments"] = {
        "train": [f"{year - 4}-07-01", f"{year - 1}-06-30"],
        "valid": [f"{year - 1}-07-01", f"{year - 1}-12-31"],
        "test": [begin, None],
    }
    base["rolling"]["kwargs"]["step"] = step
    base["online"] = {"begin": begin}
    ridge = {**base, "model": {"class": "RidgeModel", "kwargs": {"alpha": 1.0}}}
    ridge["rolling"] = {"kwargs": {**base["rolling"]["kwargs"], "rtype": "expanding"}}
    written = []
    for name, template in zip(SIMULATED, (base, ridge), strict=True):
        written.append(folder / f"{name}.yaml")
        written[-1].write_text(yaml.safe_dump({**template, "name": name}))
    return written


def strategies(backend: Backend, written: list[Path]) -> list[RollingStrategy]:
    """Both strategies."""
    return [RollingStrategy.of_template(load_template(path, backend.settings), backend.settings) for path in written]


def simulate(backend: Backend, written: list[Path], end: str, trainer: type[Trainer], folder: Path) -> Outcome:
    """Simulate both strategies up to ``end`` on an empty database."""
    begun, worked = time.perf_counter(), _worked()
    manager = OnlineManager(strategies(backend, written), trainer, backend=backend)
    manager.simulate(end)
    history = json.dumps(manager.online_history())
    seconds = time.perf_counter() - begun
    busy = (_worked() - worked) / seconds
    tasks = backend.tasks.find()
    assert {task.status for task in tasks} == {TaskState.DONE}
    signals = {}
    for name in SIMULATED:
        path = folder / f"{name}.parquet"
        write_signals(manager.get_signals(name), path)
        signals[name] = path.read_bytes()
    return Outcome(seconds, busy, len(tasks), history, signals)


def _worked() -> float:
    """Seconds that all processors of this machine have worked so far."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def warm(backend: Backend, written: list[Path]) -> None:
    """Compute the panel, which all processes find in the cache of the benchmark's state folder then."""
    os.environ["ROLLQ_STATE_DIR"] = str(backend.settings.state_dir)  # this process keeps it where the workers do
    current_settings.cache_clear()
    for path in written:
        template = load_template(path, backend.settings)
        build(template.definition["dataset"], "dataset", ()).prepare("test", "raw")


@contextlib.contextmanager
def two_processes(bench: Bench, backend: Backend) -> Iterator[None]:
    """A ``rollq worker -c 2`` for the length of the block, ready for messages."""
    process = bench.start("rollq", backend.settings, "worker", "-c", "2")
    try:
        wait_until(lambda: len(backend.worker_registry.workers()) == 1 and len(children(process.pid)) >= 2, 120)
        time.sleep(5.0)  # its processes have imported what trains
        yield
    finally:
        stop(process)


def measure(bench: Bench, begin: str, end: str, step: int) -> tuple[dict[str, Outcome], dict[str, Any]]:
    """Both ways, in one run."""
    serial, parallel = bench.backend("serial"), bench.backend("parallel")
    written = templates(bench.folder, begin, step)
    prepare_tracking(bench.settings.mlflow_uri)
    warm(serial, written)
    with two_processes(bench, parallel):
        found = {"DelayTrainer, two processes": simulate(parallel, written, end, DelayTrainer, bench.folder)}
    found["Trainer, one after the other"] = simulate(serial, written, end, TrainerR, bench.folder)
    fast, slow = found.values()
    same = {
        "histories_equal": fast.history == slow.history,
        "signals_equal": fast.signals == slow.signals,
        "faster": slow.seconds / fast.seconds,
        "asked": FASTER,
    }
    return found, same


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("--begin", default="2018-01-03", help="the first session")
    parser.add_argument("--end", default="2021-12-15")
    parser.add_argument("--step", type=int, default=20, help="sessions of a window")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    with Bench() as bench:
        found, same = measure(bench, given.begin, given.end, given.step)
    rows = [
        {"simulation": name, "tasks": one.tasks, "seconds": one.seconds, "processors busy": one.busy}
        for name, one in found.items()
    ]
    show(f"simulation: two strategies from {given.begin} to {given.end}", rows, given.json, **same)


if __name__ == "__main__":
    main()

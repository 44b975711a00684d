"""From the last task of a round to its models online: how long until who asks for the current set gets the new one.

Each round has some windows with predictions of 20 sessions x 344 companies in MLflow, which were made before; its tasks
do nothing but commit them. The coordinator reads and checks them, and puts the set online in one write.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.bench import Bench, wait_until
from benchmarks.gather import POOL, latencies, open_round
from benchmarks.table import show
from benchmarks.workers.noop import definition
from rollq.scheduler.online.ledger import OnlineSets
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.store import prepare_tracking

STRATEGY = "bench"
SESSIONS, COMPANIES = 20, 344  # of a window
LOOK_SECONDS = 0.002
WARM_UP = 10  # rounds


class Windows:
    """Rounds of so many windows, with finished runs in MLflow."""

    def __init__(self, backend: Backend, windows: int) -> None:
        self._experiment = MLflowExperiment.open(POOL, backend.settings.mlflow_uri)
        self._days = pd.bdate_range("2015-01-01", periods=windows * SESSIONS)
        self._windows = windows

    @property
    def sessions(self) -> list[str]:
        """All that the windows of a round predict."""
        return [f"{day:%Y-%m-%d}" for day in self._days]

    def definitions(self, number: int) -> list[dict[str, Any]]:
        """The tasks of a round: each commits a run."""
        return [self._one(number, position) for position in range(self._windows)]

    def _one(self, number: int, position: int) -> dict[str, Any]:
        days = self._days[position * SESSIONS :][:SESSIONS]
        index = pd.MultiIndex.from_product(
            [days, [f"S{n:03}" for n in range(COMPANIES)]], names=["datetime", "instrument"]
        )
        scores = np.random.default_rng(abs(number)).normal(size=len(index))
        recorder = self._experiment.create_recorder(start=True)
        recorder.save_objects(**{"pred.parquet": pd.DataFrame({"score": scores}, index=index)})
        recorder.end_run("FINISHED")
        made = definition(number * self._windows + position, result={"recorder_id": recorder.id})
        made["dataset"]["kwargs"]["segments"]["test"] = [f"{days[0]:%Y-%m-%d}", f"{days[-1]:%Y-%m-%d}"]
        return made


def one_round(backend: Backend, windows: Windows, number: int) -> float:
    """Seconds from the last commit to the first look that shows the new set, both by the store's clock."""
    sets, definitions = OnlineSets(backend.store), windows.definitions(number)
    ids = backend.tasks.create_tasks(POOL, definitions).ids
    purpose = Serve(STRATEGY, tuple(windows.sessions), windows.sessions[0])
    opened = open_round(backend, ids, purpose)
    wait_until(lambda: _current(sets) == opened, 60, pause=LOOK_SECONDS)
    seen = backend.tasks.now()
    ended = [task.ended_at for task in backend.tasks.find(ids=ids)]
    wait_until(lambda: backend.rounds.get(opened).status is RoundState.GATHERED, 60)  # the next one finds it at rest
    return (seen - max(at for at in ended if at)).total_seconds()


def _current(sets: OnlineSets) -> str:
    """The round of the set that serves."""
    try:
        return sets.current(STRATEGY).round_id
    except NotFound:
        return ""


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.promotion", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--windows", type=int, default=2, help="of a round")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    with Bench() as bench:
        backend = bench.backend()
        OnlineSets(backend.store).ensure_indexes()
        prepare_tracking(bench.settings.mlflow_uri)
        windows = Windows(backend, given.windows)
        with bench.worker(backend.settings):
            for number in range(-WARM_UP, 0):
                one_round(backend, windows, number)  # not counted: connections and imports of both processes
            took = [one_round(backend, windows, number) for number in range(given.rounds)]
    show(
        "promotion: from the last task done to the new set online", [latencies(took)], given.json, windows=given.windows
    )


if __name__ == "__main__":
    main()

"""Late revisions: 100 prices of the past change after they were predicted from. Which days are predicted again?

A strategy with features that look back three sessions is simulated over some years. Then a price file with other closes
takes the place of the first one. Which days a model would be given anything else on is computed here, by comparing the
features of both files; ``revise`` must find just those, from the hashes that it kept.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.bench import ROOT, Bench
from benchmarks.table import show
from rollq.online.manager import OnlineManager
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import REVISED, Predictions
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.rolling import RollingStrategy
from rollq.scheduler.updates.revisions import find_revised, revise
from rollq.tasks.backend import Backend
from rollq.tasks.components.registry import build
from rollq.tasks.rolling.template import load_template
from rollq.tasks.tracking.mlflow.store import prepare_tracking
from rollq.trainers import TrainerR

PRICES = ROOT / "examples" / "pse" / "prices.parquet"
NAME = "revised"


def template(folder: Path, begin: str, end: str) -> Path:
    """A ridge regression on features of at most three sessions, on a price file of its own."""
    year = int(begin[:4])
    path = folder / f"{NAME}.yaml"
    written = {
        "name": NAME,
        "model": {"class": "RidgeModel", "kwargs": {"alpha": 1.0}},
        "dataset": {
            "class": "PanelDataset",
            "kwargs": {
                "path": str(folder / "prices.parquet"),
                "features": [{"op": "momentum", "windows": [1, 2, 3]}, {"op": "volatility", "windows": [3]}],
                "label": {"op": "forward_return", "horizon": 5, "start": 1},
                "normalize": "rank",
                "segments": {"train": [f"{year - 2}-01-02", f"{year - 1}-12-20"], "test": [begin, end]},
            },
        },
        "record": [{"class": "SignalRecord"}],
        "rolling": {"kwargs": {"step": 63, "rtype": "sliding", "trunc_days": 7}},
        "online": {"begin": begin},
    }
    path.write_text(yaml.safe_dump(written))
    return path


def revised_prices(prices: pd.DataFrame, count: int, begin: str, end: str, seed: int) -> tuple[pd.DataFrame, list[str]]:
    """Other closes on so many different days, each of one company, 5 to 20 % higher; and which days these are."""
    chance = np.random.default_rng(seed)
    inside = prices[(prices["datetime"] >= begin) & (prices["datetime"] <= end)]
    days = chance.choice(inside["datetime"].unique(), count, replace=False)
    changed = prices.copy()
    for day in days:
        row = chance.choice(inside.index[inside["datetime"] == day])
        changed.loc[row, "close"] *= np.float32(chance.uniform(1.05, 1.2))
    return changed, sorted(f"{pd.Timestamp(day):%Y-%m-%d}" for day in days)


def features(written: Path, backend: Backend) -> pd.DataFrame:
    """What models are given on the test segment, by the file that is there now."""
    definition = load_template(written, backend.settings).definition
    made: pd.DataFrame = build(definition["dataset"], "dataset", ()).prepare("test")
    return made


def differing(before: pd.DataFrame, after: pd.DataFrame) -> set[str]:
    """The days on which the rows of two frames are not the same."""
    assert before.index.equals(after.index)
    other = ~((before == after) | (before.isna() & after.isna())).all(axis=1)
    return {f"{day:%Y-%m-%d}" for day in before.index[other].get_level_values("datetime").unique()}


def measure(bench: Bench, count: int, begin: str, end: str, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Simulate, revise, compare."""
    backend = bench.backend()
    prepare_tracking(bench.settings.mlflow_uri)
    prices, path = pd.read_parquet(PRICES), bench.folder / "prices.parquet"
    prices.to_parquet(path)
    written = template(bench.folder, begin, end)
    OnlineManager([_strategy(written, backend)], TrainerR, backend=backend).simulate(end)
    before, signals = features(written, backend), SignalLedger(backend).read(NAME)
    calm = find_revised(backend, _strategy(written, backend))

    changed, days = revised_prices(prices, count, begin, end, seed)
    changed.to_parquet(path)
    truth = differing(before, features(written, backend))
    begun = time.perf_counter()
    found = find_revised(backend, _strategy(written, backend))
    searched = time.perf_counter() - begun
    done = revise(backend, _strategy(written, backend), TrainerR(NAME, backend=backend), "bench")
    took = time.perf_counter() - begun - searched

    again = _predicted_again(backend)
    row = {"revisions": count, "sessions": before.index.get_level_values("datetime").nunique(), "changed": len(truth)}
    row |= {"predicted again": len(again), "tasks": done.tasks, "to find s": searched, "to find and predict s": took}
    facts = {
        "found_before_the_revision": len(calm),
        "revisions_missed": len(set(days) - again),
        "changed_days_missed": len(truth - again),
        "unchanged_days_predicted_again": len(again - truth),
        "found_and_published_the_same": {day for one in found for day in one.days} == again == set(done.sessions),
        "earlier_version_readable": _as_before(backend, signals),
        "found_after_it": len(find_revised(backend, _strategy(written, backend))),
    }
    return row, facts


def _strategy(written: Path, backend: Backend) -> RollingStrategy:
    """Made anew, as every process makes it: a dataset reads its file once."""
    return RollingStrategy.of_template(load_template(written, backend.settings), backend.settings)


def _predicted_again(backend: Backend) -> set[str]:
    """The days that the increments of all models hold, by what was written and not by what was asked."""
    models = {model.recorder_id: model for one in OnlineSets(backend.store).history(NAME) for model in one.models}
    days: set[str] = set()
    for ident in models:
        for added in Predictions(backend).added(ident):
            assert added.why == REVISED
            days |= set(backend.tasks.get(added.task_id).definition["predict"]["days"])
            assert added.result["sessions"] == len(backend.tasks.get(added.task_id).definition["predict"]["days"])
    return days


def _as_before(backend: Backend, signals: pd.DataFrame) -> bool:
    """Whether the ledger still says what it said before the revision, as of its date."""
    ledger = SignalLedger(backend)
    return ledger.read(NAME, as_of=ledger.entries(NAME)[0].at).equals(signals)


def main() -> None:
    """Options, measurement, table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revisions", description=__doc__)
    parser.add_argument("--revisions", type=int, default=100)
    parser.add_argument("--begin", default="2018-01-03", help="the first session")
    parser.add_argument("--end", default="2021-12-15")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    with Bench() as bench:
        row, facts = measure(bench, given.revisions, given.begin, given.end, given.seed)
    show("revisions: which days are predicted again", [row], given.json, **facts)


if __name__ == "__main__":
    main()

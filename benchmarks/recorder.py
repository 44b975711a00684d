"""A complete run (20 params, 20 metrics, model text, 5,000 predictions, end), and listing many runs.

rollq's recorder, the same calls by hand on the MLflow client, and the reference's recorder, in turns on this machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from benchmarks.bench import ROOT
from benchmarks.reference.environment import PYTHON
from benchmarks.table import show
from rollq.tasks.tracking.manager import MLflowExpManager
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.store import local_tracking_uri, prepare_tracking
from rollq.tasks.tracking.workflow import Workflow

PARAMS = {f"param{n}": n for n in range(20)}
METRICS = {f"metric{n}": float(n) for n in range(20)}
MODEL = "tree=0 split_gain=1.5 threshold=0.25\n" * 2_000  # about the text of a small Booster
SIDE = ROOT / "benchmarks" / "reference" / "recorder_side.py"


def predictions() -> pd.DataFrame:
    """5,000 rows."""
    days, names = pd.bdate_range("2020-01-01", periods=50), [f"S{n:03}" for n in range(100)]
    index = pd.MultiIndex.from_product([days, names], names=["datetime", "instrument"])
    return pd.DataFrame({"score": np.random.default_rng(7).normal(size=len(index))}, index=index)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorder", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="complete runs of each")
    parser.add_argument("--listed", type=int, default=5_000, help="runs of one experiment that are listed")
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollq-bench-") as folder:
        _runs(Path(folder), options.runs, not options.no_reference, options.json)
        _listing(Path(folder), options.listed, not options.no_reference, options.json)


def _runs(folder: Path, runs: int, reference: bool, as_json: bool) -> None:
    frame = predictions()
    frame.to_parquet(folder / "pred.parquet")
    kinds = {"by hand": _by_hand(folder, frame), "rollq": _ours(folder, frame)}
    for run in kinds.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(runs):  # in turns, so that whatever else this machine does hits both
        for name, run in kinds.items():
            began = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - began)
    if reference:
        taken["reference"] = _side("runs", folder, runs=min(runs, 50))["seconds"]
    median = {name: statistics.median(values) * 1_000 for name, values in taken.items()}
    rows = [{"recorder": name, "runs": len(taken[name]), "ms per run (median)": median[name]} for name in median]
    facts = {"rollq_to_by_hand": median["rollq"] / median["by hand"]}
    if reference:
        facts["reference_to_rollq"] = median["reference"] / median["rollq"]
    show("A complete run", rows, as_json, **facts)


def _ours(folder: Path, frame: pd.DataFrame) -> Callable[[], None]:
    uri = local_tracking_uri(folder)
    prepare_tracking(uri)
    workflow = Workflow()
    workflow.setup(MLflowExpManager(uri, "ours"))

    def run() -> None:
        with workflow.start():
            workflow.log_params(PARAMS)
            workflow.log_metrics(METRICS)
            workflow.save_objects(model=MODEL, pred=frame)

    return run


def _by_hand(folder: Path, frame: pd.DataFrame) -> Callable[[], None]:
    uri = local_tracking_uri(folder)
    prepare_tracking(uri)
    client = MlflowClient(uri)
    experiment = client.create_experiment("by hand", artifact_location=(folder / "hand").as_uri())

    def run() -> None:
        ident, now = client.create_run(experiment).info.run_id, int(time.time() * 1_000)
        metrics = [Metric(name, value, now, 0) for name, value in METRICS.items()]
        client.log_batch(ident, metrics, [Param(name, str(value)) for name, value in PARAMS.items()])
        with tempfile.TemporaryDirectory() as draft:
            (Path(draft) / "model.txt").write_text(MODEL)
            frame.to_parquet(Path(draft) / "pred.parquet")
            client.log_artifacts(ident, draft)
        client.set_terminated(ident)

    return run


def _listing(folder: Path, count: int, reference: bool, as_json: bool) -> None:
    uri = local_tracking_uri(folder)
    experiment = MLflowExperiment.open("listed", uri)
    client = MlflowClient(uri)
    for _ in range(count):  # by hand: what makes them is not measured
        ident = client.create_run(experiment.id).info.run_id
        client.log_batch(ident, [Metric("ic", 0.5, 0, 0)], [Param("lr", "0.1")])
    began = time.perf_counter()
    found = [(recorder.params, recorder.metrics) for recorder in experiment.iter_recorders()]
    rows = [{"listing": "rollq", "runs": len(found), "seconds": time.perf_counter() - began}]
    facts: dict[str, Any] = {}
    if reference:
        answer = _side("listing", folder, uri=uri, experiment="listed")
        rows.append({"listing": "reference", "runs": answer["found"], "seconds": answer["seconds"]})
        facts["reference_to_rollq"] = rows[1]["seconds"] / rows[0]["seconds"]
    show("Listing an experiment with params and metrics", rows, as_json, **facts)


def _side(what: str, folder: Path, **options: Any) -> Any:
    """Have the reference do it, in its own environment; in a git repository, as its users are."""
    if not PYTHON.exists():
        raise SystemExit("The reference is missing: run `make reference-env`, or leave it out: --no-reference.")
    order = json.dumps({"what": what, "folder": str(folder), **options})
    answer = subprocess.run([str(PYTHON), str(SIDE), order], cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(f"The reference failed: {answer.stderr[-2_000:]}")
    return json.loads(answer.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()

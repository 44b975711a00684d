"""Memory and time of collecting 200 windows x 344 companies into one frame: RecorderCollector with RollingGroup.

The runs are real ones in an MLflow store on SQLite, with their params, task and predictions. A process of its own
collects; its resident set is read before (libraries loaded, store open, one frame read), and its peak meanwhile.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bench import ROOT
from benchmarks.table import show

ALLOWED = 2.0  # (peak - base) / result
EXPERIMENT = "windows"


def main() -> None:
    """Make the runs, collect them in a process of its own, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collect", description=__doc__)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--companies", type=int, default=344)
    parser.add_argument("--sessions", type=int, default=20, help="of a window")
    parser.add_argument("--leaving", type=float, default=0.0, help="share of a window's rows that are missing")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--collect", help=argparse.SUPPRESS)  # this is the child: the tracking URI
    given = parser.parse_args()
    if given.collect:
        print(json.dumps(_collect(given.collect)))
        return
    with tempfile.TemporaryDirectory(prefix="rollq-bench-") as folder:
        uri = _make_runs(Path(folder), given.windows, given.companies, given.sessions, given.leaving)
        command = [sys.executable, "-m", "benchmarks.collect", "--collect", uri]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise SystemExit(answer.stderr[-2_000:])
        found = json.loads(answer.stdout.splitlines()[-1])
    row = {"windows": given.windows, "companies": given.companies, "rows": found["rows"], "seconds": found["seconds"]}
    row |= {f"{name} MB": found[name] / 2**20 for name in ("result", "opened", "base", "peak")}
    facts = {"peak_less_base_to_result": (found["peak"] - found["base"]) / found["result"], "allowed": ALLOWED}
    show("collect: memory of joining the predictions of many windows", [row], given.json, **facts)


def _make_runs(folder: Path, windows: int, companies: int, sessions: int, leaving: float) -> str:
    """An experiment as workers leave it behind; returns its tracking URI."""
    import numpy as np
    import pandas as pd

    from benchmarks.definitions import realistic
    from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
    from rollq.tasks.tracking.mlflow.store import local_tracking_uri, prepare_tracking

    uri = local_tracking_uri(folder)
    prepare_tracking(uri)
    experiment, random = MLflowExperiment.open(EXPERIMENT, uri), np.random.default_rng(7)
    days = pd.bdate_range("2003-01-01", periods=windows * sessions)
    names = [f"S{number:03}" for number in range(companies)]
    for number in range(windows):
        test = days[number * sessions : (number + 1) * sessions]
        index = pd.MultiIndex.from_product([test, names], names=["datetime", "instrument"])
        index = index[random.random(len(index)) >= leaving]
        (task,) = realistic(1)
        task["dataset"]["kwargs"]["segments"] = {"test": (test[0], test[-1])}
        recorder = experiment.create_recorder(start=True)
        recorder.log_params({"model": task["model"], "dataset": task["dataset"]})
        recorder.log_metrics({"IC": 0.01, "Rank IC": 0.02})
        recorder.save_objects(task=task, pred=pd.DataFrame({"score": random.normal(size=len(index))}, index))
        recorder.end_run()
    return uri


def _collect(uri: str) -> dict[str, Any]:
    """In the child: what collecting takes, in bytes and seconds."""
    from rollq import MLflowExperiment, RecorderCollector, RollingGroup

    experiment = MLflowExperiment.find(EXPERIMENT, uri)
    assert experiment
    opened = _status("VmRSS")
    (first,) = experiment.list_recorders("list", max_results=1)
    first.load_object("pred.pkl")  # Arrow loads its libraries at the first frame: they are no part of what is collected
    collector = RecorderCollector(experiment, [RollingGroup()])
    gc.collect()
    gc.freeze()  # else a pass over all modules may or may not fall into what is timed
    base, begun = _status("VmRSS"), time.perf_counter()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    ((result,),) = (found.values() for found in collector().values())
    took, peak = time.perf_counter() - begun, _status("VmHWM")
    size = int(result.memory_usage(deep=True, index=True).sum())
    return {
        "opened": opened,
        "base": base,
        "peak": peak,
        "result": size,
        "rows": len(result),
        "seconds": took,
    }


def _status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()

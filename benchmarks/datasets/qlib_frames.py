"""The frames of Qlib's handlers, computed apart in each window or shared: processor seconds of a window's data.

Each window is a process of its own: it makes Qlib's dataset and its frames of train and valid. Apart, each has an empty
cache; shared, all of them have one, and the first one fills it. Needs pyqlib.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench import ROOT
from benchmarks.table import show
from tests.qlib_data import days, write_folder

TRAIN, VALID, STEP = 200, 40, 40  # sessions


def main() -> None:
    """Write a data folder, make the data of all windows twice, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datasets.qlib_frames", description=__doc__)
    parser.add_argument("--instruments", type=int, default=20)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)  # data folder, cache, number of the window
    given = parser.parse_args()
    if given.child:
        print(json.dumps(_window(Path(given.child[0]), Path(given.child[1]), int(given.child[2]))))
        return
    with tempfile.TemporaryDirectory(prefix="rollq-bench-") as place:
        sessions = TRAIN + VALID + given.windows * STEP
        folder = write_folder(Path(place) / "cn", sessions, given.instruments)
        rows = []
        for number in range(given.windows):
            apart = _child(folder, Path(place) / f"apart{number}", number)
            rows.append({"window": number, "apart": apart, "shared": _child(folder, Path(place) / "shared", number)})
    facts = {f"{name}_of_all_windows": sum(row[name] for row in rows) for name in ("apart", "shared")}
    show("qlib frames: processor seconds of a window's data", rows, given.json, **facts)


def _child(folder: Path, cache: Path, number: int) -> float:
    command = [sys.executable, "-m", "benchmarks.datasets.qlib_frames", "--child", str(folder), str(cache), str(number)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(answer.stderr[-2_000:])
    return float(answer.stdout.splitlines()[-1])


def _window(folder: Path, cache: Path, number: int) -> float:
    """In the child: processor seconds of a window's dataset, and of its frames; importing Qlib is left out."""
    from rollq.tasks.components.registry import build

    calendar = days(TRAIN + VALID + (number + 1) * STEP)[number * STEP :]
    bounds = [calendar[end] for end in (0, TRAIN - 1, TRAIN, TRAIN + VALID - 1)]
    config = {
        "instruments": "csi300",
        "start_time": days(1)[0],
        "fit_start_time": bounds[0],
        "fit_end_time": bounds[1],
    }
    handler = {"class": "Alpha158", "module_path": "qlib.contrib.data.handler", "kwargs": config}
    kwargs = {"handler": handler, "segments": {"train": bounds[:2], "valid": bounds[2:]}, "cache_dir": str(cache)}
    where = {"qlib_init": {"provider_uri": str(folder), "region": "cn"}}
    made = build(
        {"class": "DatasetH", "module_path": "qlib.data.dataset", "kwargs": {**kwargs, **where}}, "dataset", ()
    )
    made.make_ready()
    started = time.process_time()
    for segment in ("train", "valid"):
        made.prepare(segment, "label")
    return time.process_time() - started


if __name__ == "__main__":
    main()

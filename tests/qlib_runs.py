"""Runs that pyqlib itself recorded, in a process of its own: a small data folder, two windows that its trainer trained
and put online, and runs made by hand.

Called as a program: ``python qlib_runs.py FOLDER``; the runs are then in ``FOLDER/mlruns``. With the address of a
server of MLflow as a second argument they are there, without those made by hand.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DAYS = pd.bdate_range("2020-01-01", periods=60)
WINDOWS = ((0, 24, 25, 32, 33, 42), (8, 32, 33, 40, 41, 50))  # positions in DAYS: train, valid, test
INSTRUMENTS = ("SH600000", "SH600001", "SZ000001", "SZ000002")


def make_runs(folder: Path, server: str = "") -> Path:
    """Let pyqlib record; returns the folder of the runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLQ_", "MLFLOW_"))}
    done = subprocess.run(
        [sys.executable, __file__, str(folder), server],
        env={**kept, "MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONWARNINGS": "ignore"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "mlruns"


def write_data(folder: Path) -> Path:
    """Prices in Qlib's binary form."""
    random = np.random.default_rng(7)
    (folder / "calendars").mkdir(parents=True)
    (folder / "instruments").mkdir()
    (folder / "calendars/day.txt").write_text("".join(f"{day:%Y-%m-%d}\n" for day in DAYS))
    span = f"{DAYS[0]:%Y-%m-%d}\t{DAYS[-1]:%Y-%m-%d}"
    (folder / "instruments/all.txt").write_text("".join(f"{name}\t{span}\n" for name in INSTRUMENTS))
    for name in INSTRUMENTS:
        place = folder / "features" / name.lower()
        place.mkdir(parents=True)
        close = 10 * np.exp(np.cumsum(random.normal(0, 0.02, len(DAYS))))
        np.concatenate([[0], close]).astype("<f4").tofile(place / "close.day.bin")
    return folder


def task(window: tuple[int, ...]) -> dict[str, Any]:
    """A task as Qlib's trainers take it."""
    bounds = [DAYS[position] for position in window]
    handler = {
        "class": "DataHandlerLP",
        "module_path": "qlib.data.dataset.handler",
        "kwargs": {
            "instruments": "all",
            "start_time": DAYS[0],
            "end_time": DAYS[-1],
            "data_loader": {
                "class": "QlibDataLoader",
                "kwargs": {
                    "config": {
                        "feature": (["$close/Ref($close,1)-1", "$close/Ref($close,3)-1"], ["R1", "R3"]),
                        "label": (["Ref($close,-2)/Ref($close,-1)-1"], ["LABEL0"]),
                    }
                },
            },
            "infer_processors": [
                {
                    "class": "RobustZScoreNorm",
                    "kwargs": {"fields_group": "feature", "fit_start_time": bounds[0], "fit_end_time": bounds[1]},
                },
                {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
            ],
            "learn_processors": [{"class": "DropnaLabel"}],
        },
    }
    names = ("train", "valid", "test")
    segments = {name: (bounds[2 * n], bounds[2 * n + 1]) for n, name in enumerate(names)}
    return {
        "model": {
            "class": "LGBModel",
            "module_path": "qlib.contrib.model.gbdt",
            "kwargs": {"num_boost_round": 4, "min_data_in_leaf": 2, "num_threads": 1},
        },
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": handler, "segments": segments},
        },
        "record": [
            {"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"},
            {"class": "SigAnaRecord", "module_path": "qlib.workflow.record_temp"},
        ],
    }


class Own:
    """A class that is no part of Qlib."""


def record(folder: Path, server: str) -> None:
    """Make the runs."""
    import qlib
    from qlib.model.trainer import TrainerR
    from qlib.workflow.online.utils import OnlineToolR

    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": server or f"file:{folder / 'mlruns'}", "default_exp_name": "Experiment"},
    }
    qlib.init(provider_uri=str(write_data(folder / "data")), kernels=1, exp_manager=manager)
    trainer = TrainerR(experiment_name="daily")
    recorders = trainer.end_train(trainer.train([task(window) for window in WINDOWS]))
    OnlineToolR("daily").reset_online_tag(recorders)
    if not server:
        _record_by_hand()


def _record_by_hand() -> None:
    from qlib.workflow import R

    frame = pd.DataFrame({"score": [0.5, -0.5]}, index=[1, 2])
    with R.start(experiment_name="by hand", recorder_name="good"):
        R.log_params(alpha=1)
        R.log_metrics(step=0, loss=0.5)
        R.log_metrics(step=1, loss=float("nan"))
        R.set_tags(note="x" * 6_000)
        R.save_objects(**{"frame.pkl": frame, "numbers": {"a": [1, 2.5], "day": DAYS[0]}})
    for name, value in (("evil", _Evil()), ("own", Own()), ("half", None)):
        with R.start(experiment_name="by hand", recorder_name=name):
            R.save_objects(**{"frame.pkl": frame, "thing.pkl": value})
            if name == "half":
                place = Path(R.get_recorder().get_artifact_uri().removeprefix("file://")) / "thing.pkl"
                place.write_bytes(pickle.dumps(frame)[:-40])
    with R.start(experiment_name="cut off", recorder_name="killed"):
        R.save_objects(**{"frame.pkl": frame})
        time.sleep(0.5)  # its params are written by a thread
        os._exit(0)


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, (f"touch {Path.cwd() / 'owned'}",)


if __name__ == "__main__":
    record(Path(sys.argv[1]), sys.argv[2])

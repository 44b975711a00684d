"""Workflow files of Qlib's form, trained as tasks: the predictions are those of the reference's own trainer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq import Backend, MLflowExperiment, MLflowRecorder, Settings, TaskState
from rollq.enqueueing import enqueue_plan, load_strategy
from rollq.scheduler.strategies.rolling import RollingStrategy
from rollq.tasks.definition import segments_of
from rollq.workers.jobs.attempt import WorkerContext, run_one
from rollq.workers.qlib.recorder import load_pickled
from tests import qlib_data
from tests.qlib_networks import NETWORKS

CONTEXT = WorkerContext("host/1")
STEP = 70  # two windows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qlib_data.write_folder(tmp_path_factory.mktemp("qlib") / "cn")


def strategy_of(folder: Path, settings: Settings, name: str) -> RollingStrategy:
    path = folder.parent / f"workflow_config_{name}.yaml"
    path.write_text(qlib_data.workflow(folder, name), encoding="utf-8")
    return load_strategy(path, settings, step=STEP, rtype="sliding")


@pytest.fixture(scope="module")
def reference(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, list[pd.DataFrame]]:
    """The predictions of the reference for each window of each file that is asked for."""
    items = [one for one in request.session.items if hasattr(one, "callspec")]
    names = {one.callspec.params.get("name") for one in items} & qlib_data.MODELS.keys()
    place = tmp_path_factory.mktemp("reference")
    settings = Settings(state_dir=place)
    plans = {name: strategy_of(folder, settings, name).plan().definitions for name in names}
    # The second window of each: its segments and fit dates have moved.
    windows = {name: found[1:] for name, found in plans.items()}
    tasks = [_of_reference(one) for found in windows.values() for one in found]
    asked = place / "asked.json"
    asked.write_text(json.dumps({"provider_uri": str(folder), "tasks": tasks}), encoding="utf-8")
    program = Path(__file__).with_name("qlib_reference.py")
    done = subprocess.run(
        [sys.executable, str(program), str(asked)],
        cwd=place,
        env={**os.environ, "MPLCONFIGDIR": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made = iter(range(len(tasks)))
    return {
        name: [pd.read_parquet(place / f"pred{next(made)}.parquet") for _ in found] for name, found in windows.items()
    }


@pytest.mark.parametrize("name", qlib_data.MODELS)
def test_predictions_are_those_of_the_reference(
    name: str, folder: Path, backend: Backend, reference: dict[str, list[pd.DataFrame]]
) -> None:
    recorders = _trained(backend, strategy_of(folder, backend.settings, name))
    assert len(recorders) == 1
    for recorder, expected in zip(recorders, reference[name], strict=True):
        found = _frame(recorder.load_object("pred.parquet"))
        pd.testing.assert_frame_equal(
            # Qlib has the scores of time series by instrument.
            *(one.astype(float) for one in (found, expected.sort_index())),
            rtol=0,
            atol=1e-6 if name in NETWORKS else 1e-12,
            check_freq=False,
            check_index_type=False,
        )
        metrics = recorder.list_metrics()
        assert {"IC", "Rank ICIR", "1day.excess_return_with_cost.annualized_return"} <= set(metrics)
        positions = load_pickled(recorder, "portfolio_analysis/positions_normal_1day.pkl")
        assert isinstance(positions, dict)
        days = found.index.get_level_values("datetime")
        # Of the days of its own window, and not of the range that the file names.
        assert days.min() <= min(positions) <= max(positions) <= days.max()


def _trained(backend: Backend, strategy: RollingStrategy) -> list[MLflowRecorder]:
    plan = strategy.plan()
    opened = enqueue_plan(replace(plan, definitions=plan.definitions[1:]), backend)
    experiment = MLflowExperiment.open(opened.pool, backend.settings.mlflow_uri)
    found = []
    for ident in opened.created.ids:
        run_one(backend, opened.pool, ident, CONTEXT)
        task = backend.tasks.get(ident)
        assert task.status is TaskState.DONE, task.error
        assert task.result
        found.append(experiment.get_recorder(task.result["recorder_id"]))
    return found


def _of_reference(definition: dict[str, Any]) -> dict[str, Any]:
    """The task as the reference takes it: without what rollq adds, and with nothing but predictions."""
    task = deepcopy({name: definition[name] for name in ("model", "dataset")})
    del task["dataset"]["kwargs"]["qlib_init"]
    task["dataset"]["kwargs"]["segments"] = {name: list(one) for name, one in segments_of(definition).items()}
    return {**task, "record": [{"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"}]}


def _frame(found: pd.Series | pd.DataFrame) -> pd.DataFrame:
    return found.to_frame("score") if isinstance(found, pd.Series) else found

"""A task's definition trained here and now; and tasks whose experiment is not their pool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq import (
    Backend,
    MLflowExperiment,
    MLflowExpManager,
    OnlineSets,
    OnlineTool,
    R,
    Serve,
    TaskManager,
    TemplateError,
    begin_task_train,
    end_task_train,
    run_task,
    task_train,
)
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.reconciler import resolve_orphans
from rollq.tasks.definition import with_experiment
from rollq.trainers import TrainerR
from tests.online_strategies import DAYS, RIDGE, template, write_prices

WINDOWS = [("2018-03-07", "2018-03-13"), ("2018-03-14", "2018-03-20")]


@pytest.fixture(autouse=True)
def _r(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(R, "_manager", MLflowExpManager(backend.settings.mlflow_uri))


def definitions(folder: Path, model: Any = RIDGE) -> list[dict[str, Any]]:
    made = template(write_prices(folder / "prices.parquet"), model=model).definition
    kwargs = made["dataset"]["kwargs"]
    segments = [{"train": kwargs["segments"]["train"], "test": window} for window in WINDOWS]
    return [{**made, "dataset": {**made["dataset"], "kwargs": {**kwargs, "segments": one}}} for one in segments]


def test_a_task_is_trained_here_and_now(backend: Backend, tmp_path: Path) -> None:
    name = f"by hand {backend.settings.mongo_database}"
    task = definitions(tmp_path)[0]
    recorder = task_train({**task, "record": task["record"][0]}, experiment_name=name)
    assert recorder.status == "FINISHED"
    assert recorder.name == "RidgeModel 2018-03-07"
    (found,) = R.get_exp(experiment_name=name).list_recorders("list")
    assert found == recorder
    days = found.load_object("pred.pkl").index.get_level_values("datetime")
    assert (days.min(), days.max()) == tuple(pd.Timestamp(day) for day in WINDOWS[0])
    assert task_train(task, name, "again") != recorder, "each call trains"
    broken = {**task, "model": {"class": "RidgeModel", "kwargs": {"alpha": -1.0}}}
    with pytest.raises(TemplateError):
        task_train(broken, name)
    newest = R.get_exp(experiment_name=name).list_recorders("list")[0]
    assert newest.status == "FAILED"
    assert "alpha" in newest.load_object("traceback.txt")
    with pytest.raises(TemplateError, match="'dataset' is missing"):
        task_train({"model": RIDGE}, name)


def test_its_two_halves(backend: Backend, tmp_path: Path) -> None:
    name = f"halves {backend.settings.mongo_database}"
    begun = begin_task_train(definitions(tmp_path)[0], name)
    experiment = R.get_exp(experiment_name=name)
    assert [one.id for one in experiment.list_recorders("list", status="SCHEDULED")] == [begun.id]
    ended = end_task_train(begun, name)
    assert (ended.id, ended.status) == (begun.id, "FINISHED")
    assert end_task_train(begun, name) == begun, "what is trained stays"
    cut_off = begin_task_train(definitions(tmp_path)[0], name)
    cut_off.start_run()
    assert end_task_train(cut_off, name) != cut_off, "a run that was begun belongs to the process that began it"


def test_tasks_of_a_pool_are_trained_by_it(backend: Backend, tmp_path: Path) -> None:
    pool = f"looped{backend.settings.mongo_database}"
    manager = TaskManager(pool, backend)
    ids = manager.create_task(definitions(tmp_path))
    assert run_task(task_train, pool, {"_id": ids[0]}, experiment_name=f"of {pool}", backend=backend) == 1
    task = manager.re_query(ids[0])
    recorder = R.get_exp(experiment_name=f"of {pool}").get_recorder(task["res"]["recorder_id"])
    assert (recorder.tags["rollq.task"], recorder.status) == (ids[0], "FINISHED")
    assert task["res"]["metrics"]
    assert task["res"]["artifacts"]
    # In two phases: the recorder of the first one is given to the second.
    run_task(begin_task_train, pool, after_status="part_done", experiment_name=f"of {pool}", backend=backend)
    begun = manager.re_query(ids[1])["res"]["recorder_id"]
    run_task(end_task_train, pool, before_status="part_done", experiment_name=f"of {pool}", backend=backend)
    done = manager.re_query(ids[1])
    assert (done.status, done["res"]["recorder_id"]) == ("DONE", begun)


def test_a_round_whose_runs_are_in_another_experiment(backend: Backend, tmp_path: Path) -> None:
    pool = f"pool{backend.settings.mongo_database}"
    other = f"experiment of {pool}"
    windows = [with_experiment(task, other, pool) for task in definitions(tmp_path)]
    assert all("experiment" not in with_experiment(task, pool, pool) for task in windows)
    trainer = TrainerR(pool, backend=backend)
    online = trainer.wait(
        trainer.open_round(
            windows, Serve("elsewhere", tuple(day for day in DAYS if WINDOWS[0][0] <= day <= WINDOWS[1][1]))
        ),
        timeout=60,
    )
    runs = {model.recorder_id for model in online.models}
    found = R.get_exp(experiment_name=other, create=False).list_recorders()
    assert set(found) == runs
    assert all(recorder.tags["online_status"] == "online" for recorder in found.values())
    pred = Predictions(backend).read(pool, online.models[0]).pred
    assert set(pred.index.get_level_values("datetime").strftime("%Y-%m-%d")) >= {WINDOWS[0][0]}
    # Another set: the tags of the first one are taken back.
    later = replace(online, round_id="0123456789abcdef01234567", models=online.models[1:], version=0)
    OnlineSets(backend.store).publish(later)
    tool = OnlineTool(backend, "elsewhere", pool)
    tool.sync(OnlineSets(backend.store).current("elsewhere"))
    assert [tool.get_online_tag(found[model.recorder_id]) for model in online.models] == ["offline", "online"]


@pytest.mark.parametrize("removed", [False, True])
def test_the_run_of_a_lost_attempt_is_closed_wherever_it_is(backend: Backend, tmp_path: Path, removed: bool) -> None:
    pool = f"lost{backend.settings.mongo_database}"
    task = with_experiment(definitions(tmp_path)[0], f"runs of {pool}", pool)
    (ident,) = backend.tasks.create_tasks(pool, [task]).ids
    claim = backend.tasks.claim(pool, "w")
    assert claim
    tags = {"rollq.pool": pool, "rollq.task": ident, "rollq.attempt": "1", "rollq.fence": str(claim.fence)}
    left = MLflowExperiment.open(f"runs of {pool}", backend.settings.mlflow_uri).create_recorder("r", tags, start=True)
    backend.tasks.cancel([ident], "me")
    if removed:
        backend.tasks.remove([ident])
    assert [one.recorder.id for one in resolve_orphans(backend)] == [left.id]

"""Prediction tasks on a real store and a real MLflow, in this process."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from rollq import (
    Backend,
    Increment,
    MLflowExperiment,
    MLflowRecorder,
    Settings,
    Task,
    TaskState,
    changed_days,
    fitted_dataset,
    load_increment,
    replace_range,
)
from rollq.enqueueing import plan_template
from rollq.workers.jobs import job as jobs
from rollq.workers.jobs.attempt import Outcome, WorkerContext, run_one
from rollq.workers.jobs.prediction import load_model, predict_range
from tests.conftest import EXAMPLES
from tests.pool_tasks import age

_POOLS = iter(f"predicted{number}" for number in range(1_000))
CONTEXT = WorkerContext("host/1")


@dataclass(frozen=True)
class Scene:
    """A model that was trained with a test segment of five sessions, and its data."""

    backend: Backend
    pool: str
    definition: dict[str, Any]
    sessions: list[str]  # from the first predicted one on
    trained: str = ""  # the task

    @property
    def recorder(self) -> MLflowRecorder:
        """The model's run, read afresh."""
        (trained,) = self.backend.tasks.find(self.pool, ids=[self.trained])
        assert trained.result
        return self.runs.get_recorder(trained.result["recorder_id"])

    @property
    def runs(self) -> MLflowExperiment:
        return MLflowExperiment.open(self.pool, self.backend.settings.mlflow_uri)

    def asking(self, first: str, last: str, **changes: Any) -> dict[str, Any]:
        dataset = copy.deepcopy(self.definition["dataset"])
        dataset["kwargs"]["segments"] = {"test": [first, last]}
        asked = {"pool": self.pool, "recorder_id": self.recorder.id, "days": changes.pop("days", None)}
        return {"predict": asked, "dataset": dataset, "data": {"from_hash": "0"}, **changes}

    def run(self, *definitions: dict[str, Any]) -> list[Task]:
        """The tasks of these definitions, after one attempt at each."""
        ids = self.backend.tasks.create_tasks(self.pool, list(definitions)).ids
        for ident in ids:
            run_one(self.backend, self.pool, ident, CONTEXT)
        return [self.backend.tasks.get(ident) for ident in ids]

    def increment(self, task: Task) -> Increment:
        assert task.status is TaskState.DONE, task.error
        assert task.result
        return load_increment(self.recorder, task.result)

    def at_once(self, first: str, last: str) -> Increment:
        """These days in one go, on the data of now."""
        recorder = self.recorder
        return predict_range(load_model(recorder), fitted_dataset(recorder, self.definition["dataset"]), first, last)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The first window of the example, with few trees."""
    settings = Settings(state_dir=tmp_path_factory.mktemp("plan"))
    definition = plan_template(EXAMPLES / "small.yaml", settings).definitions[0]
    definition["model"]["kwargs"].update({"num_boost_round": 5, "early_stopping_rounds": None})
    return definition


@pytest.fixture
def scene(backend: Backend, window: dict[str, Any], tmp_path: Path) -> Scene:
    """Trained on a copy of the example's prices."""
    made = copy.deepcopy(window)
    prices = pd.read_parquet(made["dataset"]["kwargs"]["path"])
    prices.to_parquet(tmp_path / "prices.parquet")
    kwargs = made["dataset"]["kwargs"]
    days = pd.DatetimeIndex(prices.reset_index()["datetime"].unique()).sort_values()
    sessions = [f"{day:%Y-%m-%d}" for day in days[days >= kwargs["segments"]["test"][0]]]
    cut = {**kwargs["segments"], "test": [sessions[0], sessions[4]]}
    kwargs.update(path=str(tmp_path / "prices.parquet"), segments=cut, processors=[{"op": "zscore"}])
    scene = Scene(backend, next(_POOLS), made, sessions)
    (task,) = scene.run(made)
    assert task.status is TaskState.DONE, task.error
    return replace(scene, trained=task.id)


def revise(scene: Scene, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = scene.definition["dataset"]["kwargs"]["path"]
    change(pd.read_parquet(path)).to_parquet(path)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> bool:
    return list(found.index) == list(expected.index) and found.to_numpy().tobytes() == expected.to_numpy().tobytes()


def test_training_and_later_days_are_the_bytes_of_one_go(scene: Scene) -> None:
    manifest = scene.recorder.checksums()
    days = scene.sessions
    (task,) = scene.run(scene.asking(days[5], days[9]))
    found, expected = scene.increment(task), scene.at_once(days[0], days[9])
    assert task.result
    assert (task.result["from"], task.result["to"], task.result["sessions"]) == (days[5], days[9], 5)
    assert task.result["rows"] == len(found.pred) == len(found.label) > 50
    assert (task.result["recorder_id"], task.result["gone"]) == (scene.recorder.id, [])
    base = scene.recorder.load_object("pred.parquet")
    assert same(replace_range(base, found.pred), expected.pred)
    label = scene.recorder.load_object("label.parquet")
    assert same(replace_range(label, found.label), expected.label)
    assert {**scene.recorder.load_object("days.json"), **found.days} == expected.days
    assert list(found.days) == days[5:10]
    assert scene.recorder.checksums() == manifest, "the model's run is as it was"
    assert [run.status for run in scene.runs.iter_recorders()] == ["FINISHED"], "no further run was made"


def test_revised_days_are_found_and_predicted_again(scene: Scene) -> None:
    day = scene.sessions[2]
    kept = scene.recorder.load_object("pred.parquet")

    def change(prices: pd.DataFrame) -> pd.DataFrame:
        table = prices.reset_index()
        table.loc[(table["datetime"] == day) & (table["instrument"] == table["instrument"].iloc[0]), "close"] *= 1.3
        return table[["datetime", "instrument", "close"]]

    revise(scene, change)
    now = fitted_dataset(scene.recorder, scene.definition["dataset"])
    found = changed_days(now, scene.recorder.load_object("days.json"))
    assert day in found
    assert scene.sessions[1] not in found, "nothing of it lies in the future"
    asked = sorted({day, scene.sessions[4]} & set(found))
    (task,) = scene.run(scene.asking(day, scene.sessions[4], days=[*asked, "2019-07-06"]))
    increment = scene.increment(task)
    assert task.result
    assert (task.result["sessions"], task.result["gone"]) == (len(asked), ["2019-07-06"]), "a Saturday"
    assert list(increment.days) == asked
    expected = scene.at_once(scene.sessions[0], scene.sessions[4])
    assert same(increment.pred, expected.only(asked).pred)
    assert not same(increment.pred.loc[[day]], kept.loc[[day]])
    assert changed_days(now, {**scene.recorder.load_object("days.json"), **increment.days}) == sorted(
        set(found) - set(asked)
    )
    assert same(scene.recorder.load_object("pred.parquet"), kept), "the earlier version stays"


def test_days_that_are_gone_from_the_data_are_named(scene: Scene) -> None:
    gone = scene.sessions[3:5]
    revise(scene, lambda prices: prices[~prices.reset_index()["datetime"].isin(pd.DatetimeIndex(gone)).to_numpy()])
    (task,) = scene.run(scene.asking(*gone, days=gone))
    assert scene.increment(task).pred.equals(Increment.empty().pred)
    assert scene.increment(task).pred.index.names == ["datetime", "instrument"]
    assert task.result
    assert (task.result["gone"], task.result["rows"], task.result["from"]) == (gone, 0, None)
    asked = scene.asking(*gone, days=gone, data={"another": "task"})
    asked["dataset"]["kwargs"]["path"] = "nowhere.parquet"
    (task,) = scene.run(asked)
    assert task.status is TaskState.FAILED, "data that cannot be read are not gone"


def test_two_tasks_write_beside_one_model_at_the_same_time(scene: Scene) -> None:
    days = scene.sessions
    asked = [scene.asking(days[5 * part], days[5 * part + 4]) for part in (1, 2)]
    ids = scene.backend.tasks.create_tasks(scene.pool, asked).ids
    with ThreadPoolExecutor(2) as both:
        outcomes = list(both.map(lambda ident: run_one(scene.backend, scene.pool, ident, CONTEXT), ids))
    assert outcomes == [Outcome.COMMITTED] * 2
    first, second = (scene.increment(scene.backend.tasks.get(ident)) for ident in ids)
    assert (list(first.days), list(second.days)) == (days[5:10], days[10:15])


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str, bool]] = {
    "no prices": (lambda asked: asked["dataset"]["kwargs"].update(path="nowhere.parquet"), "does not exist", True),
    "no rows": (
        lambda asked: asked["dataset"]["kwargs"]["segments"].update(test=["2030-01-01", None]),
        "no rows",
        True,
    ),
    "no such run": (lambda asked: asked["predict"].update(recorder_id="0" * 32), "no recorder", False),
    "a key too many": (lambda asked: asked["predict"].update(more=1), "predict", True),
    "no days": (lambda asked: asked["predict"].update(days=[]), "predict.days", True),
    "days of nonsense": (lambda asked: asked["predict"].update(days=["soon"]), "predict.days", True),
    "no pool": (lambda asked: asked["predict"].update(pool=""), "predict.pool", True),
    "no dataset": (lambda asked: asked.pop("dataset"), "dataset", True),
    "no segment": (lambda asked: asked["dataset"]["kwargs"].update(segments={}), "segments.test", True),
    "an open start": (lambda asked: asked["dataset"]["kwargs"]["segments"].update(test=[None, None]), "test", True),
}


def test_a_prediction_that_fails_leaves_the_models_run_alone(scene: Scene) -> None:
    for change, says, permanent in BROKEN.values():
        asked = scene.asking(scene.sessions[5], scene.sessions[9])
        change(asked)
        (task,) = scene.run(asked)
        assert task.error
        assert says in task.error["message"]
        assert task.status is (TaskState.FAILED if permanent else TaskState.WAITING)
        scene.backend.tasks.cancel([task.id], "me")
    (run,) = scene.runs.iter_recorders()
    assert run.status == "FINISHED"
    assert {"rollq.error", "rollq.superseded"}.isdisjoint(run.tags)
    folder = run.storage.local
    assert folder
    assert not (folder / "predictions").exists()


@pytest.mark.parametrize("status", ["RUNNING", "FAILED"])
def test_a_model_that_is_not_trained_predicts_nothing(scene: Scene, status: str) -> None:
    run = scene.recorder
    MlflowClient(scene.backend.settings.mlflow_uri).update_run(run.id, status=status)  # by something that is not rollq
    (task,) = scene.run(scene.asking(scene.sessions[5], scene.sessions[9]))
    assert task.error
    assert f"is not trained: the run is {status}" in task.error["message"]
    assert scene.runs.get_recorder(run.id).status == status


def test_what_a_worker_without_its_lease_wrote_is_seen_by_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    (ident,) = scene.backend.tasks.create_tasks(scene.pool, [scene.asking(scene.sessions[5], scene.sessions[9])]).ids
    second: list[Outcome] = []
    predict = jobs.predict

    def slow(claim: Any, checkpoint: Callable[[], None], settings: Settings) -> dict[str, Any]:
        """The first attempt is done with its work, and loses its lease before it commits."""
        monkeypatch.setattr(jobs, "predict", predict)
        result = predict(claim, checkpoint, settings)
        age(scene.backend, "tasks", ident)
        scene.backend.tasks.reclaim("sweeper")
        second.append(run_one(scene.backend, scene.pool, ident, WorkerContext("host/2")))
        return {**result, "from": "the stale worker"}

    monkeypatch.setattr(jobs, "predict", slow)
    assert run_one(scene.backend, scene.pool, ident, CONTEXT) is Outcome.LOST
    assert second == [Outcome.COMMITTED]
    task = scene.backend.tasks.get(ident)
    assert list(scene.increment(task).days) == scene.sessions[5:10]
    assert task.result
    assert task.result["artifact"].startswith(f"predictions/{ident}-2-")
    assert task.result["from"] == scene.sessions[5]
    run = scene.recorder
    assert run.status == "FINISHED"
    assert not [name for name in run.list_artifacts() if name.startswith("predictions")]
    assert "rollq.superseded" not in run.tags


def test_a_worker_that_stops_gives_the_task_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    (ident,) = scene.backend.tasks.create_tasks(scene.pool, [scene.asking(scene.sessions[5], scene.sessions[9])]).ids
    stopping = Event()

    def long(_claim: Any, checkpoint: Callable[[], None], _settings: Settings) -> dict[str, Any]:
        stopping.set()
        while not time.sleep(0.02):
            checkpoint()
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "predict", long)
        assert (
            run_one(scene.backend, scene.pool, ident, WorkerContext("host/1", draining=stopping.is_set))
            is Outcome.RELEASED
        )
    assert scene.recorder.status == "FINISHED"
    assert run_one(scene.backend, scene.pool, ident, CONTEXT) is Outcome.COMMITTED
    assert list(scene.increment(scene.backend.tasks.get(ident)).days) == scene.sessions[5:10]


def test_a_training_that_fails_or_is_lost_closes_its_own_run(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = copy.deepcopy(scene.definition)
    broken["dataset"]["kwargs"]["universe"] = ["NOBODY"]
    (task,) = scene.run(broken)
    assert task.status is TaskState.FAILED
    (failed, _) = scene.runs.iter_recorders()
    assert failed.status == "FAILED"
    assert failed.tags["rollq.error"].startswith("DataError: ")
    other = copy.deepcopy(scene.definition)
    other["model"]["kwargs"]["seed"] = 8
    (ident,) = scene.backend.tasks.create_tasks(scene.pool, [other]).ids
    train = jobs.train

    def lost(*given: Any) -> dict[str, Any]:
        result = train(*given)
        age(scene.backend, "tasks", ident)
        scene.backend.tasks.reclaim("sweeper")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "train", lost)
        assert run_one(scene.backend, scene.pool, ident, CONTEXT) is Outcome.LOST
    (stale, *_) = scene.runs.iter_recorders(f"tags.`rollq.task` = '{ident}'")
    assert stale.status == "FAILED"
    assert "rollq.superseded" in stale.tags
    assert run_one(scene.backend, scene.pool, ident, CONTEXT) is Outcome.COMMITTED
    assert scene.recorder.status == "FINISHED"

"""What serves stays: whatever is trained again, removed, closed or deleted, the runs of the ledger can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

import rollq.tasks.tracking.runs.hands_off
from rollq import (
    Backend,
    MLflowExperiment,
    OnlineManager,
    OnlineModel,
    PredUpdater,
    RecorderCollector,
    StateError,
    TaskState,
    Unavailable,
)
from rollq.health.serving import serving_check
from rollq.scheduler.backfill_plan import begin_backfill, plan_backfill
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.rounds.trainers import Trainer
from rollq.scheduler.routine.driver import bring_up_to
from rollq.scheduler.routine.ledger import RoutineState
from rollq.scheduler.strategies.plan import Plan
from rollq.scheduler.updates.prediction_tasks import prediction_pool
from rollq.tasks.attempts.attempt_runs import tags_of, why_lost
from rollq.tasks.backfills.backfill import BackfillMode
from rollq.tasks.tracking.runs.run_tags import TASK
from rollq.workers.jobs.attempt import Outcome, WorkerContext, run_one
from tests.online_strategies import DAYS, LIVED, manager, template, write_prices

CONTEXT = WorkerContext("host/1/2")
_names = iter(f"serving{number}" for number in range(100))


@pytest.fixture
def online(backend: Backend, tmp_path: Path) -> OnlineManager:
    """A strategy with two models online, whose data have one session more."""
    path = write_prices(tmp_path / "prices.parquet", until=LIVED[0])
    made = manager(backend, template(path, next(_names)))
    made.first_train()
    write_prices(path, until=LIVED[1])
    return made


def models(backend: Backend, online: OnlineManager) -> list[OnlineModel]:
    return [model for one in OnlineSets(backend.store).history(online.name) for model in one.models]


def train_all(backend: Backend, pool: str) -> list[Outcome]:
    backend.tasks.next_to_notify(pool, 100)
    outcomes = []
    while (outcome := run_one(backend, pool, None, CONTEXT)) is not Outcome.NOTHING:
        outcomes.append(outcome)
    return outcomes


def by_backfill(backend: Backend, online: OnlineManager) -> None:
    found = backend.tasks.find(online.name, definitions=True)
    plan = Plan(online.name, tuple(task.definition for task in found), ())
    assert begin_backfill(backend, plan_backfill(plan, backend, (DAYS[0], DAYS[-1]), mode=BackfillMode.ALL))


def by_reset(backend: Backend, online: OnlineManager) -> None:
    assert backend.tasks.reset([one.task_id for one in models(backend, online)], TaskState.WAITING, "me")


def by_making_anew(backend: Backend, online: OnlineManager) -> None:
    """The store came from a backup, or another program removed the tasks: the same tasks are made again."""
    found = backend.tasks.find(online.name, definitions=True)
    backend.store.collection("tasks").delete_many({"pool": online.name})
    backend.tasks.create_tasks(online.name, [task.definition for task in found])


@pytest.mark.parametrize("again", [by_backfill, by_reset, by_making_anew])
def test_a_retrained_task_gets_a_run_beside_the_one_that_serves(
    backend: Backend, online: OnlineManager, again: Callable[[Backend, OnlineManager], None]
) -> None:
    before = models(backend, online)
    for _ in range(3):  # also the run of the second training stays, when the result of the third is kept for a fourth
        again(backend, online)
        assert train_all(backend, online.name) == [Outcome.COMMITTED] * len(before)
    runs = MLflowExperiment.open(online.name, backend.settings.mlflow_uri)
    made = list(runs.iter_recorders(f"tags.`{TASK}` LIKE '%'"))
    assert [str(one.status) for one in made] == ["FINISHED"] * 4 * len(before), "also what was trained in between"
    assert models(backend, online) == before, "what serves changes by an entry of the ledger only"
    results = {(task.committed or {})["recorder_id"] for task in backend.tasks.find(online.name)}
    assert results.isdisjoint(one.recorder_id for one in before)
    assert serving_check(backend, repair=False).ok
    serving = runs.get_recorder(before[-1].recorder_id)
    assert len(PredUpdater(serving, settings=backend.settings).update()) == 6, "one session of six stocks"
    online.routine()
    assert online.get_signals(online.name).index.get_level_values(0).max() == pd.Timestamp(LIVED[1])
    (added,) = Predictions(backend).added(before[-1].recorder_id)
    assert added.end == LIVED[1]


def test_a_collector_of_the_experiment_takes_the_last_training_of_a_task(
    backend: Backend, online: OnlineManager
) -> None:
    by_reset(backend, online)
    train_all(backend, online.name)
    runs = MLflowExperiment.open(online.name, backend.settings.mlflow_uri)
    only_models = {"rec_filter_func": lambda recorder: "rollq.task" in recorder.tags}
    found = RecorderCollector(runs, artifacts_path={"raw": "x"}, artifacts_key=["__raw"], **only_models).collect()
    results = {(task.committed or {})["recorder_id"] for task in backend.tasks.find(online.name)}
    assert {recorder.id for recorder in found["__raw"].values()} == results


def test_an_attempt_that_came_to_nothing_is_closed_and_no_other(backend: Backend, online: OnlineManager) -> None:
    serving = models(backend, online)[0]
    by_reset(backend, online)
    claim = backend.tasks.claim(online.name, "host/1/9", wanted=serving.task_id)
    assert claim
    runs = MLflowExperiment.open(online.name, backend.settings.mlflow_uri)
    lost = runs.create_recorder("lost", tags_of(claim), start=True)
    lost.end_run()  # and the worker died before it could commit
    backend.tasks.reclaim("sweeper", {"host/1/9": "SIGKILL"})
    train_all(backend, online.name)
    assert runs.get_recorder(lost.id).status == "FAILED"
    assert runs.get_recorder(serving.recorder_id).status == "FINISHED"
    task = backend.tasks.get(claim.task_id)
    assert why_lost(runs.get_recorder(serving.recorder_id), task) == ""
    assert why_lost(runs.get_recorder(serving.recorder_id), None) == "", "nor if its task is gone"


@pytest.mark.parametrize("end", ["unavailable", "odd"])
def test_a_commit_whose_answer_is_lost_leaves_its_run_finished(
    backend: Backend, online: OnlineManager, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    by_reset(backend, online)
    real = backend.tasks.commit

    def commit(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        monkeypatch.setattr("rollq.tasks.leases.renewer.LeaseRenewer.lost", lambda _: True)
        raise Unavailable("the answer was lost") if end == "unavailable" else ValueError("made to fail")

    with monkeypatch.context() as patch:
        patch.setattr(backend.tasks, "commit", commit)
        backend.tasks.next_to_notify(online.name, 100)
        run_one(backend, online.name, None, CONTEXT)
    (done,) = backend.tasks.find(online.name, status=[TaskState.DONE])
    runs = MLflowExperiment.open(online.name, backend.settings.mlflow_uri)
    assert runs.get_recorder((done.committed or {})["recorder_id"]).status == "FINISHED"


def test_tasks_that_serve_are_not_removed_and_what_serves_does_not_need_them(
    backend: Backend, online: OnlineManager
) -> None:
    (other,) = backend.tasks.create_tasks(online.name, [{"model": {}, "dataset": {}, "record": []}]).ids
    serving = [model.task_id for model in models(backend, online)]
    assert backend.tasks.remove([*serving, other]) == [other]
    backend.store.collection("tasks").delete_many({"pool": online.name})
    assert online.routine()[online.name], "another program removed them all the same"
    assert online.get_signals(online.name).index.get_level_values(0).max() == pd.Timestamp(LIVED[1])


def test_a_prediction_that_was_removed_is_made_again(backend: Backend, online: OnlineManager) -> None:
    waiting = bring_up_to(backend, online.name, LIVED[1], "me", Trainer)
    assert waiting
    assert waiting.waits_for == "predictions"
    pool = prediction_pool(online.name)
    removed = [task.id for task in backend.tasks.find(pool)]
    assert backend.tasks.remove(removed) == removed
    bring_up_to(backend, online.name, LIVED[1], "me", Trainer)
    assert train_all(backend, pool) == [Outcome.COMMITTED]
    done = bring_up_to(backend, online.name, LIVED[1], "me", Trainer)
    assert done
    assert done.status is RoutineState.DONE
    assert backend.tasks.remove(removed) == [], "what it predicted counts now"


@pytest.mark.parametrize("asked", [True, False], ids=["the store says so", "no store can be asked"])
def test_people_cannot_take_runs_that_serve(
    backend: Backend, online: OnlineManager, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    chosen = backend.settings if asked else backend.settings.model_copy(update={"mongo_uri": ""})
    monkeypatch.setattr(rollq.tasks.tracking.runs.hands_off, "load_settings", lambda: chosen)
    monkeypatch.setattr(rollq.tasks.tracking.runs.hands_off, "find_running", lambda _: None)
    runs = MLflowExperiment.open(online.name, backend.settings.mlflow_uri)
    serving = runs.get_recorder(models(backend, online)[0].recorder_id)
    for deed in (lambda: runs.delete_recorder(serving.id), serving.start_run, lambda: serving.end_run("FAILED")):
        with pytest.raises(StateError, match="version 1 of strategy" if asked else "no task store"):
            deed()
    assert runs.get_recorder(serving.id).status == "FINISHED"
    free = runs.create_recorder("mine", start=True)
    free.end_run()
    runs.delete_recorder(free.id)


def test_the_doctor_names_each_model_that_cannot_be_loaded(backend: Backend, online: OnlineManager) -> None:
    first, last = models(backend, online)
    client = MlflowClient(backend.settings.mlflow_uri)
    runs = MLflowExperiment.open(online.name, backend.settings.mlflow_uri)
    good = serving_check(backend, repair=False)
    assert (good.ok, "2 models" in good.detail) == (True, True)
    client.delete_run(first.recorder_id)
    deleted = serving_check(backend, repair=True)
    assert not deleted.ok
    assert all(text in deleted.detail for text in (first.recorder_id, "version 1", online.name, "mlflow runs restore"))
    client.restore_run(first.recorder_id)
    assert serving_check(backend, repair=False).ok
    client.delete_experiment(runs.id)
    assert "mlflow experiments restore" in serving_check(backend, repair=False).detail
    client.restore_experiment(runs.id)
    runs.get_recorder(first.recorder_id).supersede("by an earlier version of rollq")
    shown = serving_check(backend, repair=False)
    assert not shown.ok
    assert "earlier version" in shown.detail
    assert "FINISHED again" in serving_check(backend, repair=True).detail
    assert (runs.get_recorder(first.recorder_id).status, serving_check(backend, repair=False).ok) == ("FINISHED", True)
    folder = runs.get_recorder(last.recorder_id).storage.local
    assert folder
    next(path for path in (folder / "model").iterdir() if path.suffix == ".txt").write_text("x")
    assert last.recorder_id in serving_check(backend, repair=True).detail

"""Trainers as Qlib's users call them: definitions in, recorders out, without a round."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from rollq import (
    Backend,
    BadInput,
    DelayTrainerR,
    DelayTrainerRM,
    MLflowExpManager,
    R,
    Recorder,
    Research,
    Serve,
    StateError,
    TaskManager,
    TaskState,
    Trainer,
    TrainerR,
    TrainerRM,
    TrainingFailed,
    begin_task_train,
    task_train,
)
from rollq.scheduler.reconciler import close, orphaned_runs
from rollq.tasks.client.explain import explain
from tests.acceptance.processes.worker_processes import wait_until
from tests.integration.workers.test_task_train import definitions
from tests.online_strategies import DAYS, LGB, with_components
from tests.pool_tasks import expire


@pytest.fixture
def name(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> str:
    """An experiment of its own, where R works too."""
    monkeypatch.setattr(R, "_manager", MLflowExpManager(backend.settings.mlflow_uri))
    return f"trained{backend.settings.mongo_database}"


@pytest.fixture
def tasks(tmp_path: Path) -> list[dict[str, Any]]:
    """Two windows of a model."""
    return definitions(tmp_path)


def shown(name: str, status: str | None = None) -> set[str]:
    return {recorder.id for recorder in R.get_exp(experiment_name=name).list_recorders("list", status=status)}


def ids(recorders: list[Recorder]) -> list[str]:
    return [recorder.id for recorder in recorders]


def test_what_qlib_says_of_a_trainer_holds(backend: Backend) -> None:
    kinds = {TrainerR: (False, False), DelayTrainerR: (True, False), TrainerRM: (False, True)}
    for kind, said in {**kinds, DelayTrainerRM: (True, True)}.items():
        trainer = kind("e")
        assert (trainer.is_delay(), trainer.has_worker()) == said
        assert isinstance(trainer, Trainer)
    assert issubclass(DelayTrainerR, TrainerR)
    assert issubclass(DelayTrainerRM, TrainerRM)
    assert not issubclass(TrainerR, TrainerRM)
    with pytest.raises(StateError, match="TrainerR has no worker"):
        TrainerR("e", backend=backend).worker()


@pytest.mark.parametrize("kind", [TrainerR, TrainerRM])
def test_recorders_in_the_order_of_the_tasks(
    backend: Backend, name: str, tasks: list[dict[str, Any]], tmp_path: Path, kind: type[Trainer]
) -> None:
    trees = definitions(tmp_path, LGB)[0]
    trainer = kind(name, backend=backend)
    asked = [tasks[1], trees, tasks[0], tasks[1]]
    made = trainer(asked)
    assert [recorder.name for recorder in made] == [
        "RidgeModel 2018-03-14",
        "LGBModel 2018-03-07",
        "RidgeModel 2018-03-07",
        "RidgeModel 2018-03-14",
    ]
    assert made[0] == made[3], "a task that is given twice has one recorder"
    assert shown(name, "FINISHED") == set(ids(made))
    assert {recorder.list_tags()["train_status"] for recorder in made} == {"end_task_train"}
    assert ids(trainer.train(asked)) == ids(made), "what is trained stays"
    assert trainer.train(tasks[0]) == [made[2]], "one definition, as in Qlib"
    assert trainer.train([]) == []
    pool = TaskManager(name, backend)
    assert [made[2].list_tags()["_id in TaskManager"]] == [
        task.id for task in pool.query({"res.recorder_id": made[2].id})
    ]
    assert backend.rounds.find(name) == []


def test_a_pool_and_an_experiment_of_two_names(backend: Backend, name: str, tasks: list[dict[str, Any]]) -> None:
    made = TrainerRM(name, f"pool of {name}", backend=backend).train(tasks)
    assert shown(name) == set(ids(made))
    assert TaskManager(f"pool of {name}", backend).task_stat()[TaskState.DONE] == 2
    other = TrainerRM(name, f"pool of {name}", backend=backend).train(tasks, experiment_name=f"other {name}")
    assert shown(f"other {name}") == set(ids(other)), "another experiment is another task"


def test_all_failures_are_listed_and_what_is_trained_stays(
    backend: Backend, name: str, tasks: list[dict[str, Any]], tmp_path: Path
) -> None:
    backend = with_components(backend)
    gate = tmp_path / "broken"
    gate.touch()
    broken = definitions(tmp_path, {"class": "BrokenModel", "kwargs": {"while_there": str(gate)}})
    trainer = TrainerR(name, backend=backend)
    with pytest.raises(TrainingFailed) as caught:
        trainer.train([broken[0], tasks[0], broken[1]])
    text = str(caught.value)
    assert text.startswith("2 of 3 tasks ended without a model.")
    assert text.count("FAILED. ValueError: made to fail (") == 2
    assert "2018-03-07 to 2018-03-13" in text
    assert "tests/online_strategies.py" in text
    assert "train again" in text
    (kept,) = caught.value.recorders
    gate.unlink()
    again = trainer.train([broken[0], tasks[0], broken[1]])
    assert again[1] == kept
    assert {recorder.status for recorder in again} == {"FINISHED"}


def test_a_definition_that_cannot_be_used_creates_nothing(
    backend: Backend, name: str, tasks: list[dict[str, Any]]
) -> None:
    for wrong in ({**tasks[1], "model": {"class": "Nothing"}}, {"model": tasks[0]["model"]}):
        with pytest.raises(BadInput):
            TrainerR(name, backend=backend).train([tasks[0], wrong])
    with pytest.raises(BadInput, match="task_train takes no keyword 'colour'"):
        TrainerR(name, backend=backend).train(tasks, colour=1)
    assert TaskManager(name, backend).task_stat()[TaskState.WAITING] == 0


def test_other_data_are_another_task(backend: Backend, name: str, tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    from tests.online_strategies import closes, write_prices

    first = TrainerR(name, backend=backend).train(tasks[0])
    write_prices(tmp_path / "prices.parquet", closes().assign(close=closes()["close"].round(1)))
    assert TrainerR(name, backend=backend).train(tasks[0]) != first


def own(task_config: dict[str, Any], experiment_name: str, factor: float = 1.0) -> Recorder:
    with R.start(experiment_name=experiment_name) as recorder:
        R.log_metrics(made=factor)
        R.set_tags(pid=os.getpid())
    return recorder


def test_a_function_of_ones_own(backend: Backend, name: str, tasks: list[dict[str, Any]]) -> None:
    made = TrainerRM(name, train_func=own, backend=backend).train(tasks, factor=2.0)
    assert [recorder.list_metrics() for recorder in made] == [{"made": 2.0}] * 2
    waiting = [{"of": "one's own", "number": number} for number in range(2)]
    trainer = TrainerRM(name, train_func=own, skip_run_task=True, backend=backend)
    found: list[Recorder] = []
    waits = threading.Thread(target=lambda: found.extend(trainer.train(waiting)))
    waits.start()
    wait_until(lambda: TaskManager(name, backend).task_stat()[TaskState.WAITING] == 2)
    assert backend.tasks.claim(name, "a worker of Celery") is None, "workers leave it alone"
    reason, *_ = explain(backend, next(TaskManager(name, backend).query({"status": "waiting"})))
    assert "a trainer with its `train_func`" in reason
    trainer.worker()
    waits.join(timeout=30)
    assert len(found) == 2


def test_a_function_of_ones_own_trains_a_round(backend: Backend, name: str, tasks: list[dict[str, Any]]) -> None:
    called: list[str] = []

    def mine(task_config: dict[str, Any], experiment_name: str) -> Recorder:
        called.append(experiment_name)
        return task_train(task_config, experiment_name)

    trainer = TrainerR("another", mine, backend=backend).of(name)
    days = tuple(day for day in DAYS if "2018-03-07" <= day <= "2018-03-20")
    online = trainer.wait(trainer.open_round(tasks, Serve(name, days)), timeout=60)
    assert called == [name, name]
    assert {model.recorder_id for model in online.models} <= shown(name)


def test_each_task_in_a_process_of_its_own(backend: Backend, name: str, tasks: list[dict[str, Any]]) -> None:
    made = TrainerR(name, train_func=own, call_in_subproc=True, backend=backend).train(tasks)
    pids = {recorder.list_tags()["pid"] for recorder in made}
    assert len(pids - {str(os.getpid())}) == 2
    native = TrainerR(name, call_in_subproc=True, default_rec_name="named", backend=backend).train(tasks[0])
    assert (native[0].name, native[0].status) == ("named", "FINISHED")
    with pytest.raises(TrainingFailed, match="The process of the task died \\(signal 9\\)"):
        TrainerR(f"{name} dies", dies, call_in_subproc=True, backend=backend).train({"dies": True})


def test_more_tasks_than_are_looked_at_a_time(backend: Backend, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollq.scheduler.rounds.pool_training.PART", 2)
    trainer = TrainerRM(name, train_func=own, backend=backend)
    made = trainer.train([{"number": number % 5} for number in range(7)], factor=1.0)
    assert ids(made[:2]) == ids(made[5:])
    assert len(set(ids(made))) == 5

    def nothing(task_config: dict[str, Any], experiment_name: str) -> None:
        pass

    with pytest.raises(BadInput, match="names no recorder"):
        trainer.train({"number": 9}, nothing)


def dies(task_config: dict[str, Any], experiment_name: str) -> None:
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize("kind", [TrainerR, TrainerRM, DelayTrainerR])
def test_what_is_deleted_by_hand_is_trained_again(
    backend: Backend, name: str, tasks: list[dict[str, Any]], kind: type[Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollq.tasks.tracking.runs.hands_off.load_settings", lambda: backend.settings)
    trainer = kind(name, backend=backend)
    first = trainer(tasks)
    experiment = R.get_exp(experiment_name=name)
    for rid in experiment.list_recorders():
        experiment.delete_recorder(rid)
    again = trainer(tasks)
    assert not set(ids(again)) & set(ids(first))
    assert {recorder.status for recorder in again} == {"FINISHED"}
    assert ids(trainer(tasks)) == ids(again), "trained anew once"
    experiment._client.delete_run(again[0].id)  # past rollq, as in the pages of MLflow
    last = trainer(tasks)
    assert (last[0] != again[0], last[1] == again[1]) == (True, True)


def test_what_a_round_waits_for_is_not_deleted(
    backend: Backend, name: str, tasks: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollq.tasks.tracking.runs.hands_off.load_settings", lambda: backend.settings)
    trainer = TrainerR(name, backend=backend)
    (made,) = trainer.train(tasks[0])
    opened = backend.rounds.create(name, [task.id for task in backend.tasks.find(name)], Research("s", (), "n", 2))
    experiment = R.get_exp(experiment_name=name)
    with pytest.raises(StateError, match=f"round {opened}, which is not finished"):
        experiment.delete_recorder(made.id)
    with pytest.raises(StateError, match="which is not finished"):
        R.delete_exp(experiment_name=name)


# -- later ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DelayTrainerR, DelayTrainerRM])
def test_a_delayed_task_has_a_scheduled_recorder(
    backend: Backend, name: str, tasks: list[dict[str, Any]], kind: type[Trainer]
) -> None:
    trainer = kind(name, backend=backend)
    begun = trainer.train(tasks)
    assert shown(name, "SCHEDULED") == set(ids(begun))
    assert {recorder.list_tags()["train_status"] for recorder in begun} == {"begin_task_train"}
    assert tuple(begun[0].load_object("task")["dataset"]["kwargs"]["segments"]["test"]) == ("2018-03-07", "2018-03-13")
    assert ids(trainer.train(tasks)) == ids(begun), "registered once"
    assert backend.tasks.claim(name, "w") is None
    held = backend.tasks.get(begun[0].list_tags()["_id in TaskManager"])
    assert explain(backend, held) == [
        f"It is held: run {begun[0].id} is scheduled for it, until `end_train` of its trainer."
    ]
    assert [found for found in orphaned_runs(backend) if found.recorder in begun] == [], "they are wanted"
    # In another process, say: what it has are the recorders of the experiment.
    found = [R.get_exp(experiment_name=name).get_recorder(ident) for ident in ids(begun)]
    ended = kind(name, backend=backend).end_train(found)
    assert ids(ended) == ids(begun)
    assert shown(name, "FINISHED") == set(ids(begun))
    assert ended[0].list_tags()["train_status"] == "end_task_train"
    assert ended[0].load_object("pred.pkl") is not None
    assert ids(trainer.end_train(ended)) == ids(begun) == ids(trainer.train(tasks))


def test_two_processes_register_the_same_tasks(
    backend: Backend, name: str, tasks: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = DelayTrainerR(name, backend=backend), DelayTrainerR(name, backend=backend)
    schedule_run, first = backend.tasks.schedule_run, list[Recorder]()

    def beaten(*args: Any) -> bool:
        monkeypatch.setattr(backend.tasks, "schedule_run", schedule_run)
        first.extend(two.train(tasks[0]))
        return schedule_run(*args)

    monkeypatch.setattr(backend.tasks, "schedule_run", beaten)
    assert one.train(tasks[0]) == first
    assert len(R.get_exp(experiment_name=name).list_recorders()) == 1


def test_a_second_attempt_makes_a_run_of_its_own(backend: Backend, name: str, tasks: list[dict[str, Any]]) -> None:
    trainer = DelayTrainerRM(name, backend=backend)
    begun = trainer.train(tasks)
    first = begun[0].list_tags()["_id in TaskManager"]
    backend.tasks.unhold([first])
    lost = backend.tasks.claim_among(name, "w", {"_id": first})
    assert lost
    expire(backend, lost)  # the process that holds it died before it began
    ended = trainer.end_train(begun)
    assert (ended[0] != begun[0], ended[1] == begun[1]) == (True, True)
    left = R.get_exp(experiment_name=name).get_recorder(begun[0].id)
    assert (left.status, left.tags["rollq.superseded"]) == ("FAILED", "attempt 2 began on " + ran(backend, first))


def ran(backend: Backend, ident: str) -> str:
    return backend.tasks.get(ident).attempts_made()[-1].worker


@pytest.mark.parametrize("fate", ["removed", "cancelled"])
def test_the_recorder_of_a_task_that_is_gone_is_closed(
    backend: Backend, name: str, tasks: list[dict[str, Any]], fate: str
) -> None:
    trainer = DelayTrainerR(name, backend=backend)
    begun = trainer.train(tasks)
    ident = begun[0].list_tags()["_id in TaskManager"]
    backend.tasks.remove([ident]) if fate == "removed" else backend.tasks.cancel([ident], "me")
    closed = [found for found in orphaned_runs(backend) if found.recorder in begun]
    assert [found.recorder.id for found in closed] == [begun[0].id]
    assert close(backend, closed[0])
    with pytest.raises(TrainingFailed, match="1 of 2 tasks"):
        trainer.end_train(begun)
    again = trainer(tasks)
    assert again[0] != begun[0]
    assert again[1] == begun[1]


def test_two_functions_of_ones_own(backend: Backend, name: str, tasks: list[dict[str, Any]]) -> None:
    seen: list[str] = []

    def end(rec: Recorder, experiment_name: str) -> Recorder:
        seen.append(rec.id)
        return task_train(rec.load_object("task"), experiment_name)

    trainer = DelayTrainerRM(name, end_train_func=end, backend=backend)
    begun = trainer.train(tasks)
    assert {recorder.status for recorder in begun} == {"SCHEDULED"}
    ended = trainer.end_train(begun)
    assert seen == ids(begun)
    assert {recorder.status for recorder in ended} == {"FINISHED"}
    assert ids(DelayTrainerR(f"{name} 2", begin_task_train, backend=backend)(tasks)) != ids(ended)

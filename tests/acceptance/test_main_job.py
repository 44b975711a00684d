"""The main job with real workers, and what must survive: kills, restarts, a flushed broker."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import redis

from rollq import (
    Backend,
    DelayTrainer,
    DelayTrainerRM,
    LocalStack,
    MLflowExperiment,
    RoundFailed,
    Settings,
    TaskState,
    Trainer,
    TrainerRM,
)
from rollq.enqueueing import plan_template
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.rounds.coordinator import gather
from rollq.scheduler.strategies.plan import Plan
from tests.acceptance.processes.worker_processes import children, kill, wait_until, worker
from tests.conftest import EXAMPLES
from tests.integration.workers.test_task_train import definitions

SLOW = {"num_boost_round": 400, "early_stopping_rounds": None, "num_leaves": 63}  # some seconds a window


def plan(settings: Settings, **model: Any) -> Plan:
    found = plan_template(EXAMPLES / "small.yaml", settings)
    for task in found.definitions:
        task["model"]["kwargs"].update(model)
    return found


def open_round(backend: Backend, found: Plan, policy: str = "all") -> tuple[Trainer, Any]:
    trainer = DelayTrainer("small", backend=backend)
    return trainer, trainer.start_round(trainer.open_round(found.definitions, found.purpose, policy))


def train(backend: Backend, found: Plan, processes: int = 2) -> OnlineSet:
    trainer, trained = open_round(backend, found)
    with worker(backend.settings, processes):
        return trainer.wait(trained, timeout=120)


def running(backend: Backend) -> list[Any]:
    return backend.tasks.find("small", status=[TaskState.RUNNING])


def all_done(backend: Backend) -> bool:
    counts = backend.tasks.stat("small")
    return counts[TaskState.DONE] == sum(counts.values()) > 0


CALM: dict[str, str] = {}


@pytest.fixture
def calm(backend: Backend) -> str:
    """SHA-256 of the signals of a calm run with slow windows."""
    if not CALM:
        other = Backend.of(backend.settings.model_copy(update={"mongo_database": "calm"}))
        other.prepare()
        CALM["sha256"] = train(other, plan(backend.settings, **SLOW), 1).signals.sha256
        other.store.close()
        other.app.close()
        with redis.Redis.from_url(backend.settings.redis_url) as client:
            client.flushdb()
    return CALM["sha256"]


def test_one_worker_and_two_give_the_same(backend: Backend) -> None:
    log = backend.settings.state_dir / "worker.log"
    log.unlink(missing_ok=True)
    found = plan(backend.settings)
    first = train(backend, found, 2)
    again = Backend.of(backend.settings.model_copy(update={"mongo_database": backend.settings.mongo_database + "b"}))
    again.prepare()
    second = train(again, found, 1)
    again.store.close()
    again.app.close()
    assert first.signals.sha256 == second.signals.sha256
    assert len(first.models) == len(found.definitions)
    assert (first.signals.start, first.signals.end) == (found.sessions[0], found.sessions[-1])
    assert "before fork" not in log.read_text(), "no connection is taken into a pool process"
    recorder = MLflowExperiment.open("small", backend.settings.mlflow_uri).get_recorder(first.models[0].recorder_id)
    assert recorder.status == "FINISHED"
    assert {"pred.parquet", "model/model.txt", "task.json", "dataset.json"} <= set(recorder.list_artifacts())


def test_a_killed_process_costs_nothing(backend: Backend, calm: str) -> None:
    trainer, trained = open_round(backend, plan(backend.settings, **SLOW))
    with worker(backend.settings):
        wait_until(lambda: len(running(backend)) == 2)
        victim = running(backend)[0]
        runs = MLflowExperiment.open("small", backend.settings.mlflow_uri)
        mine = f"tags.`rollq.task` = '{victim.id}' AND tags.`rollq.worker` = '{victim.worker}'"
        wait_until(lambda: any(True for _ in runs.iter_recorders(mine)))
        kill(int(str(victim.worker).rpartition("/")[2]))
        online = trainer.wait(trained, timeout=120)
    assert all_done(backend)
    assert online.signals.sha256 == calm
    assert any("was lost" in step.why for task in backend.tasks.find("small") for step in task.history)
    (closed,) = runs.iter_recorders(mine)
    assert (closed.status, "rollq.superseded" in closed.tags) == ("FAILED", True)


def test_a_killed_worker_is_replaced_by_any_other(backend: Backend, calm: str) -> None:
    trainer, trained = open_round(backend, plan(backend.settings, **SLOW))
    with worker(backend.settings, 1) as first:
        wait_until(lambda: len(running(backend)) == 1)
        victims = [*children(first), first.pid]
        for pid in victims:
            kill(pid)
    with worker(backend.settings, 2):
        online = trainer.wait(trained, timeout=120)
    assert all_done(backend)
    assert online.signals.sha256 == calm


def test_sigterm_drains(backend: Backend, calm: str) -> None:
    hasty = backend.settings.model_copy(update={"drain_seconds": 0.2})
    trainer, trained = open_round(backend, plan(backend.settings, **SLOW))
    with worker(hasty, 1) as first:
        wait_until(lambda: len(running(backend)) == 1)
        first.send_signal(signal.SIGTERM)
        wait_until(lambda: first.poll() is not None, 30)
    assert running(backend) == []
    assert all(task.losses == 0 for task in backend.tasks.find("small"))
    with worker(backend.settings, 2):
        assert trainer.wait(trained, timeout=120).signals.sha256 == calm


def test_a_coordinator_killed_while_gathering_is_replaced(backend: Backend, calm: str) -> None:
    trainer, trained = open_round(backend, plan(backend.settings, **SLOW))
    with worker(backend.settings, 2, "dying_coordinator.py"):
        online = trainer.wait(trained, timeout=120)
    assert (backend.settings.state_dir / f"died-{backend.settings.mongo_database}").exists()
    assert backend.rounds.get(trained.id).fence == 2
    assert (online.version, online.signals.sha256) == (1, calm)
    assert len(OnlineSets(backend.store).history(online.strategy)) == 1


@pytest.mark.parametrize("emptied", [False, True], ids=["restarted", "flushed"])
def test_a_broker_that_dies_costs_nothing(calm: str, tmp_path: Path, emptied: bool) -> None:
    with LocalStack(tmp_path) as stack:
        assert stack.runtime
        quick = Settings(state_dir=tmp_path, lease_seconds=2.0, sweep_seconds=0.5, max_outstanding=4)
        backend = Backend.of(stack.runtime.settings(quick))
        backend.prepare()
        trainer, trained = open_round(backend, plan(backend.settings, **SLOW))
        with worker(backend.settings):
            wait_until(lambda: len(running(backend)) == 2)
            stack.restart_broker(emptied=emptied)
            assert trainer.wait(trained, timeout=200).signals.sha256 == calm
        backend.store.close()
        backend.app.close()


def test_gathering_again_changes_nothing(backend: Backend) -> None:
    online = train(backend, plan(backend.settings))
    assert gather(backend, online.round_id, "again") is None
    backend.store.collection("rounds").update_one({"_id": online.round_id}, {"$set": {"status": "open"}})
    again = gather(backend, online.round_id, "again")
    assert again == online


def test_a_failing_window_fails_its_round_and_says_which(backend: Backend) -> None:
    found = plan(backend.settings)
    found.definitions[3]["model"]["kwargs"]["num_leaves"] = -5
    trainer, trained = open_round(backend, found)
    with worker(backend.settings), pytest.raises(RoundFailed) as raised:
        trainer.wait(trained, timeout=120)
    blamed = backend.tasks.find("small", status=[TaskState.FAILED])
    assert [task.id for task in blamed] == [trained.created.ids[3]]
    assert blamed[0].id in str(raised.value)
    assert blamed[0].failures == 1, "what cannot help is not tried again"
    assert OnlineSets(backend.store).strategies() == []


def test_a_corrupted_prediction_fails_the_round(backend: Backend) -> None:
    online = train(backend, plan(backend.settings))
    recorder = MLflowExperiment.open("small", backend.settings.mlflow_uri).get_recorder(online.models[2].recorder_id)
    folder = recorder.storage.local
    assert folder
    (folder / "pred.parquet").write_bytes(b"x")
    backend.store.collection("online_sets").delete_many({})
    backend.store.collection("rounds").update_one({"_id": online.round_id}, {"$set": {"status": "open"}})
    assert gather(backend, online.round_id, "again") is None
    found = backend.rounds.get(online.round_id)
    assert (found.status, "pred.parquet" in found.reason) == ("failed", True)
    assert OnlineSets(backend.store).strategies() == []


def test_a_fraction_lets_a_window_go_and_records_the_gap(backend: Backend) -> None:
    found = plan(backend.settings)
    found.definitions[3]["model"]["kwargs"]["num_leaves"] = -5
    trainer, trained = open_round(backend, found, "0.8")
    with worker(backend.settings):
        online = trainer.wait(trained, timeout=120)
    test = found.definitions[3]["dataset"]["kwargs"]["segments"]["test"]
    assert online.gaps[0] == test[0]
    assert online.gaps[-1] == test[1]


def test_workers_train_what_trainers_ask_for(backend: Backend, tmp_path: Path) -> None:
    now, later = definitions(tmp_path)
    with worker(backend.settings, processes=1):
        trained = TrainerRM("runs", "pool", skip_run_task=True, backend=backend)([now])
        delayed = DelayTrainerRM("runs", "pool", skip_run_task=True, backend=backend)
        begun = delayed.train([later, now])
        assert [recorder.status for recorder in begun] == ["SCHEDULED", "FINISHED"]
        ended = delayed.end_train(begun)
    assert ended == begun
    assert begun[1] == trained[0]
    found = MLflowExperiment.open("runs", backend.settings.mlflow_uri).list_recorders(status="FINISHED")
    assert {recorder.id for recorder in ended} <= set(found)
    assert all("rollq.worker" in found[recorder.id].tags for recorder in ended)

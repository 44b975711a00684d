"""The doctor does what workers do, and names what is to blame."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from rollq import Settings
from rollq.health.machine import machine_checks
from rollq.health.servers import EXPERIMENT, server_checks
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment


def found(settings: Settings) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.ok, f"{check.detail} {check.fix}") for check in server_checks(settings)}


def test_it_writes_where_workers_write_and_leaves_nothing(settings: Settings) -> None:
    checks = found(settings)
    assert all(ok for ok, _ in checks.values()), checks
    assert "takes and gives messages" in checks["broker"][1]
    assert "takes runs and artifacts" in checks["mlflow"][1]
    experiment = MLflowExperiment.find(EXPERIMENT, settings.mlflow_uri)
    assert experiment
    assert list(experiment.iter_recorders()) == []


def test_a_task_store_that_is_away_is_not_blamed_on_mlflow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial run is deleted without asking who refers to it."""
    monkeypatch.setenv("ROLLQ_MONGO_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
    ok, says = found(settings)["mlflow"]
    assert ok, says


def test_a_broker_that_only_answers_is_seen(settings: Settings) -> None:
    with redis.Redis.from_url(settings.redis_url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            ok, says = found(settings)["broker"]
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
    assert not ok
    assert "read only replica" in says


def test_a_tracking_store_that_only_reads_is_seen(settings: Settings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"mlflow_uri": "sqlite:////proc/mlflow.db"})
    ok, _ = found(away)["mlflow"]
    assert not ok


def test_a_full_disk_is_to_blame_not_the_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollq.health.servers.free_bytes", lambda _: 0)
    ok, says = found(settings.model_copy(update={"mongo_uri": "mongodb://127.0.0.1:1/"}))["store"]
    assert not ok
    assert f"the disk of {settings.state_dir} is full" in says


def test_what_was_obeyed_is_shown_without_secrets(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:hidden1@mlflow.example:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hidden2")
    monkeypatch.setenv("ROLLQ_MAX_ATTEMPTS", "5")
    (line,) = [check.detail for check in machine_checks(settings) if check.name == "environment"]
    assert "ROLLQ_MAX_ATTEMPTS=5" in line
    assert "mlflow.example:5000" in line
    assert "hidden" not in line

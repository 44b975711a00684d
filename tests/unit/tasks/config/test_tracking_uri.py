"""Where MLflow's store is: relative to the folder where it was typed, one store for all, and never in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollq import MLflowExperiment
from rollq.tasks.config.settings import load_settings, worker_environment
from rollq.tasks.config.tracking_uri import usable_uri
from rollq.tasks.errors import SettingsError


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("sqlite:///mlflow.db", "{here}/mlflow.db"),
        ("sqlite:///./runs/../m.db", "{here}/m.db"),
        ("sqlite+pysqlite:///mlflow.db?timeout=30", "{here}/mlflow.db"),
        ("sqlite:////var/lib/mlflow.db", "/var/lib/mlflow.db"),
        # A plain folder stands for the database inside it.
        ("mlruns", "{here}/mlruns/mlflow.db"),
        ("./mlruns", "{here}/mlruns/mlflow.db"),
        ("file:mlruns", "{here}/mlruns/mlflow.db"),
        ("/var/mlruns/", "/var/mlruns/mlflow.db"),
        ("file:/var/ml%20runs", "/var/ml%20runs/mlflow.db"),
        ("file:///var/ml%20runs", "/var/ml runs/mlflow.db"),
        ("file://localhost/var/mlruns", "/var/mlruns/mlflow.db"),
    ],
)
def test_a_database_is_relative_to_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", typed)
    settings = load_settings()
    assert settings.mlflow_uri == "sqlite:///" + path.format(here=tmp_path)
    assert worker_environment(settings)["ROLLQ_MLFLOW_URI"] == settings.mlflow_uri


@pytest.mark.parametrize("typed", ["http://127.0.0.1:5000", "postgresql+psycopg://u:p@db/mlflow", "databricks", ""])
def test_servers_stay_as_they_are(typed: str) -> None:
    assert usable_uri(typed) == typed


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("file://host/mlruns", "another host"),
        ("sqlite://", "memory"),
        ("sqlite:///:memory:", "memory"),
    ],
)
def test_what_cannot_work_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, typed: str, why: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", typed)
    with pytest.raises(SettingsError, match=why) as refused:
        load_settings()
    assert "MLFLOW_TRACKING_URI" in refused.value.message


def test_a_run_is_written_to_a_store_that_was_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    uri = usable_uri("sqlite:///new/mlflow.db")
    MLflowExperiment.open("first", uri).create_recorder("run", start=True).end_run("FINISHED")
    assert (tmp_path / "new" / "mlflow.db").exists()

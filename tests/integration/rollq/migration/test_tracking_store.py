"""A database of MLflow as a source: a copy is read, the database is not changed."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from rollq.migration.opening import open_source
from rollq.tasks.errors import BadInput, NotFound, Unavailable
from rollq.tasks.tracking.mlflow.store import prepare_tracking


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with an experiment and a run."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    prepare_tracking(f"sqlite:///{path}")
    client = MlflowClient(f"sqlite:///{path}")
    experiment = client.create_experiment("daily", artifact_location=(path.parent / "mlruns" / "1").as_uri())
    run = client.create_run(experiment, start_time=1_000, run_name="one", tags={"online_status": "online"})
    client.log_metric(run.info.run_id, "loss", 0.5, timestamp=1_500, step=2)
    client.log_param(run.info.run_id, "alpha", 1)
    client.log_text(run.info.run_id, "what is different", "code_diff.txt")
    client.set_terminated(run.info.run_id, end_time=2_000)
    return path


@pytest.mark.parametrize("form", ["sqlite:///{}", "{}", "{}/.."])
def test_a_database_is_read(database: Path, form: str) -> None:
    """By its address, its file, or the folder that it lies in."""
    before = database.read_bytes()
    source = open_source(form.format(database).removesuffix("/mlflow.db/.."))
    experiment = source.experiments()["daily"]
    run = next(iter(source.runs(experiment)))
    assert (run.name, run.status, run.start, run.end, run.params) == ("one", "FINISHED", 1_000, 2_000, {"alpha": "1"})
    assert [(one.name, one.value, one.time, one.step) for one in run.points] == [("loss", 0.5, 1_500, 2)]
    assert run.tags["online_status"] == "online"
    found = source.artifacts(experiment, run)
    assert found["code_diff.txt"].read_text() == "what is different"
    source.close()
    assert database.read_bytes() == before


def test_artifacts_that_were_moved_with_it_are_found(database: Path, tmp_path: Path) -> None:
    """Beside the database; else they are gone, and that is said."""
    moved = Path(shutil.copytree(database.parent, tmp_path / "b"))
    shutil.rmtree(database.parent / "mlruns")
    source = open_source(str(moved / "mlflow.db"))
    experiment = source.experiments()["daily"]
    run = next(iter(source.runs(experiment)))
    assert set(source.artifacts(experiment, run)) == {"code_diff.txt"}
    (moved / "mlruns").rename(moved / "elsewhere")
    with pytest.raises(NotFound, match="is gone"):
        source.artifacts(experiment, run)
    source.close()


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    """A file of something else, another program's database, a database of another kind, a server that is away."""
    other, text = tmp_path / "other.db", tmp_path / "text.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    text.write_text("no database at all" * 100)
    for path in (other, text):
        before = path.read_bytes()
        with pytest.raises(BadInput, match="no database of MLflow"):
            open_source(str(path))
        assert path.read_bytes() == before
    with pytest.raises(BadInput, match="cannot be read from here"):
        open_source("postgresql://host/runs")
    with pytest.raises(BadInput, match="no database"):
        open_source(f"sqlite:///{tmp_path / 'none.db'}")


def test_a_server_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not bad input."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Unavailable):
        open_source("http://127.0.0.1:9")

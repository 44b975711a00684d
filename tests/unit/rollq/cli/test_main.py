"""The front of the command line: the version, and what an error says beside its fix."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import rollq
from rollq.cli import main as front
from rollq.health.doctor import run_checks
from rollq.tasks.config.settings import load_settings
from rollq.tasks.mongo.client import within


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["rollq", *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        front.main()
    return int(left.value.code or 0)


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"rollq {rollq.__version__}\n"
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert rollq.__version__ == project["version"] == version("rollq")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # clients that met nobody
def test_who_meets_a_dead_server_is_sent_to_the_doctor_and_the_doctor_sends_nobody_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    dead = {"mongo_uri": "mongodb://127.0.0.1:1", "redis_url": "redis://127.0.0.1:1/0"}
    for name, value in {**dead, "mlflow_uri": "sqlite:////dev/null/x"}.items():
        monkeypatch.setenv(f"ROLLQ_{name.upper()}", value)
    with within(0.5):
        assert call(monkeypatch, "--state-dir", str(tmp_path), "tasks", "pools") == 4
    assert "`rollq doctor`" in capsys.readouterr().err
    with within(2.0):
        failed = [check for check in run_checks(load_settings(state_dir=tmp_path)) if not check.ok]
    assert {"broker", "store"} <= {check.name for check in failed}
    assert [check for check in failed if "doctor" in check.fix] == []

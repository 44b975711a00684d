"""Qlib's runs, brought along: whole or not at all, and once."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rollq import Backend, MLflowExperiment
from rollq.migration.report import Fate
from rollq.scheduler.online.ledger import OnlineSets
from rollq.tasks.config.settings import worker_environment
from rollq.tasks.errors import BadInput, StateError
from rollq.tasks.tracking.mlflow.past_run import PastRun, past_runs
from rollq.tasks.tracking.runs.process import PID, Process
from rollq.tasks.tracking.runs.run_tags import IMPORTED, SOURCE_RUN
from tests.command_line import CommandLine
from tests.imported_runs import imported, new_name, recorders
from tests.qlib_runs import DAYS, WINDOWS

TEST_DAYS = [(f"{DAYS[window[4]]:%Y-%m-%d}", f"{DAYS[window[5]]:%Y-%m-%d}") for window in WINDOWS]


def digest(folder: Path) -> str:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


def test_runs_come_over_as_they_were(backend: Backend, runs: Path) -> None:
    """Values, times and history; what pyqlib recorded is not changed."""
    before, meta = digest(runs), next(runs.glob("*/*/tags/note")).parents[1] / "meta.yaml"
    line = imported(backend, runs, "by hand").experiments[0]
    assert digest(runs) == before
    run = recorders(backend, line)[0]
    assert (str(run.status), run.list_params()["alpha"], run.list_tags()["note"]) == ("FINISHED", "1", "x" * 6_000)
    stored = run._stored._client.get_run(run.id)
    assert f"start_time: {stored.info.start_time}\n" in meta.read_text()
    assert f"end_time: {stored.info.end_time}\n" in meta.read_text()
    history = run._stored._client.get_metric_history(run.id, "loss")
    lines = (meta.parent / "metrics/loss").read_text().split()
    assert [(one.step, str(one.value), str(one.timestamp)) for one in history] == [
        (0, "0.5", lines[0]),
        (1, "nan", lines[3]),
    ]
    assert run.load_object("numbers") == {"a": [1, 2.5], "day": DAYS[0]}
    assert list(run.load_object("frame.pkl")["score"]) == [0.5, -0.5]
    assert run.list_tags()[SOURCE_RUN] == meta.parent.name


def test_what_cannot_be_read_is_left_out_with_the_reason(backend: Backend, runs: Path, recorded: Path) -> None:
    """As a whole, and a harmful pickle does no harm."""
    report = imported(backend, runs, "by hand")
    line = report.experiments[0]
    reasons = {one.name: one.why for one in line.runs if one.fate is Fate.LEFT_OUT}
    assert "posix:system" in reasons["evil"]
    assert "__main__:Own" in reasons["own"]
    assert "thing.pkl: The pickle cannot be read" in reasons["half"]
    assert [one.name for one in recorders(backend, line)] == ["good"]
    assert not report.whole
    assert not list(recorded.parent.glob("**/owned"))
    killed = imported(backend, runs, "cut off").experiments[0].runs
    assert [(one.fate, "RUNNING" in one.why) for one in killed] == [(Fate.LEFT_OUT, True)]


def test_twice_is_once(backend: Backend, runs: Path) -> None:
    """Runs are found by the ids that they had; there is one version; a run that came since is added."""
    apart = runs.parent / "apart"
    late = next(path.parent for path in runs.glob("*/*/tags/online_status"))
    first_line = imported(backend, runs).experiments[0]
    again = imported(backend, runs, to=first_line.to).experiments[0]
    assert {one.fate for one in again.runs} == {Fate.KNOWN}
    assert [one.recorder_id for one in again.runs] == [one.recorder_id for one in first_line.runs]
    assert (again.version, again.new_version, again.whole) == (1, False, True)
    assert len(OnlineSets(backend.store).history(first_line.to)) == 1
    shutil.copytree(late.parent, apart)
    added = late.parents[1] / ("0" * 32)
    apart.rename(added)
    meta = (added / "meta.yaml").read_text()
    (added / "meta.yaml").write_text(meta.replace(late.parent.name, added.name))
    (added / "tags/online_status").write_text("offline")
    third = imported(backend, runs, to=first_line.to).experiments[0]
    assert sorted(one.fate for one in third.runs) == [Fate.IMPORTED, Fate.KNOWN, Fate.KNOWN]


def test_a_dry_run_writes_nothing(backend: Backend, runs: Path) -> None:
    """It says the same."""
    report = imported(backend, runs, "by hand", "qlib dry", dry_run=True)
    assert [one.fate for one in report.experiments[0].runs].count(Fate.LEFT_OUT) == 3
    assert report.count(Fate.WANTED) == 1
    assert imported(backend, runs, "daily", "qlib dry", dry_run=True).experiments[0].models == 2
    assert MLflowExperiment.find("qlib dry", backend.settings.mlflow_uri) is None
    assert OnlineSets(backend.store).find("qlib dry") is None


KILLED = """
import os, sys
from rollq import Backend
from rollq.tasks.config.settings import load_settings
from rollq.tasks.tracking.mlflow.past_run import PastRun, past_runs
from rollq.migration.importer import Importer
from rollq.migration.opening import open_source
left, end = int(sys.argv[3]), PastRun.end
def killed(run, *rest):
    global left
    left -= 1
    end(run, *rest) if left else os.kill(os.getpid(), 9)
PastRun.end = killed
Importer(Backend.of(load_settings()), open_source(sys.argv[1]), "", "me").run(["daily"], sys.argv[2])
"""


@pytest.mark.parametrize("at", [1, 3])
def test_an_import_that_was_killed_is_completed(backend: Backend, runs: Path, at: int) -> None:
    """In its first run, or in that of the signals: what it left half written goes; nothing is there twice."""
    name, uri = new_name(), backend.settings.mlflow_uri
    command = [sys.executable, "-c", KILLED, str(runs), name, str(at)]
    environment = {"PATH": "/usr/bin:/bin", **worker_environment(backend.settings)}
    assert subprocess.run(command, env=environment, check=False, capture_output=True).returncode == -9
    experiment = MLflowExperiment.open(name, uri)
    assert sorted(IMPORTED in one.tags for one in experiment.iter_recorders()) == [False, *[True] * (at - 1)]
    line = imported(backend, runs, to=name).experiments[0]
    assert line.whole
    signals = OnlineSets(backend.store).current(name).signals
    assert signals
    there = {one.id for one in experiment.iter_recorders()}
    assert there == {*(one.recorder_id for one in line.runs), signals.recorder_id}
    assert {str(one.status) for one in experiment.iter_recorders()} == {"FINISHED"}


def test_two_imports_at_once_are_refused(backend: Backend, runs: Path) -> None:
    """The run that another process writes is left alone."""
    name, uri = new_name(), backend.settings.mlflow_uri
    other = PastRun(uri, MLflowExperiment.open(name, uri), "run", "", None)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        parts = Process.this().tags()["rollq.process"].split("/")
        other._stored.set_tags({PID: str(process.pid), "rollq.process": "/".join([*parts[:3], stat[19]])})
        with pytest.raises(StateError, match=f"process {process.pid}"):
            imported(backend, runs, to=name)
        process.communicate()
    assert imported(backend, runs, to=name).whole


def test_a_run_that_another_import_began_meanwhile_is_left_to_it(
    backend: Backend, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked before either had written."""
    first = imported(backend, runs).experiments[0]
    monkeypatch.setattr("rollq.migration.importer.Importer._known", lambda *_: {})
    second = imported(backend, runs, to=first.to).experiments[0]
    assert {one.why for one in second.runs} == {"another process is importing it"}
    names = [one.tags[SOURCE_RUN] for one in past_runs(MLflowExperiment.open(first.to, backend.settings.mlflow_uri))]
    assert len(names) == len(set(names))


def test_what_cannot_be_written_leaves_nothing(backend: Backend, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that MLflow or the disk refuses is deleted again."""

    def refuse(*_: object) -> None:
        raise BadInput("the name is too long")

    monkeypatch.setattr(PastRun, "log", refuse)
    line = imported(backend, runs).experiments[0]
    assert {one.why for one in line.runs} == {"the name is too long"}
    assert list(MLflowExperiment.open(line.to, backend.settings.mlflow_uri).iter_recorders()) == []


def test_the_verb_says_all_of_it(
    backend: Backend, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As tables, and as JSON; what is left out is exit code 5."""
    command = CommandLine(monkeypatch, capsys, backend.settings)
    name = new_name()
    dry = command("import", "qlib", runs, "--experiment", "by hand", "--name", name, "--dry-run", "--json")
    assert dry.code == 5
    assert dry.json["counts"] == {"imported": 0, "wanted": 1, "known": 0, "left_out": 3}
    done = command("import", "qlib", runs, "--experiment", "daily", "--name", name)
    assert (done.code, f"version 1 of {name}" in done.out) == (0, True)
    shown = command("online", "show", name, "--json")
    assert [tuple(model["test"]) for model in shown.json[0]["models"]] == TEST_DAYS
    again = command("import", "qlib", runs, "--experiment", "daily", "--name", name, "--json")
    assert again.json["counts"]["known"] == 2
    several = command("import", "qlib", runs, "--name", name)
    assert (several.code, "cannot all be called" in several.err) == (2, True)
    missing = command("import", "qlib", runs, "--experiment", "none")
    assert missing.code == 3
    assert command("import", "qlib", runs / "nowhere").code == 2
    own = command("import", "qlib", backend.settings.mlflow_uri)
    assert (own.code, "rollq's own runs" in own.err) == (2, True)
    assert json.loads(dry.out)["dry_run"] is True

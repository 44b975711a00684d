"""Qlib's runs, brought along: whole or not at all, once, and next to what is online already."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from rollq import Backend, MLflowExperiment, NotFound
from rollq.migration.importer import Importer
from rollq.migration.opening import open_source
from rollq.migration.report import ExperimentLine, Fate, Report
from rollq.scheduler.collect.online_collector import online_collector
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.strategies.registry import RegisteredStrategy, StrategyRegistry
from rollq.signals import current_signals
from rollq.tasks.config.settings import worker_environment
from rollq.tasks.errors import BadInput, StateError
from rollq.tasks.predictions.fitted_dataset import fitted_dataset
from rollq.tasks.tracking.mlflow.past_run import PastRun
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.process import PID, Process
from rollq.tasks.tracking.runs.run_tags import IMPORTED, SOURCE_RUN
from rollq.workers.jobs.prediction import load_model, predict_range
from tests.command_line import CommandLine
from tests.made_sets import made_set
from tests.qlib_runs import DAYS, WINDOWS

_names = iter(f"qlib{number}" for number in range(100))
TEST_DAYS = [(f"{DAYS[window[4]]:%Y-%m-%d}", f"{DAYS[window[5]]:%Y-%m-%d}") for window in WINDOWS]


def imported(backend: Backend, runs: Path, experiment: str = "daily", to: str = "", dry_run: bool = False) -> Report:
    source = open_source(str(runs))
    try:
        return Importer(backend, source, str(runs), "me", dry_run).run([experiment], to or next(_names))
    finally:
        source.close()


def recorders(backend: Backend, line: ExperimentLine) -> dict[str, MLflowRecorder]:
    """What was imported, by name."""
    experiment = MLflowExperiment.open(line.to, backend.settings.mlflow_uri)
    return {one.name: experiment.get_recorder(one.recorder_id) for one in line.runs if one.recorder_id}


def digest(folder: Path) -> str:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


def test_runs_come_over_as_they_were(backend: Backend, runs: Path) -> None:
    """Values, times and history; what pyqlib recorded is not changed."""
    before, meta = digest(runs), next(runs.glob("*/*/tags/note")).parents[1] / "meta.yaml"
    line = imported(backend, runs, "by hand").experiments[0]
    assert digest(runs) == before
    run = recorders(backend, line)["good"]
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
    assert list(recorders(backend, line)) == ["good"]
    assert not report.whole
    assert not list(recorded.parent.glob("**/owned"))
    killed = imported(backend, runs, "cut off").experiments[0].runs
    assert [(one.fate, "RUNNING" in one.why) for one in killed] == [(Fate.LEFT_OUT, True)]


def test_what_served_serves(backend: Backend, runs: Path) -> None:
    """As the first version, with tasks, windows and predictions."""
    report = imported(backend, runs)
    line = report.experiments[0]
    assert report.whole
    assert (line.version, line.models, line.new_version) == (1, 2, True)
    online = OnlineSets(backend.store).current(line.to)
    assert [model.test for model in online.models] == TEST_DAYS
    assert len({model.identity for model in online.models}) == 1, "two windows of one model"
    assert OnlineSets(backend.store).as_of(line.to, TEST_DAYS[0][0]).version == 1
    with pytest.raises(NotFound):
        OnlineSets(backend.store).as_of(line.to, "2020-01-01")
    collected = online_collector(backend, line.to, artifacts_path={"pred": "pred.pkl"}, artifacts_key=["pred"])()
    frames = list(collected["pred"].values())
    wanted = [pd.read_pickle(path) for path in sorted(runs.glob("*/*/artifacts/pred.pkl"))]
    assert sorted(map(len, frames)) == sorted(map(len, wanted))
    signals = current_signals(backend, line.to)
    assert (signals.version, len(signals.frame)) == (1, len(pd.concat(wanted).index.unique()))
    for run in recorders(backend, line).values():
        source = next(runs.glob(f"*/{run.list_tags()[SOURCE_RUN]}/artifacts"))
        pd.testing.assert_frame_equal(run.load_object("pred.pkl"), pd.read_pickle(source / "pred.pkl"))
        assert list(run.load_object("label.pkl").columns) == ["label"]
        assert run.load_object("sig_analysis/ric.pkl").equals(pd.read_pickle(source / "sig_analysis/ric.pkl"))
        assert run.load_object("params.pkl").native.params["num_threads"] == 1


def test_models_predict_as_they_did(backend: Backend, runs: Path, recorded: Path) -> None:
    """By the adapter, with what the processors had learned; and days that came since."""
    source = open_source(str(runs))
    init = {"provider_uri": str(recorded.parent / "data"), "region": "cn"}
    line = Importer(backend, source, "", "me", qlib_init=init).run(["daily"], next(_names)).experiments[0]
    for run in recorders(backend, line).values():
        model, dataset = load_model(run), fitted_dataset(run)
        scores, pred = model.predict(dataset, "test"), run.load_object("pred.pkl")["score"]
        assert scores.index.equals(pred.index)
        assert (scores - pred).abs().max() < 1e-12
        later = predict_range(model, dataset, f"{DAYS[52]:%Y-%m-%d}", f"{DAYS[55]:%Y-%m-%d}")
        assert len(later.pred) == 16


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


def test_what_is_online_here_is_not_touched(backend: Backend, runs: Path) -> None:
    """Neither under its name nor in its experiment; another name is free."""
    name, pool = next(_names), next(_names)
    sets = OnlineSets(backend.store)
    live, _ = sets.publish(made_set("round", [OnlineModel("t", "r", ("2020-01-01", None))], name, pool))
    for to in (name, pool):
        line = imported(backend, runs, to=to).experiments[0]
        assert "is online here, with version 1" in line.why
        assert not line.runs
        assert not line.whole
        assert MLflowExperiment.find(to, backend.settings.mlflow_uri) is None
    assert sets.history(name) == [live]
    assert imported(backend, runs).whole


def test_a_strategy_that_is_kept_online_is_not_touched(backend: Backend, runs: Path) -> None:
    """Also before its first version."""
    name, pool = next(_names), next(_names)
    entry = RegisteredStrategy(
        name=name, kind="k", config={}, pool=pool, delayed=False, begin="2020-01-01", at=None, timezone="UTC",
        added_at=datetime.now(UTC), by="me",
    )  # fmt: skip
    StrategyRegistry(backend).add(entry)
    for to in (name, pool):
        report = imported(backend, runs, to=to)
        assert "is kept online here" in report.experiments[0].why
        assert not report.whole


def test_models_that_served_together_serve_together(backend: Backend, runs: Path) -> None:
    """Two models: their average is the signal, and that of each is kept."""
    task = next(runs.glob("*/*/artifacts/task"))
    definition = pickle.loads(task.read_bytes())
    other = next(path for path in runs.glob("*/*/artifacts/task") if path != task)
    definition["model"]["kwargs"]["num_leaves"] = 7
    other.write_bytes(pickle.dumps(definition))
    for name in ("pred.pkl", "label.pkl"):
        shutil.copy(task.with_name(name), other.with_name(name))
    line = imported(backend, runs).experiments[0]
    online = OnlineSets(backend.store).current(line.to)
    assert len({model.member for model in online.models}) == 2
    frame = current_signals(backend, line.to).frame
    assert {*frame.columns} == {"score", *(model.member for model in online.models)}
    wanted = pd.read_pickle(task.with_name("pred.pkl"))["score"].tolist()
    assert [frame[model.member].tolist() for model in online.models] == [wanted, wanted]


def test_a_strategy_that_comes_online_meanwhile_stays(
    backend: Backend, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runs are there, the set is the other one's."""
    name, sets = next(_names), OnlineSets(backend.store)
    monkeypatch.setattr("rollq.migration.importer.served_already", lambda *_: "")
    live, _ = sets.publish(made_set("round of another", [OnlineModel("t", "r", ("2020-01-01", None))], name))
    line = imported(backend, runs, to=name).experiments[0]
    assert "online already" in line.not_online
    assert sets.history(name) == [live]


def test_half_of_what_served_does_not_serve(backend: Backend, runs: Path) -> None:
    """The other run is imported; the set is made once the broken one is repaired."""
    model = next(runs.glob("*/*/artifacts/params.pkl"))
    whole = model.read_bytes()
    model.write_bytes(whole[:100])
    line = imported(backend, runs).experiments[0]
    assert f"run {model.parents[1].name} served, and it cannot be read" in line.not_online
    assert len(recorders(backend, line)) == 1
    assert OnlineSets(backend.store).find(line.to) is None
    model.unlink()
    assert "params.pkl is missing" in str(imported(backend, runs, to=line.to).experiments[0].runs)
    model.write_bytes(whole)
    again = imported(backend, runs, to=line.to).experiments[0]
    assert (again.version, again.whole) == (1, True)
    assert sorted(one.fate for one in again.runs) == [Fate.IMPORTED, Fate.KNOWN]


KILLED = """
import os, sys
from rollq import Backend
from rollq.tasks.config.settings import load_settings
from rollq.tasks.tracking.mlflow.past_run import PastRun
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
    name, uri = next(_names), backend.settings.mlflow_uri
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


def test_signals_that_were_written_are_not_written_again(
    backend: Backend, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that ended right before it put the models online goes on there."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    name = next(_names)
    with monkeypatch.context() as patch:
        patch.setattr(OnlineSets, "found", interrupted)
        with pytest.raises(KeyboardInterrupt):
            imported(backend, runs, to=name)
    assert imported(backend, runs, to=name).whole
    assert len(list(MLflowExperiment.open(name, backend.settings.mlflow_uri).iter_recorders())) == 3
    assert len(current_signals(backend, name).frame) > 0


def test_two_imports_at_once_are_refused(backend: Backend, runs: Path) -> None:
    """The run that another process writes is left alone."""
    name, uri = next(_names), backend.settings.mlflow_uri
    other = PastRun(uri, MLflowExperiment.open(name, uri), "run", "", None)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        parts = Process.this().tags()["rollq.process"].split("/")
        other._stored.set_tags({PID: str(process.pid), "rollq.process": "/".join([*parts[:3], stat[19]])})
        with pytest.raises(StateError, match=f"process {process.pid}"):
            imported(backend, runs, to=name)
        process.communicate()
    assert imported(backend, runs, to=name).whole


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
    name = next(_names)
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

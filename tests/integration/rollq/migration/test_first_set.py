"""What served in Qlib serves here, and what is online here stays."""

from __future__ import annotations

import pickle
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from rollq import Backend, MLflowExperiment, NotFound
from rollq.migration.report import Fate
from rollq.scheduler.collect.online_collector import online_collector
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.strategies.registry import RegisteredStrategy, StrategyRegistry
from rollq.signals import current_signals
from rollq.tasks.predictions.fitted_dataset import fitted_dataset
from rollq.tasks.tracking.runs.run_tags import SOURCE_RUN
from rollq.workers.jobs.prediction import load_model, predict_range
from tests.imported_runs import imported, new_name, recorders
from tests.made_sets import made_set
from tests.qlib_runs import DAYS, WINDOWS

TEST_DAYS = [(f"{DAYS[window[4]]:%Y-%m-%d}", f"{DAYS[window[5]]:%Y-%m-%d}") for window in WINDOWS]


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
    for run in recorders(backend, line):
        source = next(runs.glob(f"*/{run.list_tags()[SOURCE_RUN]}/artifacts"))
        pd.testing.assert_frame_equal(run.load_object("pred.pkl"), pd.read_pickle(source / "pred.pkl"))
        assert list(run.load_object("label.pkl").columns) == ["label"]
        assert run.load_object("sig_analysis/ric.pkl").equals(pd.read_pickle(source / "sig_analysis/ric.pkl"))
        assert run.load_object("params.pkl").native.params["num_threads"] == 1


def test_models_predict_as_they_did(backend: Backend, runs: Path, recorded: Path) -> None:
    """By the adapter, with what the processors had learned; and days that came since."""
    init = {"provider_uri": str(recorded.parent / "data"), "region": "cn"}
    line = imported(backend, runs, qlib_init=init).experiments[0]
    for run in recorders(backend, line):
        model, dataset = load_model(run), fitted_dataset(run)
        scores, pred = model.predict(dataset, "test"), run.load_object("pred.pkl")["score"]
        assert scores.index.equals(pred.index)
        assert (scores - pred).abs().max() < 1e-12
        later = predict_range(model, dataset, f"{DAYS[52]:%Y-%m-%d}", f"{DAYS[55]:%Y-%m-%d}")
        assert len(later.pred) == 16


def test_what_is_online_here_is_not_touched(backend: Backend, runs: Path) -> None:
    """Neither under its name nor in its experiment; another name is free."""
    name, pool = new_name(), new_name()
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
    name, pool = new_name(), new_name()
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
    name, sets = new_name(), OnlineSets(backend.store)
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


def test_signals_that_were_written_are_not_written_again(
    backend: Backend, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that ended right before it put the models online goes on there."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    name = new_name()
    with monkeypatch.context() as patch:
        patch.setattr(OnlineSets, "found", interrupted)
        with pytest.raises(KeyboardInterrupt):
            imported(backend, runs, to=name)
    assert imported(backend, runs, to=name).whole
    assert len(list(MLflowExperiment.open(name, backend.settings.mlflow_uri).iter_recorders())) == 3
    assert len(current_signals(backend, name).frame) > 0

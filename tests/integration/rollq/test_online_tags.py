"""Models that a person puts online by hand, and runs that were made by hand, are found and updated."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq import (
    ArtifactMissing,
    Backend,
    BadInput,
    LGBModel,
    MLflowExpManager,
    OnlineManager,
    OnlineModel,
    OnlineSet,
    OnlineSets,
    OnlineTool,
    OnlineToolR,
    PanelDataset,
    PredUpdater,
    R,
    RollingStrategy,
    SettingsError,
    SigAnaRecord,
    SignalRecord,
    StateError,
)
from rollq.trainers import TrainerR
from tests.online_strategies import LIVED, template, write_prices
from tests.synthetic import closes, panel, write

PRICES = closes(330)
UNTIL = 300  # sessions that were there when the models were trained


@pytest.fixture(autouse=True)
def _of_this_test(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked without a backend, is asked of that of the test."""
    monkeypatch.setenv("ROLLQ_MONGO_URI", backend.settings.mongo_uri)
    monkeypatch.setenv("ROLLQ_MONGO_DATABASE", backend.settings.mongo_database)
    monkeypatch.setenv("ROLLQ_REDIS_URL", backend.settings.redis_url)
    monkeypatch.setenv("ROLLQ_MLFLOW_URI", backend.settings.mlflow_uri)
    monkeypatch.setattr(R, "_manager", MLflowExpManager(backend.settings.mlflow_uri))


@pytest.fixture
def data(tmp_path: Path) -> PanelDataset:
    segments = {"train": ["2020-03-02", "2020-10-30"], "test": ["2021-01-04", None]}
    return panel(tmp_path, PRICES.iloc[:UNTIL], segments=segments, processors=[{"op": "zscore"}])


def by_hand(dataset: PanelDataset, name: str, /, **objects: Any) -> Any:
    """As a script does it: fit, save the model, let a record predict."""
    model = LGBModel(num_boost_round=3, num_leaves=4)
    with R.start(experiment_name=name) as recorder:
        model.fit(dataset)
        R.save_objects(**{"params.pkl": model, **objects})
        SignalRecord(model, dataset, R.get_recorder()).generate()
        SigAnaRecord(recorder).generate()
    return R.get_recorder(recorder_id=recorder.id)


def last_day(recorder: Any) -> str:
    return f"{recorder.load_object('pred.pkl').index.get_level_values('datetime').max():%F}"


def test_a_model_of_a_script_is_put_online_and_updated(data: PanelDataset, tmp_path: Path, backend: Backend) -> None:
    name = f"by hand {backend.settings.mongo_database}"
    first, second = by_hand(data, name), by_hand(data, name, dataset=data)
    tool = OnlineToolR(name, backend=backend)
    assert tool.online_models() == []
    tool.reset_online_tag(first)
    assert tool.online_models() == [first]
    tool.reset_online_tag([second])
    assert (tool.get_online_tag(first), tool.get_online_tag(second)) == ("offline", "online")
    of_strategy = OnlineTool(backend, name)  # whose experiment has its name; the ledger stays as it is
    of_strategy.reset_online_tag(recorder=first)
    assert (of_strategy.get_online_tag(first), of_strategy.get_online_tag(second)) == ("online", "offline")
    of_strategy.reset_online_tag([second])
    of_strategy.set_online_tag("offline", recorder=first)
    assert (tool.online_models(), of_strategy.online_models()) == ([second], [])
    tool.set_online_tag(OnlineToolR.ONLINE_TAG, [first])
    assert set(OnlineToolR(backend=backend).online_models(name)) == {first, second}
    before = last_day(first)
    assert before == f"{PRICES.index[UNTIL - 1]:%F}"
    write(PRICES, tmp_path)
    day = PRICES.index[UNTIL + 4]
    rows = tool.update_online_pred(to_date=day)
    assert set(rows) == {first.id, second.id}
    assert all(rows.values())
    assert (last_day(first), last_day(second)) == (f"{day:%F}", f"{day:%F}")
    assert tool.update_online_pred(pd.Timestamp(day)) == {first.id: 0, second.id: 0}
    tool.set_online_tag("offline", first)
    assert list(tool.update_online_pred()) == [second.id]
    assert last_day(second) == f"{PRICES.index[-1]:%F}"
    # What was learned from train came along: the same as in one go.
    kept = second.load_object("dataset")
    assert isinstance(kept, PanelDataset)
    assert kept.to_config() == data.to_config()
    whole = kept.config(segments={"test": ["2021-01-04", None]})
    pd.testing.assert_series_equal(
        second.load_object("pred")["score"], second.load_object("params.pkl").predict(whole), check_freq=False
    )


def test_what_serves_a_strategy_is_changed_there(data: PanelDataset, backend: Backend) -> None:
    name = f"ledger {backend.settings.mongo_database}"
    serving, other = by_hand(data, name), by_hand(data, name)
    model = OnlineModel("0" * 24, serving.id, ("2021-01-04", None), "LGBModel")
    now = datetime.datetime.now(datetime.UTC)
    made = OnlineSet("daily", 0, name, "a round", now, "me", (model,), {}, session="2021-01-04", planned_at=now)
    OnlineSets(backend.store).found(made)
    tool = OnlineToolR(name, backend=backend)
    tool.set_online_tag("online", serving)
    for refused in (lambda: tool.reset_online_tag(other), lambda: tool.set_online_tag("offline", serving)):
        with pytest.raises(StateError, match="serves strategy 'daily'"):
            refused()
    assert tool.online_models() == [serving]
    tool.set_online_tag("online", other)  # beside it
    assert set(tool.online_models()) == {serving, other}


def test_the_models_of_a_strategy_are_updated_as_it_does_it(backend: Backend, tmp_path: Path) -> None:
    path, name = write_prices(tmp_path / "prices.parquet", until=LIVED[0]), f"kept {backend.settings.mongo_database}"
    strategy = RollingStrategy.of_template(template(path, name), backend.settings)
    manager = OnlineManager(strategy, TrainerR, backend=backend, name=name)
    manager.first_train(timeout=60)
    tool = OnlineToolR(name, backend=backend)
    before = {one.id: one.checksums() for one in tool.online_models()}
    assert set(before) == {model.recorder_id for model in OnlineSets(backend.store).current(name).models}
    write_prices(path, until=LIVED[2])
    days = tool.update_online_pred()
    assert sorted(days.values()) == [*[0] * (len(before) - 1), 2]
    assert {one.id: one.checksums() for one in tool.online_models()} == before  # beside what was predicted before
    assert not any(tool.update_online_pred().values())


def test_what_is_missing_is_said(data: PanelDataset, backend: Backend) -> None:
    name = f"bare {backend.settings.mongo_database}"
    rows = data.prepare("test").index[:1]
    with R.start(experiment_name=name) as bare:
        R.save_objects(pred=pd.DataFrame({"score": [1.0]}, rows))
    found = R.get_recorder(recorder_id=bare.id)
    with pytest.raises(ArtifactMissing, match="does not hold its dataset") as missing:
        PredUpdater(found).update()
    assert "'params.pkl': model, 'dataset': dataset" in missing.value.fix
    tool = OnlineToolR(backend=backend)
    with pytest.raises(BadInput, match="No experiment"):
        tool.online_models()
    with pytest.raises(SettingsError, match="no online status"):
        tool.set_online_tag("sleeping", found)
    assert OnlineToolR("not there yet", backend=backend).update_online_pred() == {}

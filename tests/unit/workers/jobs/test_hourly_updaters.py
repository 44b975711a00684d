"""Updaters by hand on hours: a session that was not complete is replaced whole, and labels come hour by hour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq.tasks.config.settings import load_settings
from rollq.tasks.predictions.increments import Increment
from rollq.tasks.predictions.ranges import replace_range
from rollq.tasks.predictions.session_days import on_sessions
from rollq.workers.jobs.prediction import predict_range
from rollq.workers.jobs.updaters import LabelUpdater, PredUpdater
from rollq.workers.models.ridge import RidgeModel
from rollq.workers.records.signal import SignalRecord
from tests.rows.hourly import COMPONENTS, PLACES, ZONE, HourlyDataset, load, until, write
from tests.unit.workers.jobs.test_updaters import FolderRecorder

LOAD = load()
SEGMENTS = {"train": ["2024-02-28", "2024-03-24"], "test": ["2024-03-30", None]}


@pytest.fixture
def recorder(tmp_path: Path) -> Any:
    """Of a model that has predicted 30 March and ten hours, nine by the clock of the wall, of the day after."""
    path = write(until(LOAD, "2024-03-31 11:00"), tmp_path / "load.parquet")
    dataset, model, made = HourlyDataset(str(path), SEGMENTS), RidgeModel(), FolderRecorder(tmp_path / "run")
    model.fit(dataset)
    config = {"class": "HourlyDataset", "kwargs": dataset.to_config()}
    task = {"model": {"class": "RidgeModel"}, "dataset": config}
    made.save_objects(model=model, dataset=dataset.to_config(), task=task)
    SignalRecord(model, dataset, made).generate()  # type: ignore[arg-type]
    return made


def updated(updater: type[PredUpdater] | type[LabelUpdater], recorder: Any, **options: Any) -> pd.DataFrame:
    settings = load_settings(state_dir=Path("unused"), components=COMPONENTS)
    return updater(recorder, settings=settings, **options).update()


def hours(frame: pd.DataFrame) -> dict[str, int]:
    days = frame.index.get_level_values(0).strftime("%Y-%m-%d")
    return {day: int((days == day).sum()) // len(PLACES) for day in days.unique()}


def test_a_session_is_predicted_again_when_more_of_its_hours_come(recorder: Any, tmp_path: Path) -> None:
    assert hours(recorder.load_object("pred.parquet")) == {"2024-03-30": 24, "2024-03-31": 10}
    assert updated(PredUpdater, recorder).empty, "nothing came"
    write(until(LOAD, "2024-04-02 05:00"), tmp_path / "load.parquet")
    assert hours(updated(PredUpdater, recorder)) == {"2024-03-31": 23, "2024-04-01": 24, "2024-04-02": 5}
    pred = recorder.load_object("pred.parquet")
    assert hours(pred) == {"2024-03-30": 24, "2024-03-31": 23, "2024-04-01": 24, "2024-04-02": 5}
    assert pred.index.is_unique
    assert pred.index.is_monotonic_increasing
    assert str(pred.index.levels[0].tz) == ZONE
    assert set(recorder.load_object("days.json")) == set(hours(pred))
    only = updated(PredUpdater, recorder, from_date="2024-03-31", to_date="2024-03-31")
    assert hours(only) == {"2024-03-31": 23}


def test_labels_come_hour_by_hour(recorder: Any, tmp_path: Path) -> None:
    write(until(LOAD, "2024-04-01"), tmp_path / "load.parquet")
    updated(PredUpdater, recorder)
    updated(LabelUpdater, recorder, from_date="2024-03-31", to_date="2024-03-31")
    assert hours(recorder.load_object("label.parquet")) == {"2024-03-30": 24, "2024-03-31": 23}


def test_context_is_of_sessions(recorder: Any, tmp_path: Path) -> None:
    path = write(LOAD, tmp_path / "load.parquet")
    model = RidgeModel()
    model.fit(HourlyDataset(str(path), SEGMENTS))
    found = predict_range(model, HourlyDataset(str(path), SEGMENTS), "2024-03-31", "2024-04-01", hist_ref=2)
    assert hours(found.pred) == {"2024-03-31": 23, "2024-04-01": 24}
    assert list(found.days) == ["2024-03-31", "2024-04-01"]
    part = found.only(["2024-03-31"])
    assert hours(part.label) == {"2024-03-31": 23}
    assert Increment.empty().only(["2024-03-31"]).pred.empty


def test_a_session_is_replaced_whole() -> None:
    old = LOAD[on_sessions(LOAD, ["2024-03-30", "2024-03-31", "2024-04-01"])]
    new = LOAD[on_sessions(LOAD, ["2024-03-31"])].iloc[6:-6]
    made = replace_range(old, new)
    assert hours(made) == {"2024-03-30": 24, "2024-03-31": 19, "2024-04-01": 24}

"""Updaters by hand: the right range is replaced in place, and nothing else; and increments, checked when read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.model import Model
from rollq.tasks.errors import ArtifactCorrupted, ArtifactMissing, BadInput, CalendarError, SegmentError, StateError
from rollq.tasks.predictions.fitted_dataset import fitted_dataset
from rollq.tasks.predictions.increments import Increment, load_increment, save_increment
from rollq.tasks.tracking.artifacts.artifacts import Artifacts
from rollq.tasks.tracking.artifacts.storage import LocalStorage
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.workers.datasets.panel import PanelDataset
from rollq.workers.jobs.prediction import load_model, predict_range
from rollq.workers.jobs.updaters import LabelUpdater, PredUpdater, RecordUpdater
from rollq.workers.models.lightgbm import LGBModel
from rollq.workers.records.signal import SignalRecord
from tests.synthetic import closes, panel, write

TRAINED_UNTIL = 270  # sessions of the file when the model was trained: to 2021-01-12
TEST = ["2021-01-04", None]
PRICES = closes(330)
DAYS = [f"{day:%Y-%m-%d}" for day in PRICES.index]
FIRST, LAST = DAYS.index(TEST[0]), TRAINED_UNTIL - 1


class FolderRecorder:
    """A recorder that keeps its artifacts in a folder, as the real one does; it knows no MLflow."""

    id = "run"

    def __init__(self, folder: Path) -> None:
        self.status = RecorderStatus.FINISHED
        self.storage = LocalStorage(folder)
        self._artifacts = Artifacts(self.storage, own=True)

    def save_objects(self, local_path: None = None, artifact_path: None = None, **objects: Any) -> None:
        self._artifacts.save(objects)

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        return self._artifacts.names(artifact_path)

    def load_object(self, name: str) -> Any:
        return self._artifacts.load(name)

    def load_folder(self, name: str) -> Path:
        return self._artifacts.folder(name)


def dataset_of(folder: Path, prices: pd.DataFrame, **changes: Any) -> PanelDataset:
    segments = {"train": ["2020-03-02", "2020-10-30"], "test": TEST}
    options = {"normalize": "none", "processors": [{"op": "zscore"}], "segments": segments}
    return panel(folder, prices, **{**options, **changes})


@pytest.fixture
def recorder(tmp_path: Path) -> Any:
    """Of a model that was trained when the file had 270 sessions; now it has 330."""
    dataset = dataset_of(tmp_path, PRICES.iloc[:TRAINED_UNTIL])
    model = LGBModel(num_boost_round=5, num_leaves=5)
    model.fit(dataset)
    made: Any = FolderRecorder(tmp_path / "run")
    kwargs = {"cache_dir": str(tmp_path / "cache")}
    task = {"model": {"class": "LGBModel"}, "dataset": {"class": "PanelDataset", "kwargs": kwargs}}
    made.save_objects(model=model, dataset=dataset.to_config(), task=task)
    SignalRecord(model, dataset, made).generate()
    write(PRICES, tmp_path)
    return made


def whole(recorder: Any, until: str | None = None) -> Increment:
    """The test segment in one go, on the data of now."""
    return predict_range(load_model(recorder), fitted_dataset(recorder), TEST[0] or "", until)


def same(found: pd.Series, expected: pd.DataFrame) -> bool:
    column = expected.iloc[:, 0]
    return list(found.index) == list(column.index) and found.to_numpy().tobytes() == column.to_numpy().tobytes()


def days_of(frame: Any) -> list[str]:
    return [f"{day:%Y-%m-%d}" for day in frame.index.get_level_values("datetime").unique()]


def test_predictions_go_on_where_they_ended(recorder: Any) -> None:
    new = PredUpdater(recorder).update()
    assert days_of(new) == DAYS[LAST + 1 :]
    assert list(new.columns) == ["score"]
    assert same(recorder.load_object("pred.parquet"), whole(recorder).pred), "bytes of one go"
    assert list(recorder.load_object("pred.pkl").columns) == ["score"]
    assert recorder.load_object("days.json") == whole(recorder).days
    before = recorder.load_object("pred.parquet")
    assert PredUpdater(recorder).update().empty, "nothing is left to do"
    assert recorder.load_object("pred.parquet").equals(before)


def test_labels_that_were_not_known_then_are_known_now(recorder: Any) -> None:
    before = recorder.load_object("label.parquet")
    assert days_of(before[before["label"].isna()]) == DAYS[LAST - 5 : LAST + 1]
    new = LabelUpdater(recorder).update()
    assert days_of(new) == DAYS[LAST - 5 :], "label_lookahead is 6"
    assert same(recorder.load_object("label.parquet"), whole(recorder).label)
    assert LabelUpdater(recorder).update().equals(new[new.index.get_level_values(0) > DAYS[-7]]), "again: the same"
    assert days_of(LabelUpdater(recorder, hist_ref=2).update()) == DAYS[-2:]
    assert days_of(LabelUpdater(recorder, hist_ref=999).update()) == DAYS[FIRST:], "not what it was trained on"


@pytest.mark.parametrize("until", [DAYS[LAST + 4], "2021-01-17", DAYS[LAST + 1], "2030-01-01"])
def test_nothing_after_to_date_is_written_or_looked_at(recorder: Any, tmp_path: Path, until: str) -> None:
    kept = recorder.load_object("pred.parquet"), recorder.load_object("label.parquet")
    updaters: list[type[RecordUpdater]] = [PredUpdater, LabelUpdater]
    found = []
    for noise in (1.0, 3.0):  # everything after ``until``, scrambled
        scrambled = PRICES.copy()
        scrambled.loc[scrambled.index > until] *= noise * np.arange(1, 13)
        write(scrambled, tmp_path)
        recorder.save_objects(**{"pred.parquet": kept[0], "label.parquet": kept[1]})
        found.append([updater(recorder, to_date=until).update() for updater in updaters])
    for one, other in zip(*found, strict=True):
        assert one.equals(other)
        assert days_of(one)[-1] == max(day for day in DAYS if day <= until)


def test_an_earlier_to_date_forgets_no_label(recorder: Any) -> None:
    LabelUpdater(recorder).update()
    known = recorder.load_object("label.parquet")
    LabelUpdater(recorder, from_date=DAYS[LAST], to_date=DAYS[LAST + 10]).update()
    assert recorder.load_object("label.parquet").equals(known)


@pytest.mark.parametrize("series", [True, False])
def test_a_range_in_the_past_is_replaced(recorder: Any, tmp_path: Path, series: bool) -> None:
    PredUpdater(recorder).update()
    before, hashes = recorder.load_object("pred.parquet"), recorder.load_object("days.json")
    before = before["score"] if series else before
    recorder.save_objects(**{"pred": before})  # by hand, under another of its names
    revised = PRICES.copy()
    revised.loc[DAYS[LAST + 5], "S03"] *= 1.2
    revised.loc[DAYS[LAST + 6], "S04"] = np.nan
    write(revised, tmp_path)
    span = DAYS[LAST + 4 : LAST + 9]
    assert days_of(PredUpdater(recorder, from_date=span[0], to_date=span[-1]).update()) == span
    after = recorder.load_object("pred.parquet")
    assert isinstance(after, pd.Series) is series
    after = after if series else after["score"]
    inside = after.index.get_level_values("datetime").isin(pd.DatetimeIndex(span))
    now = whole(recorder).only(span)
    assert same(after[inside], now.pred)
    assert (pd.Timestamp(span[2]), "S04") not in after.index, "it is gone from the data"
    before = before if series else before["score"]
    outside = before[~before.index.get_level_values("datetime").isin(pd.DatetimeIndex(span))]
    assert after[~inside].equals(outside)
    assert recorder.load_object("days.json") == {**hashes, **now.days}
    assert now.days[span[0]] == hashes[span[0]]
    assert now.days[span[1]] != hashes[span[1]]


def test_a_run_without_hashes_gets_those_of_the_new_days(recorder: Any, tmp_path: Path) -> None:
    bare: Any = FolderRecorder(tmp_path / "bare")
    for name in ("model", "dataset", "task", "pred.parquet"):
        bare.save_objects(**{name: recorder.load_object(name)})
    PredUpdater(bare).update()
    assert list(bare.load_object("days.json")) == DAYS[LAST + 1 :]


class Mean(Model):
    """A model that needs context: the mean of the last ``LENGTH`` sessions that it is shown."""

    LENGTH = 4
    shown: list[str] = []  # noqa: RUF012 - filled by the test

    def fit(self, dataset: Any, *, checkpoint: Any = None) -> None:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Mean:
        raise NotImplementedError

    def predict(self, dataset: Any, segment: str = "test") -> pd.Series:
        wide = dataset.prepare(segment)["momentum_1"].unstack()
        self.shown[:] = [f"{day:%Y-%m-%d}" for day in wide.index]
        return wide.rolling(self.LENGTH, min_periods=1).mean().stack().rename("score")


def test_hist_ref_is_context_and_is_not_replaced(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollq.workers.jobs.updaters.load_model", lambda *_: Mean())
    before = recorder.load_object("pred.parquet")
    new = PredUpdater(recorder, hist_ref=3).update()
    assert Mean.shown == DAYS[LAST - 2 :]
    assert days_of(new) == DAYS[LAST + 1 :]
    assert recorder.load_object("pred.parquet").iloc[: len(before)].equals(before)
    assert list(recorder.load_object("days.json")) == DAYS[FIRST:]
    dataset = fitted_dataset(recorder)
    long = predict_range(Mean(), dataset, DAYS[100], None).only(DAYS[LAST + 1 :])
    assert same(new["score"], long.pred)
    assert not same(predict_range(Mean(), dataset, DAYS[LAST + 1], None).pred["score"], long.pred)
    at_once = predict_range(Mean(), dataset, DAYS[0], DAYS[2], hist_ref=50)
    assert days_of(at_once.pred) == list(at_once.days) == DAYS[:3], "there is no more context than there is"


def test_what_is_refused(recorder: Any) -> None:
    with pytest.raises(BadInput, match="hist_ref"):
        PredUpdater(recorder, hist_ref=-1)
    with pytest.raises(CalendarError, match="no date"):
        PredUpdater(recorder, to_date="soon")
    with pytest.raises(SegmentError, match="after to_date"):
        LabelUpdater(recorder, "2021-01-20", "2021-01-21")
    for updater in (PredUpdater, LabelUpdater):
        with pytest.raises(SegmentError, match="before the first session that was predicted"):
            updater(recorder, to_date="2021-01-01").update()
        with pytest.raises(SegmentError, match="before the first session that was predicted"):
            updater(recorder, from_date="2021-01-01").update()
        assert updater(recorder, from_date="2031-01-01").update().empty
        assert updater(recorder, from_date="2021-01-16", to_date="2021-01-17").update().empty, "a weekend"
    assert PredUpdater(recorder, to_date=DAYS[LAST]).update().empty


def test_a_delayed_recorder_can_be_updated_once_it_is_trained(recorder: Any) -> None:
    recorder.status = RecorderStatus.SCHEDULED
    updater = PredUpdater(recorder)
    with pytest.raises(StateError, match="not trained yet"):
        updater.update()
    recorder.status = RecorderStatus.FINISHED
    assert not updater.update().empty


def test_an_increment_comes_back_whole_or_not_at_all(recorder: Any, tmp_path: Path) -> None:
    listed = (tmp_path / "run" / "manifest.json").read_bytes()
    made = whole(recorder).only(DAYS[LAST : LAST + 3])
    result = save_increment(recorder, "task-1", made)
    assert (tmp_path / "run" / "manifest.json").read_bytes() == listed, "the run's manifest has one writer"
    found = load_increment(recorder, result)
    assert same(found.pred["score"], made.pred)
    assert same(found.label["label"], made.label)
    assert found.days == made.days
    assert list(found.days) == DAYS[LAST : LAST + 3]
    for name in result["sha256"]:
        path = tmp_path / "run" / result["artifact"] / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"x")
        with pytest.raises(ArtifactCorrupted, match=name):
            load_increment(recorder, result)
        path.unlink()
        with pytest.raises(ArtifactMissing, match=name):
            load_increment(recorder, result)
        path.write_bytes(content)
    for broken in ({}, {"artifact": "x"}, {**result, "sha256": {}}):
        with pytest.raises(ArtifactMissing):
            load_increment(recorder, broken)
    with pytest.raises(ArtifactCorrupted):
        load_increment(recorder, {**result, "artifact": "../run"})

"""Records: what a trained window leaves behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.record import Record
from rollq.tasks.errors import ArtifactMissing, BadInput, PermanentError
from rollq.tasks.predictions.metrics import daily_ic, long_short, summary
from rollq.tasks.tracking.artifacts.artifacts import Artifacts
from rollq.tasks.tracking.artifacts.storage import LocalStorage
from rollq.workers.datasets.panel import PanelDataset
from rollq.workers.models.lightgbm import LGBModel
from rollq.workers.records.analysis import SigAnaRecord
from rollq.workers.records.signal import SignalRecord
from tests.synthetic import MemoryRecorder, closes, panel


@pytest.fixture
def trained(tmp_path: Path) -> tuple[MemoryRecorder, LGBModel, PanelDataset]:
    dataset = panel(tmp_path, closes(330))  # the last labels of test are not known yet
    model = LGBModel(num_boost_round=5, num_leaves=5)
    model.fit(dataset)
    return MemoryRecorder(), model, dataset


def test_signal_record_keeps_predictions_and_the_label_as_it_is(
    trained: tuple[MemoryRecorder, LGBModel, PanelDataset],
) -> None:
    recorder, model, dataset = trained
    assert SignalRecord(model, dataset, recorder).generate() == {}
    assert sorted(recorder.objects) == ["dataset", "days.json", "label.parquet", "pred.parquet"]
    assert recorder.objects["dataset"] is dataset  # no worker has saved it
    predictions, label = recorder.objects["pred.parquet"], recorder.objects["label.parquet"]
    pd.testing.assert_frame_equal(predictions, model.predict(dataset, "test").to_frame("score"))
    pd.testing.assert_frame_equal(label, dataset.prepare("test", "raw"))
    assert predictions.index.equals(label.index)
    assert label["label"].min() < -0.03  # a return, not a rank


def test_signal_record_keeps_what_the_model_says_beside_its_score(
    trained: tuple[MemoryRecorder, LGBModel, PanelDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, model, dataset = trained
    rows = dataset.prepare("test").index
    outputs = pd.DataFrame({"q0.1": 0.0, "q0.9": 1.0}, index=rows)
    monkeypatch.setattr(LGBModel, "predict_outputs", lambda self, dataset, segment: outputs.sample(frac=1))
    SignalRecord(model, dataset, recorder).generate()
    pd.testing.assert_frame_equal(recorder.objects["outputs.parquet"], outputs)
    for wrong in (outputs["q0.1"], pd.concat([outputs, outputs]), outputs.rename({rows[0][1]: "XXX"}, level=1)):
        monkeypatch.setattr(LGBModel, "predict_outputs", lambda self, dataset, segment, wrong=wrong: wrong)
        with pytest.raises(PermanentError, match=r"LGBModel\.predict_outputs"):
            SignalRecord(model, dataset, recorder).generate()


def test_a_row_without_a_label_is_predicted_too(trained: tuple[MemoryRecorder, LGBModel, PanelDataset]) -> None:
    recorder, model, dataset = trained
    SignalRecord(model, dataset, recorder).generate()
    assert recorder.objects["label.parquet"]["label"].isna().any()
    assert recorder.objects["pred.parquet"]["score"].notna().all()


def test_a_dataset_that_is_kept_already_is_not_read_again(
    trained: tuple[MemoryRecorder, LGBModel, PanelDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has saved it a moment ago; a run that was made by hand has none, and then it is saved."""
    recorder, model, dataset = trained
    monkeypatch.setattr(recorder, "load_object", lambda name: pytest.fail(f"{name} was read"))
    SignalRecord(model, dataset, recorder).generate()
    assert recorder.objects["dataset"] is dataset
    del recorder.objects["dataset"]
    recorder.save_objects(**{"dataset.json": {"path": "kept"}})
    SignalRecord(model, dataset, recorder).generate()
    assert recorder.objects["dataset.json"] == {"path": "kept"}
    assert "dataset" not in recorder.objects


def test_analysis_record_keeps_the_daily_ic_and_logs_its_summary(
    trained: tuple[MemoryRecorder, LGBModel, PanelDataset],
) -> None:
    recorder, model, dataset = trained
    SignalRecord(model, dataset, recorder).generate()
    metrics = SigAnaRecord(recorder).generate()
    expected = daily_ic(model.predict(dataset), dataset.prepare("test", "raw")["label"])
    pd.testing.assert_series_equal(recorder.objects["sig_analysis/ic.parquet"], expected["ic"])
    pd.testing.assert_series_equal(recorder.objects["sig_analysis/ric.parquet"], expected["rank_ic"])
    assert list(expected.columns) == ["ic", "rank_ic"]
    assert metrics == recorder.metrics == summary(expected)
    assert set(metrics) == {"IC", "ICIR", "Rank IC", "Rank ICIR"}
    assert all(np.isfinite(value) for value in metrics.values())


def test_analysis_record_needs_the_signal_record(trained: tuple[MemoryRecorder, LGBModel, PanelDataset]) -> None:
    with pytest.raises(ArtifactMissing):
        SigAnaRecord(trained[0]).generate()


def test_what_is_saved_comes_back_from_parquet(
    trained: tuple[MemoryRecorder, LGBModel, PanelDataset], tmp_path: Path
) -> None:
    recorder, model, dataset = trained
    SignalRecord(model, dataset, recorder).generate()
    for name in ("pred.parquet", "label.parquet"):
        value = recorder.objects[name]
        Artifacts(LocalStorage(tmp_path), own=True).save({name: value})
        found = Artifacts(LocalStorage(tmp_path), own=False).load(name)
        assert list(found.columns) == list(value.columns)
        assert found.to_numpy().tobytes() == value.to_numpy().tobytes()
        assert list(found.index) == list(value.index)


def test_analysis_of_any_label_and_of_both_ends_of_the_day(
    trained: tuple[MemoryRecorder, LGBModel, PanelDataset],
) -> None:
    recorder, model, dataset = trained
    SignalRecord(dataset=dataset, model=model, recorder=recorder).generate()
    truth = dataset.prepare("test", "raw")
    two = pd.concat([truth * 0.0, truth], axis=1)
    record = SigAnaRecord(recorder, True, 250, label_col=1)
    metrics = record.generate(two)
    assert metrics["Rank IC"] == SigAnaRecord(recorder).generate()["Rank IC"]
    returns = long_short(recorder.objects["pred.parquet"]["score"], truth["label"])
    assert metrics["Long-Short Ann Return"] == returns["long_short"].mean() * 250
    assert set(metrics) >= {"Long-Short Ann Sharpe", "Long-Avg Ann Return", "Long-Avg Ann Sharpe"}
    assert record.list() == ["ic.pkl", "ric.pkl", "long_short_r.pkl", "long_avg_r.pkl"]
    assert SignalRecord(recorder=recorder).list() == ["pred.pkl", "label.pkl"]
    with pytest.raises(BadInput, match="column 3"):
        SigAnaRecord(recorder, label_col=3).generate(two)
    with pytest.raises(BadInput, match="no model"):
        SignalRecord(recorder=recorder, dataset=dataset).generate()
    with pytest.raises(BadInput, match="no recorder"):
        SignalRecord(model, dataset).generate()


def test_a_record_of_ones_own_may_set_what_it_works_with(
    trained: tuple[MemoryRecorder, LGBModel, PanelDataset],
) -> None:
    class Own(Record):
        def __init__(self, recorder: MemoryRecorder, model: LGBModel, dataset: PanelDataset) -> None:
            self.recorder, self.model, self.dataset = recorder, model, dataset

        def generate(self) -> dict[str, float]:
            self.save(rounds=self.model.predict(self.dataset))
            return {}

    recorder, model, dataset = trained
    Own(recorder, model, dataset).generate()
    assert len(Own(recorder, model, dataset).load("rounds")) == len(dataset.prepare("test"))
    assert Own(recorder, model, dataset).list() == []

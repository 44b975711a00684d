"""Records of errors, intervals, classes and orders: by time, by group, and as windows add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import ArtifactMissing, BadInput
from rollq.tasks.predictions.pooling import Pooled
from rollq.workers.records.classification import ClassificationRecord
from rollq.workers.records.forecast import ForecastRecord
from rollq.workers.records.interval import IntervalRecord
from rollq.workers.records.ranking import RankingRecord
from tests.conftest import TESTS
from tests.synthetic import MemoryRecorder
from tests.unit.tasks.predictions.rows import random_pairs


class Table:
    """What records ask of a dataset: rows of both segments, and a column."""

    label_kind = "value"
    label_span = "1"
    info_columns: Sequence[str] = ("sector",)

    def __init__(self, pairs: pd.DataFrame, train: pd.DataFrame) -> None:
        self.rows = {"test": pairs, "train": train}
        self.sector = pairs.index.get_level_values(1).map(lambda name: int(name[1:]) % 3 / 1.0).to_series(pairs.index)

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        if columns == "info:sector":
            return self.sector.to_frame("sector")
        return self.rows[segment][["label"]]


def ready(**outputs: Any) -> tuple[MemoryRecorder, Any, pd.DataFrame]:
    pairs = random_pairs()
    recorder = MemoryRecorder()
    recorder.objects |= {"pred.parquet": pairs[["score"]], "label.parquet": pairs[["label"]]}
    if outputs:
        recorder.objects["outputs.parquet"] = pd.DataFrame(outputs, index=pairs.index)
    return recorder, Table(pairs, random_pairs(days=20, seed=3)), pairs


def test_errors_are_written_by_time_and_by_group() -> None:
    recorder, dataset, pairs = ready()
    record = ForecastRecord(recorder, dataset=dataset, by=["sector", "instrument"])
    metrics = record.generate()
    assert metrics == recorder.metrics
    assert {f"forecast/{name.removesuffix('.pkl')}.parquet" for name in record.list()} < set(recorder.objects)
    error = (pairs["score"] - pairs["label"]).abs()
    by_time = recorder.objects["forecast/by_time.parquet"]
    pd.testing.assert_series_equal(
        by_time["MAE"], error.groupby(level=0).mean(), check_names=False, check_freq=False, rtol=1e-12
    )
    assert record.measured is by_time
    assert "R2" in metrics
    assert "R2" not in by_time  # among the instruments of one time it would be another thing
    by_sector = recorder.objects["forecast/by_sector.parquet"]
    assert list(by_sector.index) == ["0", "1", "2"]
    own = error[dataset.sector == 1].mean()
    assert by_sector.loc["1", "MAE"] == pytest.approx(own)
    assert metrics["MAE (sector=1)"] == pytest.approx(own)
    assert isinstance(metrics["MAE (sector=1)"], Pooled)
    assert metrics["MAE (instrument=S03)"] == pytest.approx(error.xs("S03", level=1).mean())


def test_groups_are_those_of_the_row_s_own_time() -> None:
    recorder, dataset, pairs = ready()
    first = pairs.index.get_level_values(0) == pairs.index[0][0]
    dataset.sector = dataset.sector.where(~first, np.nan)  # on the first day no sector was known
    ForecastRecord(recorder, dataset=dataset, by="sector").generate()
    error = (pairs["score"] - pairs["label"]).abs()
    later = error[(~first) & (dataset.sector == 2).to_numpy()].mean()
    assert recorder.objects["forecast/by_sector.parquet"].loc["2", "MAE"] == pytest.approx(later)


def test_many_groups_are_in_the_file_alone() -> None:
    recorder, dataset, pairs = ready()
    dataset.sector = pd.Series(np.arange(len(pairs)) % 60, pairs.index)
    metrics = ForecastRecord(recorder, dataset=dataset, by="sector").generate()
    assert not any("sector" in name for name in metrics)
    assert len(recorder.objects["forecast/by_sector.parquet"]) == 60


def test_the_scale_of_mase_sees_the_train_segment_alone() -> None:
    recorder, dataset, pairs = ready()
    before = ForecastRecord(recorder, dataset=dataset, season=5).generate()
    # Errors that stay while the labels of test are scrambled: what would use them as a scale changes.
    moved = pairs.sample(frac=1, random_state=1).to_numpy()
    recorder.objects |= {
        "pred.parquet": pd.DataFrame(
            {"score": moved[:, 1] + (pairs["score"] - pairs["label"]).to_numpy()}, pairs.index
        ),
        "label.parquet": pd.DataFrame({"label": moved[:, 1]}, pairs.index),
    }
    dataset.rows["test"] = pairs.assign(label=moved[:, 1])
    assert ForecastRecord(recorder, dataset=dataset, season=5).generate()["MASE"] == pytest.approx(before["MASE"])
    leaky: Any = Table(pairs, dataset.rows["test"])
    assert ForecastRecord(recorder, dataset=leaky, season=5).generate()["MASE"] != pytest.approx(before["MASE"])
    assert "MASE" not in ForecastRecord(recorder, season=None).generate()


def test_the_scale_of_mase_is_a_forecast_that_was_possible() -> None:
    recorder, dataset, pairs = ready()
    dataset.label_span = "12"
    train = dataset.rows["train"]["label"]
    for season, lag in (("natural", 12), (5, 15), (12, 12), (13, 13)):
        by_name = train.unstack()
        scale = (by_name - by_name.shift(lag)).abs().mean()
        error = (pairs["score"] - pairs["label"]).abs()
        wanted = (error / error.index.get_level_values(1).map(scale)).mean()
        found = ForecastRecord(recorder, dataset=dataset, season=season).generate()
        assert found["MASE"] == pytest.approx(wanted), season


def test_what_means_nothing_is_decided_by_train_alone() -> None:
    recorder, dataset, pairs = ready()
    dataset.rows["train"] = dataset.rows["train"].replace(0.0, 1.0)
    assert {"Hit Rate", "MAPE"} <= set(ForecastRecord(recorder, dataset=dataset).generate())
    dataset.rows["train"] = dataset.rows["train"].abs() + 1
    assert (pairs["label"] < 0).any()
    for season in ("natural", None):
        found = ForecastRecord(recorder, dataset=dataset, season=season).generate()
        assert "Hit Rate" not in found
        assert "MAPE" in found
    dataset.rows["train"] = dataset.rows["train"].where(dataset.rows["train"] > 2, 0)
    assert "MAPE" not in ForecastRecord(recorder, dataset=dataset).generate()


def test_a_column_that_is_not_there_is_named() -> None:
    recorder, dataset, _ = ready()
    with pytest.raises(BadInput, match="no column 'branch'") as caught:
        ForecastRecord(recorder, dataset=dataset, by="branch").generate()
    assert "instrument, sector" in caught.value.fix


def test_intervals_need_quantiles_unless_they_are_optional() -> None:
    recorder, dataset, pairs = ready(**{"q0.1": 0.0, "q0.9": 4.0})
    metrics = IntervalRecord(recorder, dataset=dataset, by="sector").generate()
    assert metrics["Coverage 80%"] == pytest.approx(pairs["label"].between(0, 4).mean())
    assert {"Width 80% (sector=0)", "Pinball q0.9"} <= set(metrics)
    assert "interval/by_time.parquet" in recorder.objects
    for one in (ready()[0], ready(p_1=0.5)[0]):
        assert IntervalRecord(one, optional=True).generate() == {}
        with pytest.raises(BadInput, match="no quantiles"):
            IntervalRecord(one).generate()


def test_classes_are_measured_by_their_columns_or_by_the_score() -> None:
    recorder, _, pairs = ready()
    label = pairs[["label"]].clip(0, 1)
    score = pairs[["score"]].clip(0.1, 0.9)
    recorder.objects |= {"label.parquet": label, "pred.parquet": score}
    alone = ClassificationRecord(recorder).generate()
    recorder.objects["outputs.parquet"] = pd.DataFrame({"p_0": 1 - score["score"], "p_1": score["score"]})
    recorder.objects["pred.parquet"] = score * 0
    assert ClassificationRecord(recorder).generate() == pytest.approx(alone)
    assert set(alone) == {"AUC", "Log Loss", "Brier", "Accuracy", "F1 Macro"}
    assert "classification/by_time.parquet" in recorder.objects


def test_scores_that_are_no_probabilities_are_named() -> None:
    with pytest.raises(BadInput, match="are no probabilities"):
        ClassificationRecord(ready()[0]).generate()


def test_several_classes_need_the_probability_of_each() -> None:
    recorder, _, pairs = ready()
    recorder.objects["pred.parquet"] = pairs[["score"]].clip(0, 1)
    with pytest.raises(BadInput, match="no probability of each class"):
        ClassificationRecord(recorder).generate()


def test_an_order_is_measured_by_relevance_or_by_ranks() -> None:
    recorder, dataset, _ = ready()
    ranks = RankingRecord(recorder, dataset=dataset, k=[3, 5]).generate()
    assert set(ranks) == {"NDCG@3", "Precision@3", "NDCG@5", "Precision@5"}
    assert list(recorder.objects["ranking/by_time.parquet"].columns) == list(ranks)
    dataset.label_kind = "relevance"
    with pytest.raises(BadInput, match="at least 0"):
        RankingRecord(recorder, dataset=dataset).generate()
    assert RankingRecord(recorder, dataset=dataset, k=3, relevance="rank").generate()["NDCG@3"] == ranks["NDCG@3"]


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (ForecastRecord, {"season": 0}),
        (ForecastRecord, {"by": [1]}),
        (RankingRecord, {"k": 0}),
        (RankingRecord, {"gain": "much"}),
        (RankingRecord, {"relevance": "score"}),
    ],
)
def test_wrong_keywords_fail_before_any_training(cls: Any, kwargs: Mapping[str, Any]) -> None:
    with pytest.raises(BadInput):
        cls(**kwargs)


@pytest.mark.parametrize("cls", [ForecastRecord, ClassificationRecord, RankingRecord])
def test_a_signal_record_must_stand_before_them(cls: Any) -> None:
    with pytest.raises(ArtifactMissing):
        cls(MemoryRecorder(), dataset=ready()[1]).generate()


def test_the_record_of_the_how_to_measures() -> None:
    page = (TESTS.parent / "docs/how-to/measure-what-matters.md").read_text()
    found: dict[str, Any] = {}
    exec(compile(page.split("```python\n")[1].split("```")[0], "measure-what-matters.md", "exec"), found)
    recorder, _, pairs = ready()
    metrics = found["StockOut"](recorder).generate()
    assert metrics["stock-out"] == pytest.approx((pairs["score"] < pairs["label"]).mean())
    assert set(metrics) == set(found["StockOut"].better) == set(recorder.metrics)

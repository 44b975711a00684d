"""What a model says is looked at where it says it: at the task, in training and in prediction alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.model import Model
from rollq.tasks.errors import PermanentError
from rollq.workers.datasets.panel import PanelDataset
from rollq.workers.jobs.prediction import predict_range
from rollq.workers.jobs.scores import check_learned, checked_scores
from rollq.workers.records.signal import SignalRecord
from tests.synthetic import MemoryRecorder, panel

ROWS = pd.MultiIndex.from_product(
    [pd.to_datetime(["2021-01-04", "2021-01-05"]), ["A", "B", "C"]], names=["datetime", "instrument"]
)
GOOD = pd.Series([0.1, -0.2, 0.3, 0.0, 2.0, 1.0], ROWS, name="score")


class Says(Model):
    """A model that says what it is told to say of the rows of a segment."""

    def __init__(self, say: Callable[[pd.Index], Any]) -> None:
        self.say = say

    def fit(self, dataset: Any, *, checkpoint: Any = None, init_model: Any = None) -> None:
        raise NotImplementedError

    def predict(self, dataset: Any, segment: str = "test") -> Any:
        return self.say(dataset.prepare(segment).index)

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise NotImplementedError


def series(index: pd.Index, value: float = 0.5) -> pd.Series:
    return pd.Series(np.linspace(0, 1, len(index)) * value, index=index, name="score")


WRONG: dict[str, tuple[Callable[[pd.Index], Any], str]] = {
    "an array": (lambda index: np.arange(len(index)), r"ndarray of shape \(\d+,\)"),
    "a list": (lambda index: [0.0] * len(index), "list"),
    "nothing": (lambda index: None, "NoneType"),
    "two columns": (lambda index: pd.DataFrame({"a": 1.0, "b": 2.0}, index), "DataFrame"),
    "another index": (lambda index: pd.Series(np.arange(len(index), dtype=float)), r"index is \[None\]"),
    "levels the other way round": (lambda index: series(index).swaplevel(), "index is"),
    "another zone": (
        lambda index: series(index.set_levels(index.levels[0].tz_localize("UTC"), level=0)),
        "its times have the zone UTC, and those of the segment no zone",
    ),
    "a row twice": (lambda index: series(index.append(index[:1])), "names a row twice"),
    "other days": (
        lambda index: series(index.set_levels(index.levels[0] + pd.Timedelta(days=4000), level=0)),
        "not in the segment",
    ),
    "infinite": (lambda index: pd.Series(np.inf, index), "infinite"),
    "one of them infinite": (lambda index: pd.Series([-np.inf, *[1.0] * (len(index) - 1)], index), "1 of its scores"),
    "text": (lambda index: pd.Series("1", index), "dtype is str"),
    "objects": (lambda index: pd.Series([1.5] * len(index), index, dtype=object), "dtype is object"),
    "flags": (lambda index: pd.Series([True, False] * (len(index) // 2) + [True] * (len(index) % 2), index), "bool"),
    "complex": (lambda index: pd.Series(1j, index), "complex"),
    "days": (lambda index: pd.Series(pd.Timestamp("2020-01-01"), index), "datetime64"),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PanelDataset:
    return panel(tmp_path_factory.mktemp("scores"))


@pytest.mark.parametrize("name", WRONG)
def test_scores_that_cannot_be_used_are_refused_by_training_and_prediction(name: str, dataset: PanelDataset) -> None:
    say, why = WRONG[name]
    recorder = MemoryRecorder()
    with pytest.raises(PermanentError, match=why) as refused:
        SignalRecord(Says(say), dataset, recorder).generate()
    assert "predict(dataset, segment) returns a Series" in refused.value.fix
    assert not recorder.objects
    with pytest.raises(PermanentError, match=why):
        predict_range(Says(say), dataset, "2021-03-29", "2021-03-31")


def test_a_model_that_did_not_learn_is_refused_unless_that_is_meant(dataset: PanelDataset) -> None:
    flat = Says(lambda index: pd.Series(0.25, index))
    with pytest.raises(PermanentError, match=r"the same score, 0\.25") as refused:
        SignalRecord(flat, dataset, MemoryRecorder()).generate()
    assert "early stopping" in refused.value.fix
    assert "allow_constant" in refused.value.fix
    recorder = MemoryRecorder()
    SignalRecord(flat, dataset, recorder, allow_constant=True).generate()
    assert (recorder.objects["pred.parquet"]["score"] == 0.25).all()
    assert len(predict_range(flat, dataset, "2021-03-31", "2021-03-31").pred), "on a single day it may happen"


@pytest.mark.parametrize("say", [lambda index: pd.Series(np.nan, index), lambda index: series(index[:0])])
def test_a_model_that_says_nothing_is_refused_in_training(say: Any, dataset: PanelDataset) -> None:
    with pytest.raises(PermanentError, match="no score at all"):
        SignalRecord(Says(say), dataset, MemoryRecorder(), allow_constant=True).generate()
    assert predict_range(Says(say), dataset, "2021-03-31", "2021-03-31").pred.dropna().empty, "later it is a hole"


def test_scores_that_can_be_used_come_back_sorted_and_named() -> None:
    for given in (GOOD, GOOD.rename(None), GOOD.to_frame("x"), GOOD.iloc[::-1]):
        pd.testing.assert_series_equal(checked_scores(given, ROWS), GOOD)
    holes = GOOD.drop(ROWS[:1])
    holes.iloc[0] = np.nan
    pd.testing.assert_series_equal(checked_scores(holes, ROWS), holes)
    one = GOOD[GOOD.index.get_level_values(1) == "A"] * 0
    check_learned(one)  # of one instrument nothing can be told apart
    whole = pd.Series(range(6), ROWS, name="score")
    pd.testing.assert_series_equal(checked_scores(whole, ROWS), whole)
    small = GOOD.astype("float32")
    pd.testing.assert_series_equal(checked_scores(small, ROWS), small)

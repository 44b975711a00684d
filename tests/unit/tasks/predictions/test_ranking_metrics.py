"""The order of instruments, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import ndcg_score

from rollq.tasks.errors import BadInput
from rollq.tasks.predictions.pooling import metrics_of, table_by
from rollq.tasks.predictions.ranking_metrics import ranking_metrics, session_ranks
from tests.unit.tasks.predictions.rows import random_pairs


@pytest.mark.parametrize("gain", ["linear", "exponential"])
def test_it_is_that_of_scikit_learn_by_time_ties_included(gain: str) -> None:
    pairs = random_pairs()
    pairs = pairs.assign(label=pairs["label"].clip(0, 4), score=pairs["score"].round())
    times, rows = ranking_metrics(pairs, [3, 50], gain)
    found = table_by(rows, times)
    for day, own in pairs.groupby(level="datetime"):
        gains = own["label"] if gain == "linear" else 2 ** own["label"] - 1
        for k in (3, 50):
            expected = ndcg_score([gains], [own["score"]], k=k)
            assert found.loc[day, f"NDCG@{k}"] == pytest.approx(expected, rel=1e-12)
    assert metrics_of(rows)["NDCG@3"] == pytest.approx(found["NDCG@3"].mean(), rel=1e-12)


def test_precision_is_the_share_of_the_right_ones_at_the_top() -> None:
    index = pd.MultiIndex.from_product([[pd.Timestamp("2020-01-01")], list("abcd")], names=["datetime", "instrument"])
    pairs = pd.DataFrame({"score": [4.0, 3, 2, 1], "label": [9.0, 0, 8, 7]}, index)
    _, rows = ranking_metrics(pairs, [2, 9])
    found = metrics_of(rows)
    assert (found["Precision@2"], found["Precision@9"]) == (0.5, 1.0)


def test_a_time_that_says_nothing_does_not_count() -> None:
    pairs = random_pairs(3, 4).assign(label=1.0)
    days = pairs.index.get_level_values(0)
    pairs.loc[days == days[0], "label"] = 0.0
    pairs = pairs.drop(pairs.index[4:7])  # one row is left of the second
    times, rows = ranking_metrics(pairs, [2])
    assert list(table_by(rows, times)["NDCG@2"].isna()) == [True, True, False]


def test_returns_count_by_their_ranks() -> None:
    pairs = random_pairs(2, 5)
    found = session_ranks(pairs)["label"]
    for _, own in pairs["label"].groupby(level="datetime"):
        assert found[own.index].to_list() == ((own.rank() - 1) / 4).to_list()
    with pytest.raises(BadInput, match="at least 0"):
        ranking_metrics(pairs.assign(label=-1.0), [2])


@pytest.mark.parametrize(("tops", "gain"), [([], "linear"), ([0], "linear"), ([True], "linear"), ([2], "square")])
def test_wrong_keywords_are_refused(tops: list[int], gain: str) -> None:
    with pytest.raises(BadInput):
        ranking_metrics(random_pairs(2, 2), tops, gain)


def test_no_row_has_no_metric() -> None:
    times, rows = ranking_metrics(random_pairs(1, 1).iloc[:0], [np.int64(3).item()])
    assert metrics_of(rows) == {}
    assert len(times) == 0

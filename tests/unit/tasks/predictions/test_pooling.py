"""Metrics of windows, joined as if their rows were one window's."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollq.tasks.errors import BadInput
from rollq.tasks.predictions.metrics import summary
from rollq.tasks.predictions.pooling import Pooled, RowSums, as_pooled, metrics_by, pool, table_by

NUMBERS = st.lists(st.floats(-1, 1), min_size=3, max_size=30)


def daily(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"ic": values, "rank_ic": values})


def pooled(metrics: dict[str, float]) -> dict[str, Pooled]:
    return {name: value for name, value in metrics.items() if isinstance(value, Pooled)}


@given(NUMBERS, st.integers(1, 29))
def test_a_mean_and_a_ratio_over_windows_are_those_of_all_days(values: list[float], cut: int) -> None:
    joined = pool([pooled(summary(daily(values[:cut]))), pooled(summary(daily(values[cut:])))])
    assert joined["IC"] == pytest.approx(np.mean(values), abs=1e-12)
    if len(values[:cut]) > 2 and np.std(values) > 1e-3 and {"ICIR"} <= joined.keys():
        windows = [part for part in (values[:cut], values[cut:]) if "ICIR" in summary(daily(part))]
        used = [value for part in windows for value in part]
        assert joined["ICIR"] == pytest.approx(np.mean(used) / np.std(used, ddof=1), rel=1e-6, abs=1e-9)


def test_what_a_record_returns_is_weighted_by_rows_or_by_its_own_weight() -> None:
    asked: list[int] = []

    def rows() -> int:
        asked.append(1)
        return 10

    declared = {"total": "sum", "spread": "quadratic"}
    first = as_pooled({"hits": 0.5, "own": (1.0, 3.0), "total": 4.0, "spread": 3.0}, declared, rows)
    other = as_pooled({"hits": (1.0, 30), "own": (2.0, 1.0), "total": 5.0, "spread": (4.0, 10)}, declared, rows)
    joined = pool([first, other])
    assert joined == pytest.approx({"hits": 0.875, "own": 1.25, "total": 9.0, "spread": math.sqrt(12.5)})
    assert as_pooled({"own": (1.0, 3.0), "none": (math.nan, 1.0)}, {}, lambda: pytest.fail("nobody asks"))


@pytest.mark.parametrize("value", ["much", None, (1.0, -1.0), (1.0, "two"), (1.0, 2.0, 3.0), (1.0, math.inf)])
def test_what_is_no_metric_is_named(value: object) -> None:
    with pytest.raises(BadInput, match="'profit'"):
        as_pooled({"profit": value}, {}, lambda: 1)


def test_an_unknown_pooling_is_named() -> None:
    with pytest.raises(BadInput, match="'median', which is unknown"):
        as_pooled({"profit": 1.0}, {"profit": "median"}, lambda: 1)


def test_sums_of_two_kinds_do_not_add_up() -> None:
    assert pool([{"x": Pooled("sum", [5.0])}, {"x": Pooled("mean", [6.0, 3.0])}]) == {"x": 2.0}


def test_the_least_is_that_of_the_windows() -> None:
    assert pool([{"x": Pooled("least", [-0.2])}, {"x": Pooled("least", [-0.1])}]) == {"x": -0.2}


def test_it_is_a_number_that_can_be_copied() -> None:
    value = Pooled("mean", [1.0, 4.0])
    assert value == 0.25
    for other in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert (other, other.how, other.sums) == (0.25, "mean", (1.0, 4.0))


def test_groups_are_measured_each_and_rows_in_none_are_left_out() -> None:
    rows = {"x": RowSums.of("mean", [1.0, 3.0, 9.0, 5.0], 1, where=np.array([True, True, True, False]))}
    keys = pd.Index(["b", "b", None, "a"], name="sector")
    assert metrics_by(rows, keys) == {"a": {}, "b": {"x": 2.0}}
    pd.testing.assert_frame_equal(
        table_by(rows, keys), pd.DataFrame({"x": [np.nan, 2.0]}, index=pd.Index(["a", "b"], name="sector"))
    )

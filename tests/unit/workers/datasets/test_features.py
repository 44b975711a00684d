"""Features look back only, count sessions, and say how far they look."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import TemplateError
from rollq.workers.datasets.features import FEATURES, check_features, compute, lookback
from tests.synthetic import closes

WINDOWS = (2, 3, 5, 20, 63)
CASES = [(f"{op}_{window}", op, window) for op in FEATURES for window in WINDOWS]


def bits(frame: pd.DataFrame) -> bytes:
    return frame.to_numpy().tobytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_feature_sees_no_future(case: tuple[str, str, int]) -> None:
    prices = closes(150)
    scrambled = prices.copy()
    scrambled.iloc[100:] = closes(150, seed=2).iloc[100:] * 7
    before, after = (next(compute(frame, [case])) for frame in (prices, scrambled))
    assert bits(before.iloc[:100]) == bits(after.iloc[:100])
    assert bits(before.iloc[100:]) != bits(after.iloc[100:])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_feature_reaches_back_as_far_as_it_says_and_no_further(case: tuple[str, str, int]) -> None:
    prices = closes(150)
    first = 149 - lookback([case])
    huge = prices.copy()
    huge.iloc[:first] *= 1e9  # what came before must not even change a rounding
    assert bits(next(compute(prices, [case])).iloc[149:]) == bits(next(compute(huge, [case])).iloc[149:])
    gap = prices.copy()
    gap.iloc[first] = np.nan
    assert next(compute(gap, [case])).iloc[149].isna().all()
    gap = prices.copy()
    gap.iloc[:first] = np.nan
    assert next(compute(gap, [case])).iloc[149].notna().all()


def test_the_formulas() -> None:
    prices = closes(80, 3)
    returns = np.log(prices / prices.shift())
    expected = {
        "momentum": prices.pct_change(7, fill_method=None),
        "volatility": returns.rolling(7).std(),
        "ma_distance": prices / prices.rolling(7).mean() - 1,
        "high_distance": prices / prices.rolling(7).max() - 1,
        "low_distance": prices / prices.rolling(7).min() - 1,
    }
    assert expected.keys() == FEATURES.keys()
    for op, frame in expected.items():
        pd.testing.assert_frame_equal(next(compute(prices, [(op, op, 7)])), frame, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("op", ["volatility", "ma_distance", "high_distance", "low_distance"])
def test_a_gap_is_nan_until_the_window_has_passed(op: str) -> None:
    prices = closes(40, 2)
    prices.iloc[20, 0] = np.nan
    found = next(compute(prices, [(op, op, 5)]))
    touched = lookback([(op, op, 5)]) + 1
    assert found.iloc[20 : 20 + touched, 0].isna().all()
    assert found.iloc[20 + touched :, 0].notna().all()
    assert found.iloc[20:, 1].notna().all()


def test_a_price_that_stands_still_has_no_volatility() -> None:
    prices = closes(30, 1)
    prices.iloc[10:] = 33.3
    assert (next(compute(prices, [("v", "volatility", 5)])).iloc[15:] == 0).all(axis=None)


def test_names_are_op_and_window() -> None:
    found = check_features([{"op": "momentum", "windows": [1, 5]}, {"op": "volatility", "windows": [20]}])
    assert [name for name, _, _ in found] == ["momentum_1", "momentum_5", "volatility_20"]


@pytest.mark.parametrize(
    ("specs", "key", "says"),
    [
        ([], "features", "list"),
        ("momentum", "features", "list"),
        ([{"op": "momentun", "windows": [5]}], "features[0].op", "Did you mean 'momentum'?"),
        ([{"windows": [5]}], "features[0].op", "unknown"),
        ([{"op": "momentum", "window": [5]}], "features[0].window", "Did you mean 'windows'?"),
        ([{"op": "momentum", "windows": [5]}, {"op": "volatility", "windows": 5}], "features[1].windows", "list"),
        ([{"op": "momentum", "windows": [0]}], "features[0].windows", "at least 1"),
        ([{"op": "momentum", "windows": [True]}], "features[0].windows", "at least 1"),
        ([{"op": "volatility", "windows": [1]}], "features[0].windows", "at least 2"),
        ([{"op": "high_distance", "windows": [1]}], "features[0].windows", "at least 2"),
        ([{"op": "momentum", "windows": [5, 5]}], "features", "twice"),
        (["momentum"], "features[0]", "mapping"),
    ],
)
def test_a_wrong_spec_is_named(specs: object, key: str, says: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_features(specs)
    assert caught.value.key == f"dataset.kwargs.{key}"
    assert says in str(caught.value)

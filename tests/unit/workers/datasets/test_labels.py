"""Labels look exactly as far ahead as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import TemplateError
from rollq.workers.datasets.labels import check_label
from tests.synthetic import closes

LABELS: list[dict[str, Any]] = [
    {"op": "forward_return"},
    {"op": "forward_return", "horizon": 1, "start": 0},
    {"op": "forward_return", "horizon": 3, "start": 2},
    {"op": "realized_volatility"},
    {"op": "realized_volatility", "horizon": 10},
]


def test_forward_return_starts_with_the_next_session() -> None:
    prices = closes(30, 2)
    found = check_label({"op": "forward_return", "horizon": 5, "start": 1}).compute(prices)
    assert found.iloc[10, 0] == prices.iloc[16, 0] / prices.iloc[11, 0] - 1


def test_realized_volatility_is_of_the_next_returns() -> None:
    prices = closes(30, 2)
    found = check_label({"op": "realized_volatility", "horizon": 5}).compute(prices)
    returns = np.diff(np.log(prices.iloc[10:16, 0]))  # of sessions 11 to 15
    assert found.iloc[10, 0] == pytest.approx(np.std(returns, ddof=1), rel=1e-9)


@pytest.mark.parametrize("spec", LABELS, ids=str)
def test_lookahead_is_the_last_close_that_matters(spec: dict[str, Any]) -> None:
    label, prices = check_label(spec), closes(60, 3)
    before = label.compute(prices)
    ahead = prices.copy()
    ahead.iloc[30 + label.lookahead + 1 :] *= 3
    pd.testing.assert_series_equal(label.compute(ahead).iloc[30], before.iloc[30], check_exact=True)
    ahead = prices.copy()
    ahead.iloc[30 + label.lookahead] *= 3
    assert (label.compute(ahead).iloc[30] != before.iloc[30]).all()
    assert before.iloc[-label.lookahead :].isna().all(axis=None)
    assert before.iloc[-label.lookahead - 1].notna().all()


def test_a_delisted_instrument_has_no_label_at_its_end() -> None:
    prices = closes(40, 2)
    prices.iloc[20:, 0] = np.nan
    found = check_label({"op": "forward_return", "horizon": 5, "start": 1}).compute(prices)
    assert found.iloc[14:, 0].isna().all()
    assert found.iloc[:14, 0].notna().all()


@pytest.mark.parametrize(
    ("spec", "key", "says"),
    [
        ("forward_return", "label", "mapping"),
        ({"op": "forward_retrun"}, "label.op", "Did you mean 'forward_return'?"),
        ({"op": "forward_return", "horizont": 5}, "label.horizont", "Did you mean 'horizon'?"),
        ({"op": "realized_volatility", "start": 1}, "label.start", "unknown key"),
        ({"op": "forward_return", "horizon": 0}, "label.horizon", "at least 1"),
        ({"op": "forward_return", "start": -1}, "label.start", "at least 0"),
        ({"op": "forward_return", "horizon": 2.5}, "label.horizon", "at least 1"),
        ({"op": "realized_volatility", "horizon": 1}, "label.horizon", "at least 2"),
    ],
)
def test_a_wrong_label_is_named(spec: Any, key: str, says: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_label(spec)
    assert caught.value.key == f"dataset.kwargs.{key}"
    assert says in str(caught.value)

"""Errors of forecasts, against scikit-learn and against their formulas row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn

from rollq.tasks.predictions.forecast_errors import forecast_errors, known_pairs, naive_scale
from rollq.tasks.predictions.pooling import Pooled, metrics_of, pool
from tests.unit.tasks.predictions.rows import halves, random_pairs


def one_by_one(pairs: pd.DataFrame, scale: dict[str, float]) -> dict[str, float]:
    """The formulas, in a loop over rows."""
    rows = [(f, y, scale.get(name, 0.0)) for (_, name), f, y in pairs.itertuples()]
    signed = [(f, y) for f, y, _ in rows if y != 0]
    return {
        "Bias": sum(f - y for f, y, _ in rows) / len(rows),
        "MAPE": sum(abs((f - y) / y) for f, y in signed) / len(signed),
        "sMAPE": sum(2 * abs(f - y) / (abs(f) + abs(y)) if f or y else 0 for f, y, _ in rows) / len(rows),
        "WAPE": sum(abs(f - y) for f, y, _ in rows) / sum(abs(y) for _, y, _ in rows),
        "Hit Rate": sum((f > 0) == (y > 0) and f != 0 for f, y in signed) / len(signed),
        "MASE": np.mean([abs(f - y) / s for f, y, s in rows if s > 0]),
    }


def test_they_are_those_of_scikit_learn_and_of_the_formulas() -> None:
    pairs = random_pairs()
    scale = pd.Series({f"S{number:02d}": float(number) for number in range(10)})  # one is 0, two are unknown
    found = metrics_of(forecast_errors(pairs, scale))
    y, f = pairs["label"], pairs["score"]
    assert found["MAE"] == pytest.approx(sklearn.mean_absolute_error(y, f), rel=1e-12)
    assert found["RMSE"] == pytest.approx(sklearn.root_mean_squared_error(y, f), rel=1e-12)
    assert found["R2"] == pytest.approx(sklearn.r2_score(y, f), rel=1e-12)
    there = y != 0
    assert found["MAPE"] == pytest.approx(sklearn.mean_absolute_percentage_error(y[there], f[there]), rel=1e-12)
    for name, value in one_by_one(pairs, scale.to_dict()).items():
        assert found[name] == pytest.approx(value, rel=1e-12), name


def test_windows_are_pooled_as_if_they_were_one() -> None:
    pairs = random_pairs()
    whole = metrics_of(forecast_errors(pairs))
    parts = [metrics_of(forecast_errors(part)) for part in halves(pairs)]
    joined = pool([{name: value for name, value in part.items() if isinstance(value, Pooled)} for part in parts])
    assert joined == pytest.approx(whole, rel=1e-12)
    assert abs(np.mean([part["RMSE"] for part in parts]) - whole["RMSE"]) > 1e-4  # which a mean of means is not


def test_what_cannot_be_computed_is_left_out() -> None:
    pairs = random_pairs(2, 2).assign(label=0.0, score=0.0)
    assert set(metrics_of(forecast_errors(pairs))) == {"MAE", "RMSE", "Bias", "sMAPE"}
    assert metrics_of(forecast_errors(pairs.iloc[:0])) == {}


def test_rows_without_a_label_or_a_score_do_not_count() -> None:
    pairs = random_pairs(2, 3)
    score, label = pairs["score"].copy(), pairs["label"].copy()
    score.iloc[0], label.iloc[1], label.iloc[2] = np.nan, np.inf, np.nan
    assert known_pairs(score, label).index.equals(pairs.index[3:])


def test_the_scale_is_the_error_of_a_naive_forecast() -> None:
    label = random_pairs(days=20, instruments=2)["label"]
    forecast = label.groupby(level="instrument").shift(5)
    found = naive_scale(label, forecast.sample(frac=1, random_state=1))
    for name, own in label.groupby(level="instrument"):
        values = own.to_list()
        assert found[name] == pytest.approx(np.mean([abs(b - a) for a, b in zip(values, values[5:], strict=False)]))
    assert naive_scale(label, forecast * np.nan).isna().all()


@pytest.mark.parametrize(
    ("train", "missing"),
    [
        ([1.0, -1.0, np.nan], set()),
        ([1.0, 2.0, np.inf, -np.inf], {"Hit Rate"}),
        ([-1.0, -2.0], {"Hit Rate"}),
        ([0.0, 1.0, 2.0], {"Hit Rate", "MAPE"}),
        ([0.0, 1.0, -2.0], {"MAPE"}),
        ([0.0, *[1.0] * 100], {"Hit Rate"}),  # one row in a hundred is left out of MAPE
        ([], {"Hit Rate"}),
    ],
)
def test_metrics_that_say_nothing_of_such_labels_are_left_out(train: list[float], missing: set[str]) -> None:
    pairs = random_pairs()
    everything = set(metrics_of(forecast_errors(pairs)))
    assert everything - set(metrics_of(forecast_errors(pairs, train=pd.Series(train, dtype=float)))) == missing

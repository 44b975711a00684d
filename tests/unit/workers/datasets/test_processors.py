"""Processors learn from train alone, and what they learned is JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import TemplateError
from rollq.workers.datasets import processors
from rollq.workers.datasets.panel import PanelDataset
from tests.synthetic import SEGMENTS, closes, panel

ALL: list[dict[str, Any]] = [{"op": "robust_zscore", "clip": 3}, {"op": "zscore"}, {"op": "fill_na", "value": 0}]


def matrix(rows: int = 500) -> processors.Matrix:
    values = np.random.default_rng(3).normal([5, -2], [3, 0.1], (rows, 2)).astype(np.float32)
    values[7, 0] = np.nan
    return values


def test_zscore_has_mean_0_and_deviation_1_on_train() -> None:
    train = matrix()
    found = processors.apply([{"op": "zscore"}], processors.fit([{"op": "zscore"}], train), train)
    assert found.dtype == np.float32
    assert np.nanmean(found, axis=0) == pytest.approx([0, 0], abs=1e-5)
    assert np.nanstd(found, axis=0) == pytest.approx([1, 1], abs=1e-5)


def test_robust_zscore_is_median_and_median_deviation_clipped() -> None:
    train, spec = matrix(), [{"op": "robust_zscore", "clip": 2}]
    states = processors.fit(spec, train)
    median = np.nanmedian(train.astype(float), axis=0)
    assert states[0]["centre"] == pytest.approx(median)
    assert states[0]["scale"] == pytest.approx(1.4826 * np.nanmedian(np.abs(train.astype(float) - median), axis=0))
    found = processors.apply(spec, states, train)
    assert np.nanmax(found) == 2
    assert np.nanmin(found) == -2


def test_fill_na_fills_and_changes_nothing_else() -> None:
    train = matrix()
    found = processors.apply([{"op": "fill_na", "value": 1.5}], [{}], train)
    assert found[7, 0] == 1.5
    known = ~np.isnan(train)
    assert (found[known] == train[known]).all()


@pytest.mark.parametrize("op", ["zscore", "robust_zscore"])
@pytest.mark.parametrize("value", [4.0, np.nan])
def test_a_feature_that_does_not_vary_is_not_divided_by_zero(op: str, value: float) -> None:
    train = np.full((5, 1), value, dtype=np.float32)
    found = processors.apply([{"op": op}], processors.fit([{"op": op}], train), train)
    assert np.array_equal(found, train - 4 if value == 4 else train, equal_nan=True)


def test_each_is_fitted_on_what_those_before_it_made() -> None:
    train, specs = matrix(), [{"op": "zscore"}, {"op": "zscore"}]
    second = processors.fit(specs, train)[1]
    assert second["centre"] == pytest.approx([0, 0], abs=1e-6)
    assert second["scale"] == pytest.approx([1, 1], abs=1e-6)


def test_nothing_after_train_is_learned_from(tmp_path: Path) -> None:
    prices = closes()
    scrambled = prices.copy()
    after = prices.index > SEGMENTS["train"][1]
    scrambled[after] = closes(seed=5)[after] * 11
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = panel(tmp_path / "one", prices, normalize="none", processors=ALL)
    two = panel(tmp_path / "two", scrambled, normalize="none", processors=ALL)
    pd.testing.assert_frame_equal(one.prepare("train"), two.prepare("train"), check_exact=True)
    assert one.to_config()["fitted"] == two.to_config()["fitted"]


def test_the_state_comes_back_from_json(tmp_path: Path) -> None:
    fitted = panel(tmp_path, normalize="none", processors=ALL)
    expected = fitted.prepare("test")
    config = json.loads(json.dumps(fitted.to_config(), allow_nan=False))
    config["segments"] = {"test": SEGMENTS["test"]}  # a machine that predicts has no train segment
    again = PanelDataset(**config, cache_dir=str(tmp_path / "cache"))
    pd.testing.assert_frame_equal(again.prepare("test"), expected, check_exact=True)


def test_the_state_stays_for_the_same_train_and_goes_for_another(tmp_path: Path) -> None:
    dataset = panel(tmp_path, normalize="none", processors=ALL)
    learned = dataset.to_config()["fitted"]
    assert dataset.config({"test": ["2021-04-01", None]}).to_config()["fitted"] == learned
    assert dataset.config({**SEGMENTS, "test": ["2021-04-01", None]}).to_config()["fitted"] == learned
    other = dataset.config({**SEGMENTS, "train": ["2020-04-01", "2020-10-30"]}).to_config()["fitted"]
    assert other != learned


def test_a_state_of_other_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="fitted"):
        panel(tmp_path, processors=[{"op": "zscore"}], fitted=[{"centre": [0.0], "scale": [1.0]}])
    with pytest.raises(TemplateError, match="fitted"):
        panel(tmp_path, fitted=[{}])


@pytest.mark.parametrize(
    ("specs", "key", "says"),
    [
        ("zscore", "processors", "list"),
        (["zscore"], "processors[0].op", "unknown"),
        ([{"op": "zscroe"}], "processors[0].op", "Did you mean 'zscore'?"),
        ([{"op": "zscore", "clipp": 3}], "processors[0].clipp", "Did you mean 'clip'?"),
        ([{"op": "zscore"}, {"op": "fill_na", "value": "0"}], "processors[1].value", "not a number"),
    ],
)
def test_a_wrong_processor_is_named(specs: Any, key: str, says: str) -> None:
    with pytest.raises(TemplateError) as caught:
        processors.check_processors(specs)
    assert caught.value.key == f"dataset.kwargs.{key}"
    assert says in str(caught.value)

"""Probabilities of classes, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn

from rollq.tasks.predictions.class_metrics import area_by, area_under_curve, class_columns, class_metrics
from rollq.tasks.predictions.pooling import Pooled, metrics_of, pool


def made(classes: int, rows: int = 300) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(classes)
    label = pd.Series(random.integers(0, classes, rows).astype(float))
    raw = random.dirichlet(np.ones(classes), rows) + 0.5 * (label.to_numpy()[:, None] == np.arange(classes))
    return pd.DataFrame((raw / raw.sum(axis=1, keepdims=True)).round(2)).rename(columns=float), label


@pytest.mark.parametrize("classes", [2, 4])
def test_they_are_those_of_scikit_learn(classes: int) -> None:
    p, y = made(classes)
    found = metrics_of(class_metrics(p, y))
    whole = p.div(p.sum(axis=1), axis=0)
    guess = whole.to_numpy().argmax(axis=1)
    two = classes == 2
    score = whole[1.0] if two else whole
    assert found["Log Loss"] == pytest.approx(sklearn.log_loss(y, whole), rel=1e-12)
    brier = np.mean(((whole.to_numpy() - np.eye(classes)[y.astype(int)]) ** 2).sum(axis=1)) / (2 if two else 1)
    assert found["Brier"] == pytest.approx(sklearn.brier_score_loss(y, score) if two else brier, rel=1e-12)
    assert found["Brier"] == pytest.approx(brier, rel=1e-12)
    assert found["Accuracy"] == pytest.approx(sklearn.accuracy_score(y, guess))
    assert found["F1 Macro"] == pytest.approx(sklearn.f1_score(y, guess, average="macro"), rel=1e-12)
    more = {} if two else {"multi_class": "ovr"}
    assert area_under_curve(p, y) == pytest.approx(sklearn.roc_auc_score(y, score, **more), rel=1e-12)


def test_windows_are_pooled_as_if_they_were_one_where_a_class_is_missing_in_one() -> None:
    p, y = made(3)
    order = y.argsort()  # the first window sees other classes than the last one
    p, y = p.iloc[order].reset_index(drop=True), y.iloc[order].reset_index(drop=True)
    parts = [metrics_of(class_metrics(p[rows], y[rows])) for rows in (slice(0, 80), slice(80, None))]
    joined = pool([{name: one for name, one in part.items() if isinstance(one, Pooled)} for part in parts])
    assert joined == pytest.approx(metrics_of(class_metrics(p, y)), rel=1e-12)


def test_what_says_nothing_does_not_count() -> None:
    p, y = made(2, 20)
    worse, unknown = p.copy(), y.copy()
    worse.loc[0, :] = np.nan
    unknown[1] = np.nan
    assert metrics_of(class_metrics(worse, unknown)) == metrics_of(class_metrics(p[2:], y[2:]))
    assert area_under_curve(worse, unknown) == area_under_curve(p[2:], y[2:])
    assert np.isnan(area_under_curve(p, y * 0))


def test_a_class_without_a_column_came_as_a_surprise() -> None:
    p = pd.DataFrame({0.0: [0.5], 1.0: [0.5], 2.0: [0.0]})
    found = metrics_of(class_metrics(p, pd.Series([7.0])))
    assert found["Brier"] == pytest.approx(1.5)
    assert found["Log Loss"] == pytest.approx(-np.log(np.finfo(float).eps))
    assert found["Accuracy"] == 0


def test_columns_are_named_by_their_class() -> None:
    frame = pd.DataFrame(columns=["score", "p_10", "p_2", "p_x"])
    assert class_columns(frame) == {2.0: "p_2", 10.0: "p_10"}


@pytest.mark.parametrize("classes", [2, 3])
def test_the_area_of_each_group_is_that_of_its_rows(classes: int) -> None:
    p, y = made(classes, 60)
    keys = pd.Index(np.arange(60) // 20)
    y[keys == 2] = 0.0
    found = area_by(p, y, keys)
    for key in (0, 1):
        assert found[key] == pytest.approx(area_under_curve(p[keys == key], y[keys == key]))
    assert np.isnan(found[2])

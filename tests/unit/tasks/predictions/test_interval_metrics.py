"""Quantiles and intervals, against scikit-learn and a loop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_pinball_loss

from rollq.tasks.predictions.interval_metrics import interval_metrics, quantile_columns
from rollq.tasks.predictions.pooling import metrics_of
from tests.unit.tasks.predictions.rows import random_pairs


def test_the_loss_is_that_of_scikit_learn_and_intervals_hold_their_labels() -> None:
    pairs = random_pairs()
    outputs = pd.DataFrame({f"q{level}": pairs["score"] + 3 * level - 1 for level in (0.5, 0.9, 0.1, 0.025)})
    columns = quantile_columns(outputs.assign(other=1.0, q5=0.0))
    assert list(columns.items()) == [(0.025, "q0.025"), (0.1, "q0.1"), (0.5, "q0.5"), (0.9, "q0.9")]
    found = metrics_of(interval_metrics(outputs, pairs["label"], columns))
    losses = {level: mean_pinball_loss(pairs["label"], outputs[name], alpha=level) for level, name in columns.items()}
    for level, loss in losses.items():
        assert found[f"Pinball q{level:g}"] == pytest.approx(loss, rel=1e-12)
    assert found["Pinball"] == pytest.approx(np.mean(list(losses.values())), rel=1e-12)
    rows = list(zip(outputs["q0.1"], pairs["label"], outputs["q0.9"], strict=True))
    assert found["Coverage 80%"] == pytest.approx(np.mean([low <= y <= high for low, y, high in rows]))
    assert found["Width 80%"] == pytest.approx(2.4)
    assert not any(name.startswith("Coverage 95") for name in found)  # 0.025 has no counterpart


def test_a_row_without_a_label_or_a_quantile_does_not_count() -> None:
    outputs = pd.DataFrame({"q0.1": [0.0, 0.0, np.nan], "q0.9": [1.0, 1.0, 1.0]})
    label = pd.Series([0.5, np.nan, 5.0])
    found = metrics_of(interval_metrics(outputs, label, quantile_columns(outputs)))
    assert (found["Coverage 80%"], found["Width 80%"]) == (1.0, 1.0)

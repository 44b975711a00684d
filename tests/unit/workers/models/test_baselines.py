"""FeatureModel and MeanModel: what every other model must beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.registry import build
from rollq.tasks.errors import ComponentError, PermanentError, StateError
from rollq.workers.models.feature import FeatureModel
from rollq.workers.models.mean import MeanModel
from rollq.workers.records.signal import SignalRecord
from tests.synthetic import MemoryRecorder, panel
from tests.unit.workers.models.made_dataset import MadeDataset, fitted, rows, said, said_elsewhere, saved


def test_a_feature_is_the_score(tmp_path: Path) -> None:
    dataset = MadeDataset()
    model = fitted(build({"class": "FeatureModel", "kwargs": {"feature": "c", "sign": -1}}, "model"), dataset)
    scores = model.predict(dataset)
    assert scores.name == "score"
    pd.testing.assert_series_equal(scores, -dataset.prepare("test")["c"], check_names=False)
    saved(model, tmp_path / "model")
    saved(fitted(MeanModel(), dataset), tmp_path / "mean")
    models = [(tmp_path / "model", "FeatureModel", "value"), (tmp_path / "mean", "MeanModel", "value")]
    assert said_elsewhere(models) == [said(model, dataset), said(fitted(MeanModel(), dataset), dataset)]


def test_a_feature_that_is_not_there_is_named() -> None:
    with pytest.raises(ComponentError, match=r"model.kwargs.feature: there is no feature 'kinds'. Did you mean 'kind'"):
        FeatureModel("kinds").check_dataset(MadeDataset())
    with pytest.raises(PermanentError, match=r"There is no feature 'kinds'. Did you mean 'kind'"):
        fitted(FeatureModel("kinds"), MadeDataset())
    with pytest.raises(ComponentError, match="no sign"):
        FeatureModel("a", sign=2)


def test_the_mean_is_that_of_train_with_its_weights() -> None:
    frame = rows()
    frame.loc["2024-02-15":, "raw"] = 1e6  # type: ignore[misc]
    weights = pd.Series(np.where(frame["a"] > 0, 3.0, 1.0), index=frame.index)
    dataset = MadeDataset(frame=frame, weights=weights)
    train = frame.loc[:"2024-02-14"]  # type: ignore[misc]
    expected = np.average(train["raw"], weights=weights.loc[train.index])
    assert fitted(MeanModel(), dataset).predict(dataset).unique() == pytest.approx([expected])
    assert fitted(MeanModel(), MadeDataset(frame=frame)).predict(dataset).iloc[0] == pytest.approx(train["raw"].mean())
    with pytest.raises(StateError):
        MeanModel().predict(dataset)


def test_a_constant_that_is_meant_is_recorded(tmp_path: Path) -> None:
    dataset, recorder = panel(tmp_path), MemoryRecorder()
    SignalRecord(fitted(MeanModel(), dataset), dataset, recorder).generate()  # type: ignore[arg-type]
    assert recorder.objects["pred.parquet"]["score"].nunique() == 1

"""CatBoostModel. The package is 300 MB, and so only `make qlib` has it; without it what is said of that is tested."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.source import source_of
from rollq.tasks.errors import ComponentError, LeaseLost, PermanentError
from rollq.workers.models.catboost import CatBoostModel
from rollq.workers.models.learning import packages
from tests.unit.workers.models.made_dataset import MadeDataset, fitted, rows, said, said_elsewhere, saved, sees_after

FEW: dict[str, Any] = {"num_boost_round": 8, "depth": 3}
LOSSES = {
    "mse": "value",
    "mae": "value",
    "huber": "value",
    "quantile": "value",
    "mape": "value",
    "poisson": "count",
    "tweedie": "count",
    "binary": "binary",
    "multiclass": "class",
    "multiclassova": "class",
    "cross_entropy": "share",
    "lambdarank": "value",
}


def test_its_package_is_named_and_a_part_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "catboost" in source_of(CatBoostModel).libraries
    assert "xgboost" not in source_of(CatBoostModel).libraries
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ComponentError, match=r"CatBoostModel needs the package catboost.*'rollq\[catboost\]'"):
        CatBoostModel()
    with pytest.raises(ComponentError, match=r"pip install 'rollq\[catboost\]'"):
        CatBoostModel.load(Path())


if find_spec("catboost") is not None:

    def test_each_loss_learns_the_same_bits_twice_and_says_the_same_in_another_process(tmp_path: Path) -> None:
        found, here = [], []
        for loss, label in LOSSES.items():
            dataset = MadeDataset(label)
            model = fitted(CatBoostModel(loss=loss, **FEW), dataset)
            files = saved(model, tmp_path / loss)
            assert files == saved(fitted(CatBoostModel(objective=loss, **FEW), dataset), tmp_path / f"{loss} again"), (
                loss
            )
            assert files == saved(CatBoostModel.load(tmp_path / loss), tmp_path / f"{loss} loaded"), loss
            truth = dataset.prepare("test", "label")["label"]
            assert model.predict(dataset).corr(truth, method="spearman") > 0.4, loss
            found.append((tmp_path / loss, "CatBoostModel", label))
            here.append(said(model, dataset))
        assert said_elsewhere(found) == here

    def test_it_says_quantiles_and_probabilities() -> None:
        dataset = MadeDataset()
        quantiles = fitted(CatBoostModel(loss="quantile", **FEW), dataset).predict_outputs(dataset)
        assert quantiles is not None
        assert list(quantiles) == ["q0.1", "q0.5", "q0.9"]
        one = fitted(CatBoostModel(loss="quantile", alpha=0.3, **FEW), dataset).predict_outputs(dataset)
        assert list(one) == ["q0.3"]  # type: ignore[arg-type]
        for loss in ("multiclass", "multiclassova"):
            classes = MadeDataset("class")
            model = fitted(CatBoostModel(loss=loss, **FEW), classes)
            outputs = model.predict_outputs(classes)
            assert outputs is not None
            np.testing.assert_allclose(model.predict(classes), outputs.to_numpy() @ np.array([-1, 1, 3]))
        counts = MadeDataset("count")
        assert (fitted(CatBoostModel(loss="poisson", **FEW), counts).predict(counts) > 0).all()

    def test_weights_categories_and_seed_count() -> None:
        frame = rows()
        weights = pd.Series(np.linspace(0.01, 1, len(frame)), index=frame.index)
        for loss in ("mse", "lambdarank"):
            plain = said(fitted(CatBoostModel(loss=loss, **FEW), MadeDataset()), MadeDataset())
            weighted = fitted(CatBoostModel(loss=loss, **FEW), MadeDataset(weights=weights))
            assert said(weighted, MadeDataset()) != plain
        codes = fitted(CatBoostModel(**FEW), MadeDataset())
        numbers = fitted(CatBoostModel(**FEW), MadeDataset(categorical=()))
        assert said(codes, MadeDataset()) != said(numbers, MadeDataset())
        frame["kind"] = np.where(np.arange(len(frame)) % 2, 77.0, np.nan)
        assert np.isfinite(codes.predict(MadeDataset(frame=frame))).all()
        one, two, other = (
            said(fitted(CatBoostModel(**FEW, seed=seed), MadeDataset()), MadeDataset()) for seed in (1, 1, 2)
        )
        assert one == two != other

    def test_it_stops_early_by_the_first_metric_and_at_a_checkpoint() -> None:
        dataset = MadeDataset()
        model = CatBoostModel(num_boost_round=300, early_stopping_rounds=3, metric=["MAE", "RMSE"], learning_rate=0.9)
        model.fit(dataset)
        assert set(model.evals) == {"valid_MAE", "valid_RMSE"}
        best = int(np.argmin(model.evals["valid_MAE"]))
        assert len(model.evals["valid_MAE"]) == best + 4
        assert model._booster is not None
        assert model._booster.tree_count_ == best + 1
        calls: list[int] = []

        def lost() -> None:
            calls.append(1)
            if len(calls) == 4:
                raise LeaseLost("another worker has it")

        with pytest.raises(LeaseLost):
            CatBoostModel(**FEW).fit(dataset, checkpoint=lost)

    def test_statistics_of_categories_are_those_of_train(tmp_path: Path) -> None:
        assert not sees_after(lambda: CatBoostModel(**FEW), tmp_path)
        assert sees_after(lambda: CatBoostModel(**FEW), tmp_path, end="2024-02-16")

    @pytest.mark.parametrize(
        ("params", "key", "says"),
        [
            ({"max_dept": 3}, "max_dept", "no such parameter. Did you mean 'max_depth'"),
            ({"depth": -3}, "depth", "CatBoost refuses it"),
            ({"subsample": 2}, "", "Subsample should be"),
            ({"metric": "nothing"}, "", "CatBoost refuses it"),
            ({"thread_count": 4}, "thread_count", "one thread"),
            ({"iterations": 4}, "iterations", "another name here: num_boost_round"),
            ({"variance_power": 1.2}, "variance_power", "without loss: tweedie"),
            ({"cat_features": [0]}, "cat_features", "dataset.kwargs.categorical"),
            ({"loss": "gamma"}, "loss", "Known: binary"),
        ],
    )
    def test_a_wrong_parameter_is_named(params: dict[str, Any], key: str, says: str) -> None:
        with pytest.raises(ComponentError, match=says) as caught:
            CatBoostModel(**params)
        assert caught.value.key == f"model.kwargs.{key}".rstrip(".")

    def test_parameters_by_feature_fit_the_features_and_labels_the_loss() -> None:
        CatBoostModel(monotone_constraints=[1, 0, 0, 0]).check_dataset(MadeDataset())
        with pytest.raises(ComponentError, match="CatBoost refuses it"):
            CatBoostModel(monotone_constraints=[1, 0, 0, 0, 1]).check_dataset(MadeDataset())
        with pytest.raises(PermanentError, match="loss poisson takes labels 0 or more"):
            fitted(CatBoostModel(loss="poisson"), MadeDataset())
        with pytest.raises(ComponentError, match="cannot start from another"):
            CatBoostModel().fit(MadeDataset(), init_model=CatBoostModel())

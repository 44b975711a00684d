"""XGBModel: every loss, the same bits twice and elsewhere, weights, categories, rankings, functions of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.source import source_of
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ComponentError, LeaseLost, PermanentError
from rollq.workers.models.learning import packages
from rollq.workers.models.xgboost import XGBModel
from tests.unit.workers.models.made_dataset import MadeDataset, fitted, rows, said, said_elsewhere, saved, sees_after

FEW: dict[str, Any] = {"num_boost_round": 8, "max_depth": 3}
LOSSES = {
    "mse": "value",
    "mae": "value",
    "huber": "value",
    "quantile": "value",
    "poisson": "count",
    "tweedie": "count",
    "gamma": "positive",
    "binary": "binary",
    "multiclass": "class",
    "cross_entropy": "share",
    "lambdarank": "value",
}


def test_each_loss_learns_the_same_bits_twice_and_says_the_same_in_another_process(tmp_path: Path) -> None:
    found, here = [], []
    for loss, label in LOSSES.items():
        dataset = MadeDataset(label)
        model = fitted(XGBModel(loss=loss, **FEW), dataset)
        files = saved(model, tmp_path / loss)
        assert files == saved(fitted(XGBModel(objective=loss, **FEW), dataset), tmp_path / f"{loss} again"), loss
        assert files == saved(XGBModel.load(tmp_path / loss), tmp_path / f"{loss} loaded"), loss
        truth = dataset.prepare("test", "label")["label"]
        assert model.predict(dataset).corr(truth, method="spearman") > 0.6, loss
        found.append((tmp_path / loss, "XGBModel", label))
        here.append(said(model, dataset))
    assert said_elsewhere(found) == here


def test_it_says_quantiles_and_probabilities() -> None:
    dataset = MadeDataset()
    quantiles = fitted(XGBModel(loss="quantile", alpha=[0.9, 0.5], **FEW), dataset).predict_outputs(dataset)
    assert quantiles is not None
    assert list(quantiles) == ["q0.5", "q0.9"]
    assert (quantiles["q0.5"] < quantiles["q0.9"]).mean() > 0.9
    one = fitted(XGBModel(loss="quantile", alpha=0.3, **FEW), dataset)
    assert list(one.predict_outputs(dataset)) == ["q0.3"]  # type: ignore[arg-type]
    classes = MadeDataset("class")
    model = fitted(XGBModel(loss="multiclass", **FEW), classes)
    outputs = model.predict_outputs(classes)
    assert outputs is not None
    np.testing.assert_allclose(model.predict(classes), outputs.to_numpy() @ np.array([-1, 1, 3]))
    assert list(outputs) == ["p_-1", "p_1", "p_3"]


def test_weights_categories_and_seed_count(tmp_path: Path) -> None:
    frame = rows()
    weights = pd.Series(np.linspace(0.01, 1, len(frame)), index=frame.index)
    for loss in ("mse", "lambdarank"):
        plain = said(fitted(XGBModel(loss=loss, **FEW), MadeDataset()), MadeDataset())
        assert said(fitted(XGBModel(loss=loss, **FEW), MadeDataset(weights=weights)), MadeDataset()) != plain
    codes = fitted(XGBModel(**FEW), MadeDataset())
    assert said(codes, MadeDataset()) != said(fitted(XGBModel(**FEW), MadeDataset(categorical=())), MadeDataset())
    frame["kind"] = np.where(np.arange(len(frame)) % 2, 77.0, -1.0)
    assert np.isfinite(codes.predict(MadeDataset(frame=frame))).all()
    one, two, other = (
        said(fitted(XGBModel(**FEW, subsample=0.5, seed=seed), MadeDataset()), MadeDataset()) for seed in (1, 1, 2)
    )
    assert one == two != other


def test_it_stops_early_by_the_first_metric_and_at_a_checkpoint() -> None:
    dataset = MadeDataset()
    model = XGBModel(num_boost_round=300, early_stopping_rounds=3, metric=["mae", "rmse"], learning_rate=0.5)
    model.fit(dataset)
    assert set(model.evals) == {"valid_mae", "valid_rmse"}
    best = int(np.argmin(model.evals["valid_mae"]))
    assert len(model.evals["valid_mae"]) == best + 4
    assert model._booster is not None
    assert model._booster.num_boosted_rounds() == best + 1
    calls: list[int] = []

    def lost() -> None:
        calls.append(1)
        if len(calls) == 4:
            raise LeaseLost("another worker has it")

    with pytest.raises(LeaseLost):
        XGBModel(**FEW).fit(dataset, checkpoint=lost)


def test_a_warm_start_adds_rounds() -> None:
    dataset = MadeDataset()
    first, second = fitted(XGBModel(**FEW), dataset), XGBModel(**FEW)
    second.fit(dataset, init_model=first)
    assert second._booster is not None
    assert second._booster.num_boosted_rounds() == 2 * FEW["num_boost_round"]
    with pytest.raises(PermanentError, match="other classes or quantiles"):
        XGBModel(loss="quantile", **FEW).fit(dataset, init_model=first)


def test_nothing_after_train_is_learned_from(tmp_path: Path) -> None:
    for loss in ("mse", "lambdarank"):
        assert not sees_after(lambda loss=loss: XGBModel(loss=loss, **FEW), tmp_path / loss)  # type: ignore[misc]
    assert sees_after(lambda: XGBModel(**FEW), tmp_path, end="2024-02-16")


@pytest.mark.parametrize(
    ("params", "key", "says"),
    [
        ({"max_dept": 3}, "max_dept", "no such parameter.*Did you mean 'max_depth'"),
        ({"los": "mse"}, "los", "Did you mean 'loss'"),
        ({"num_leaves": 31}, "num_leaves", "no such parameter"),
        ({"max_depth": -3}, "max_depth", "XGBoost refuses it: value -3"),
        ({"eta": "x"}, "", "XGBoost refuses it: Invalid Parameter format for learning_rate"),
        ({"subsample": 2}, "subsample", "exceed bound"),
        ({"metric": "nothing"}, "", "Unknown metric function nothing"),
        ({"nthread": 4}, "nthread", "one thread"),
        ({"eval_metric": "mae"}, "eval_metric", "another name here: metric"),
        ({"alpha": 1.0}, "alpha", "reg_alpha"),
        ({"booster": "gblinear"}, "booster", "gbtree or dart"),
        ({"loss": "fair"}, "loss", "Known: binary"),
        ({"loss": "quantile", "alpha": [2]}, "alpha", "no quantiles"),
        ({"grades": 3}, "grades", "a loss that ranks"),
        ({"num_boost_round": 0}, "num_boost_round", "above 0"),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(ComponentError, match=says) as caught:
        XGBModel(**params)
    assert caught.value.key == f"model.kwargs.{key}".rstrip(".")


def test_parameters_by_feature_fit_the_features_and_labels_the_loss() -> None:
    both = XGBModel(monotone_constraints=[1, 0, 0, 0], interaction_constraints=[[0], [1, 2, 3]], **FEW)
    both.check_dataset(MadeDataset())
    fitted(both, MadeDataset())
    with pytest.raises(ComponentError, match="XGBoost refuses it"):
        XGBModel(monotone_constraints=[1, 0, 0, 0, 1]).check_dataset(MadeDataset())
    with pytest.raises(ComponentError, match="early_stopping_rounds needs a segment valid"):
        XGBModel(early_stopping_rounds=3).check_dataset(MadeDataset(segments={"train": ["2024-01-01", "2024-02-14"]}))
    with pytest.raises(PermanentError, match="loss gamma takes labels above 0"):
        fitted(XGBModel(loss="gamma"), MadeDataset("count"))


OWN = """
class Squared:
    def __call__(self, prediction, label, weight):
        return prediction - label, 0 * label + 1


class Far:
    def __call__(self, prediction, label, weight):
        return abs(prediction - label).max()
"""


def test_a_loss_and_a_metric_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ROLLQ_COMPONENTS", "my_parts:Squared,my_parts:Far")
    current_settings.cache_clear()
    try:
        model = XGBModel(loss="Squared", metric=["rmse", "Far"], early_stopping_rounds=2, **FEW)
        model.fit(MadeDataset())
        assert set(model.evals) == {"valid_rmse", "valid_Far"}
        alone = XGBModel(metric="Far", **FEW)
        alone.fit(MadeDataset())
        assert set(alone.evals) == {"valid_Far"}
        kwargs = {"loss": "Squared", "metric": ["rmse", "Far"]}
        assert set(XGBModel.inner_components(kwargs)) == {"loss", "metric[0]"}
        saved(model, tmp_path / "model")
        assert said(XGBModel.load(tmp_path / "model"), MadeDataset()) == said(model, MadeDataset())
    finally:
        sys.modules.pop("my_parts", None)
        monkeypatch.undo()
        current_settings.cache_clear()


def test_its_package_is_named_and_a_part_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "xgboost" in source_of(XGBModel).libraries
    assert "sklearn" not in source_of(XGBModel).libraries
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ComponentError, match=r"XGBModel needs the package xgboost.*pip install 'rollq\[xgboost\]'"):
        XGBModel()

"""Every loss of LGBModel: what it takes and says, the same bits twice and elsewhere, weights, categories, own ones."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.user_code import place_of
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ComponentError, PermanentError
from rollq.tasks.ingredients.ingredients import sources_of
from rollq.workers.models.lightgbm import LGBModel
from rollq.workers.models.ridge import RidgeModel
from tests.unit.workers.models.made_dataset import (
    NAMES,
    MadeDataset,
    fitted,
    rows,
    said,
    said_elsewhere,
    saved,
    sees_after,
)

FEW: dict[str, Any] = {"num_boost_round": 8, "num_leaves": 7, "min_data_in_leaf": 10}
LOSSES = {
    "mse": "value",
    "mae": "value",
    "huber": "value",
    "fair": "value",
    "quantile": "value",
    "mape": "value",
    "poisson": "count",
    "tweedie": "count",
    "gamma": "positive",
    "binary": "binary",
    "multiclass": "class",
    "multiclassova": "class",
    "cross_entropy": "share",
    "cross_entropy_lambda": "share",
    "lambdarank": "value",
    "rank_xendcg": "grade",
}


def truth(dataset: Dataset) -> pd.Series:
    return dataset.prepare("test", "label")["label"]


def test_each_loss_learns_the_same_bits_twice_and_says_the_same_in_another_process(tmp_path: Path) -> None:
    found, here = [], []
    for loss, label in LOSSES.items():
        dataset = MadeDataset(label)
        model = fitted(LGBModel(loss=loss, **FEW), dataset)
        again = fitted(LGBModel(objective=loss, **FEW), dataset)
        assert saved(model, tmp_path / loss) == saved(again, tmp_path / f"{loss} again"), loss
        scores = model.predict(dataset)
        assert scores.corr(truth(dataset), method="spearman") > 0.6, loss
        found.append((tmp_path / loss, "LGBModel", label))
        here.append(said(model, dataset))
    assert said_elsewhere(found) == here


def test_quantiles_are_a_booster_each_and_the_median_is_the_score(tmp_path: Path) -> None:
    dataset = MadeDataset()
    model = fitted(LGBModel(loss="quantile", alpha=[0.9, 0.1, 0.45], num_boost_round=40), dataset)
    outputs = model.predict_outputs(dataset)
    assert outputs is not None
    assert list(outputs) == ["q0.1", "q0.45", "q0.9"]
    assert outputs.index.equals(dataset.prepare("test").index)
    assert outputs["q0.45"].equals(model.predict(dataset).rename("q0.45"))
    below = {name: (dataset.prepare("train", "label")["label"] < column).mean() for name, column in _train(model)}
    assert below["q0.1"] < 0.2 < 0.35 < below["q0.45"] < 0.6 < 0.8 < below["q0.9"]
    names = saved(model, tmp_path / "model")
    assert {"model.txt", "model_q0.1.txt", "model_q0.9.txt"} <= set(names)
    assert set(model.evals) == {f"valid_quantile_{name}" for name in outputs}  # type: ignore[attr-defined]


def _train(model: Any) -> list[tuple[str, pd.Series]]:
    return list(model.predict_outputs(MadeDataset(), "train").items())


def test_classes_keep_their_values() -> None:
    dataset = MadeDataset("class")
    model = fitted(LGBModel(loss="multiclass", **FEW), dataset)
    outputs = model.predict_outputs(dataset)
    assert outputs is not None
    assert list(outputs) == ["p_-1", "p_1", "p_3"]
    np.testing.assert_allclose(outputs.sum(axis=1), 1)
    expected = -outputs["p_-1"] + outputs["p_1"] + 3 * outputs["p_3"]
    np.testing.assert_allclose(model.predict(dataset), expected)
    assert model.predict(dataset).between(-1, 3).all()
    # A loss that says nothing more has no outputs.
    assert fitted(LGBModel(**FEW), MadeDataset()).predict_outputs(dataset) is None


def test_two_classes_have_the_probability_of_one() -> None:
    dataset = MadeDataset("binary")
    model = fitted(LGBModel(loss="binary", **FEW), dataset)
    outputs = model.predict_outputs(dataset)
    assert outputs is not None
    assert list(outputs) == ["p_0", "p_1"]
    assert outputs["p_1"].equals(model.predict(dataset).rename("p_1"))


def test_a_class_that_train_lacks_is_left_out_of_valid(caplog: pytest.LogCaptureFixture) -> None:
    frame = rows()
    frame.loc["2024-02-16":"2024-02-18", "raw"] = 50  # type: ignore[misc]
    low = frame["raw"].where(frame["raw"] > 49, np.minimum(frame["raw"], 1))
    with caplog.at_level(logging.WARNING):
        fitted(LGBModel(loss="multiclass", **FEW), MadeDataset("class", frame=frame.assign(raw=low)))
    assert f"{3 * NAMES} rows of valid are of classes that train does not have" in caplog.text


def test_grades_are_made_within_each_time() -> None:
    """A day on which everything rises teaches a ranking nothing; one whose order is another one does."""
    frame = rows()
    lifted, turned = frame.copy(), frame.copy()
    days = slice("2024-01-10", "2024-01-20")
    lifted.loc[days, "raw"] += 7  # type: ignore[index]
    turned.loc[days, "raw"] *= -1  # type: ignore[index]
    models = [
        fitted(LGBModel(loss="lambdarank", grades=4, **FEW), MadeDataset(frame=one)) for one in (frame, lifted, turned)
    ]
    plain, up, other = (said(model, MadeDataset()) for model in models)
    assert plain == up
    assert plain != other


def test_weights_count() -> None:
    frame = rows()
    half = frame.index.get_level_values("instrument") < "S06"
    frame.loc[half, "raw"] = -frame.loc[half, "raw"]
    weights = pd.Series(np.where(half, 1e-3, 1.0), index=frame.index)
    for loss in ("mse", "lambdarank"):
        dataset = MadeDataset(frame=frame, weights=weights)
        plain = fitted(LGBModel(loss=loss, **FEW), MadeDataset(frame=frame)).predict(dataset)
        weighted = fitted(LGBModel(loss=loss, **FEW), dataset).predict(dataset)
        right = truth(dataset)[~half[-len(plain) :]]
        assert weighted.loc[right.index].corr(right) > plain.loc[right.index].corr(right) + 0.1


def test_codes_are_categories_and_an_unknown_one_is_no_error() -> None:
    dataset, numbers = MadeDataset(), MadeDataset(categorical=())
    model = fitted(LGBModel(**FEW), dataset)
    assert said(model, dataset) != said(fitted(LGBModel(**FEW), numbers), dataset)
    assert model._booster.model_to_string().count("num_cat=0") < FEW["num_boost_round"]  # type: ignore[attr-defined]
    frame = rows()
    frame["kind"] = np.where(np.arange(len(frame)) % 2, 77.0, -1.0)
    assert np.isfinite(model.predict(MadeDataset(frame=frame))).all()


def test_importance_is_kept_by_name(tmp_path: Path) -> None:
    files = saved(fitted(LGBModel(**FEW), MadeDataset()), tmp_path / "model")
    found = json.loads(files["importance.json"])
    assert set(found) == {"gain", "split"}
    assert set(found["gain"]) == {"a", "b", "c", "kind"}
    assert next(iter(found["gain"])) in {"a", "kind"}
    assert list(found["gain"].values()) == sorted(found["gain"].values(), reverse=True)


@pytest.mark.parametrize(
    ("loss", "label", "says"),
    [
        ("poisson", "value", r"takes labels 0 or more; train has -.* \(2024-01-.* S\d\d\)"),
        ("tweedie", "value", "takes labels 0 or more"),
        ("gamma", "count", "takes labels above 0; train has 0.0"),
        ("binary", "class", "takes labels 0 or 1"),
        ("cross_entropy", "count", "takes labels from 0 to 1"),
        ("multiclass", "value", "different values in train, too many to be classes"),
    ],
)
def test_a_label_that_a_loss_does_not_take_is_named_before_training(loss: str, label: str, says: str) -> None:
    with pytest.raises(PermanentError, match=says) as caught:
        LGBModel(loss=loss).fit(MadeDataset(label))
    assert caught.value.fix


def test_what_lightgbm_finds_later_is_permanent() -> None:
    short = LGBModel(loss="lambdarank", label_gain=[0, 1, 3], **FEW)
    with pytest.raises(PermanentError, match=r"LightGBM cannot train it: Label \d is not less than"):
        fitted(short, MadeDataset("grade"))


def test_a_label_that_says_it_is_a_return_is_refused_before_anything_is_read() -> None:
    class Returns(MadeDataset):
        label_kind = "return"

    with pytest.raises(ComponentError, match="the label is a return"):
        LGBModel(loss="poisson").check_dataset(Returns())
    LGBModel(loss="poisson").check_dataset(MadeDataset("count"))
    LGBModel(loss="lambdarank").check_dataset(Returns())


@pytest.mark.parametrize(
    ("params", "key", "says"),
    [
        ({"loss": "quantile", "alpha": [0.1, 1.0]}, "alpha", "no quantiles"),
        ({"loss": "quantile", "alpha": "0.5"}, "alpha", "no quantiles"),
        ({"grades": 5}, "grades", "without a loss that ranks"),
        ({"loss": "lambdarank", "grades": 1}, "grades", "no number of grades"),
        ({"loss": "binary", "metric": "ndcg"}, "metric", "'ndcg' is unknown here"),
        ({"loss": "multiclass", "metric": "l2"}, "metric", "multi_logloss"),
        ({"loss": "tweedie", "tweedie_variance_power": 2.5}, "tweedie_variance_power", "at most 2"),
        ({"loss": "poisson", "is_unbalance": True}, "is_unbalance", "loss: binary"),
        ({"loss": "rank_xendcg", "lambdarank_norm": True}, "lambdarank_norm", "loss: lambdarank"),
        ({"loss": "lambdarank", "boost_from_average": True}, "boost_from_average", "ranks have no average"),
        ({"loss": "huber", "reg_sqrt": True}, "reg_sqrt", "another loss"),
        ({"loss": {"class": "Nobody"}}, "loss", "not registered"),
    ],
)
def test_what_does_not_go_together_is_named(params: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(ComponentError, match=says) as caught:
        LGBModel(**params)
    assert str(caught.value.key).startswith(f"model.kwargs.{key}")


@pytest.mark.parametrize(
    ("loss", "label", "params"),
    [
        ("binary", "binary", {"metric": ["auc", "l2"], "scale_pos_weight": 2}),
        ("binary", "binary", {"bagging_freq": 1, "pos_bagging_fraction": 0.5, "neg_bagging_fraction": 0.9}),
        ("multiclass", "class", {"metric": "auc_mu", "auc_mu_weights": [0, 1, 1, 1, 0, 1, 1, 1, 0]}),
        ("lambdarank", "value", {"eval_at": [2], "label_gain": [0, 1, 3, 7, 15], "early_stopping_rounds": 2}),
        ("lambdarank", "value", {"bagging_by_query": True, "bagging_freq": 1, "bagging_fraction": 0.5}),
        ("tweedie", "count", {"tweedie_variance_power": 1.2, "metric": "poisson,l2"}),
        ("quantile", "value", {"alpha": 0.3, "early_stopping_rounds": 2}),
        ("mse", "value", {"cat_l2": 3, "max_cat_to_onehot": 2}),
    ],
)
def test_what_goes_together_trains(loss: str, label: str, params: dict[str, Any]) -> None:
    dataset = MadeDataset(label)
    model = LGBModel(loss=loss, **{**FEW, **params})
    model.check_dataset(dataset)
    assert np.isfinite(fitted(model, dataset).predict(dataset)).all()


def test_a_warm_start_goes_on_with_each_booster() -> None:
    dataset = MadeDataset("class")
    first = fitted(LGBModel(loss="multiclass", **FEW), dataset)
    second = LGBModel(loss="multiclass", **FEW)
    second.fit(dataset, init_model=first)
    assert second._booster is not None
    assert second._booster.num_trees() == 2 * FEW["num_boost_round"] * 3
    with pytest.raises(PermanentError, match="other classes or quantiles"):
        LGBModel(loss="quantile", **FEW).fit(MadeDataset(), init_model=first)
    with pytest.raises(ComponentError, match="cannot start from a RidgeModel"):
        LGBModel(**FEW).fit(dataset, init_model=RidgeModel())


OWN = """
class Squared:
    def __init__(self, factor=1.0):
        self.factor = factor

    def __call__(self, prediction, label, weight):
        weight = 1.0 if weight is None else weight
        return self.factor * weight * (prediction - label), weight + 0 * label


class Hits:
    higher_is_better = True

    def __call__(self, prediction, label, weight):
        return float(((prediction > 0) == (label > 0)).mean())


class Broken:
    def __call__(self, prediction, label, weight):
        return prediction.nothing


class Short:
    def __call__(self, prediction, label, weight):
        return prediction[:3], prediction[:3]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "my_losses.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ",".join(f"my_losses:{name}" for name in ("Squared", "Hits", "Broken", "Short"))
    monkeypatch.setenv("ROLLQ_COMPONENTS", names)
    current_settings.cache_clear()
    yield tmp_path
    sys.modules.pop("my_losses", None)
    current_settings.cache_clear()


def test_a_loss_and_a_metric_of_ones_own(own: Path) -> None:
    dataset = MadeDataset()
    model = LGBModel(loss={"class": "Squared", "kwargs": {"factor": 0.9}}, metric=["l2", "Hits"], **FEW)
    model.fit(dataset)
    assert set(model.evals) == {"valid_l2", "valid_Hits"}
    assert model.predict(dataset).corr(truth(dataset)) > 0.7
    before = saved(model, own / "model")
    loaded = LGBModel.load(own / "model")
    assert said(loaded, dataset) == said(model, dataset)
    assert saved(loaded, own / "again") == before
    stopped = LGBModel(metric="Hits", early_stopping_rounds=3, **{**FEW, "num_boost_round": 60})
    stopped.fit(dataset)
    assert set(stopped.evals) == {"valid_Hits"}
    assert len(stopped.evals["valid_Hits"]) < 60
    with pytest.raises(ComponentError, match="stands before"):
        LGBModel(metric=["Hits", "l2"])


def test_an_error_in_a_loss_of_ones_own_is_its_own(own: Path) -> None:
    with pytest.raises(AttributeError, match="nothing") as caught:
        LGBModel(loss="Broken", **FEW).fit(MadeDataset())
    assert place_of(caught.value).endswith("my_losses.py, line 20, in __call__")
    with pytest.raises(PermanentError, match=r"The loss Short returned arrays of \(3,\)"):
        LGBModel(loss="Short", **FEW).fit(MadeDataset())
    with pytest.raises(ComponentError, match=r"model.kwargs.loss.kwargs.facto: Squared has no parameter"):
        LGBModel(loss={"class": "Squared", "kwargs": {"facto": 1}})


def test_the_source_of_a_loss_of_ones_own_is_a_part_of_the_task(own: Path) -> None:
    extra = current_settings().components
    dataset = {"class": "PanelDataset", "kwargs": {}}
    model = {"class": "LGBModel", "kwargs": {"loss": "Squared", "metric": "Hits"}}
    found = sources_of({"model": model, "dataset": dataset}, extra)
    assert found["model.kwargs.loss"].target == "my_losses:Squared"
    assert found["model.kwargs.metric[0]"].own
    before = found["model.kwargs.loss"].sha256
    (own / "my_losses.py").write_text(OWN.replace("prediction - label", "label - prediction"))
    assert sources_of({"model": model, "dataset": dataset}, extra)["model.kwargs.loss"].sha256 != before


@pytest.mark.parametrize(
    ("loss", "label"), [("lambdarank", "value"), ("multiclass", "class"), ("quantile", "value"), ("tweedie", "count")]
)
def test_nothing_after_train_is_learned_from(loss: str, label: str, tmp_path: Path) -> None:
    assert not sees_after(lambda: LGBModel(loss=loss, **FEW), tmp_path, label)
    assert sees_after(lambda: LGBModel(loss=loss, **FEW), tmp_path, label, end="2024-02-16")

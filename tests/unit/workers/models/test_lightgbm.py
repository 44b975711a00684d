"""LGBModel: the same bits every time, nothing learned from outside train, bad parameters refused by name."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import ComponentError, LeaseLost, PermanentError, StateError
from rollq.workers.models.lightgbm import FIXED, LGBModel
from tests.synthetic import SEGMENTS, closes, panel

PARAMS: dict[str, Any] = {
    "num_boost_round": 15,
    "num_leaves": 7,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
}


def digest(predictions: pd.Series) -> str:
    return hashlib.sha256(predictions.to_numpy().tobytes()).hexdigest()


def fitted(folder: Path, prices: pd.DataFrame | None = None, **changes: Any) -> tuple[LGBModel, Any]:
    dataset, model = panel(folder, prices), LGBModel(**{**PARAMS, **changes})
    model.fit(dataset)
    return model, dataset


def test_predictions_are_scores_of_the_segment(tmp_path: Path) -> None:
    model, dataset = fitted(tmp_path)
    scores = model.predict(dataset)
    assert scores.name == "score"
    assert scores.index.equals(dataset.prepare("test").index)
    assert scores.index.is_monotonic_increasing
    assert scores.nunique() > 20
    assert np.isfinite(scores).all()


SCRIPT = """
import sys
from pathlib import Path
from tests.unit.workers.models.test_lightgbm import digest, fitted
model, dataset = fitted(Path(sys.argv[1]))
print(digest(model.predict(dataset)))
"""


def test_two_processes_predict_the_same_bits(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / name)],
            cwd=Path(__file__).parents[4],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        found.append(ran.stdout.split()[-1])
    assert found[0] == found[1]
    (tmp_path / "three").mkdir()
    model, dataset = fitted(tmp_path / "three", seed=8)
    assert digest(model.predict(dataset)) != found[0]


def test_a_loaded_model_predicts_the_same_bits(tmp_path: Path) -> None:
    model, dataset = fitted(tmp_path, num_boost_round=40, early_stopping_rounds=3)
    assert len(model.evals["valid_l2"]) < 40  # it did stop early: the best round must be kept too
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "MLmodel",
        "importance.json",
        "model.txt",
        "params.json",
        "python_env.yaml",
        "requirements.txt",
    ]
    assert digest(LGBModel.load(folder).predict(dataset)) == digest(model.predict(dataset))


def test_train_labels_are_learned_from(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    one, dataset = fitted(tmp_path)
    prices = closes()
    prices.loc["2020-09-01":] *= np.linspace(1, 3, 12)  # type: ignore[misc]
    two, _ = fitted(tmp_path / "two", prices)
    assert digest(one.predict(dataset)) != digest(two.predict(dataset))


def test_the_checkpoint_is_called_every_round_and_stops_it(tmp_path: Path) -> None:
    calls = []
    dataset = panel(tmp_path)
    LGBModel(**PARAMS).fit(dataset, checkpoint=lambda: calls.append(1))
    assert len(calls) == 1 + PARAMS["num_boost_round"]

    def lost() -> None:
        calls.append(1)
        if len(calls) == 5:
            raise LeaseLost("another worker has it")

    calls.clear()
    model = LGBModel(**PARAMS)
    with pytest.raises(LeaseLost):
        model.fit(dataset, checkpoint=lost)
    with pytest.raises(StateError):
        model.predict(dataset)


def test_evals_are_the_losses_by_round(tmp_path: Path) -> None:
    model, dataset = fitted(tmp_path)
    assert list(model.evals) == ["valid_l2"]
    assert len(model.evals["valid_l2"]) == PARAMS["num_boost_round"]
    error = model.predict(dataset, "valid") - dataset.prepare("valid", "label")["label"]
    assert model.evals["valid_l2"][-1] == pytest.approx(float((error**2).mean()), rel=1e-5)


def test_rows_without_a_label_are_left_out_of_train_and_kept_in_test(tmp_path: Path) -> None:
    prices = closes(280)  # ends within valid's last sessions
    segments = {"train": ["2020-03-02", None], "test": ["2021-01-18", None]}
    dataset = panel(tmp_path, prices, segments=segments)
    assert dataset.prepare("train", "label")["label"].isna().any()
    model = LGBModel(**PARAMS)
    model.fit(dataset)
    assert len(model.predict(dataset)) == len(dataset.prepare("test"))


def test_early_stopping_needs_valid(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="early_stopping_rounds needs a segment valid"):
        LGBModel(early_stopping_rounds=5).fit(panel(tmp_path, segments={"train": SEGMENTS["train"]}))


def test_it_runs_on_one_thread_and_is_deterministic() -> None:
    assert FIXED["num_threads"] == 1
    assert FIXED["deterministic"] is True
    assert FIXED["force_col_wise"] is True


@pytest.mark.parametrize(
    ("params", "key", "says"),
    [
        ({"loss": "msee"}, "loss", "mse"),
        ({"num_leafs": 31}, "num_leafs", "Did you mean 'num_leaves'?"),
        ({"learningrate": 0.1}, "learningrate", "Did you mean 'learning_rate'?"),
        ({"num_threads": 8}, "num_threads", "set by rollq to 1"),
        ({"n_jobs": 8}, "n_jobs", "set by rollq to 1"),
        ({"deterministic": False}, "deterministic", "set by rollq"),
        ({"n_estimators": 9}, "n_estimators", "num_boost_round"),
        ({"objective": "binary", "loss": "mae"}, "objective", "the same as 'loss'"),
        ({"objective": "binry"}, "objective", "Did you mean 'binary'?"),
        ({"random_state": 1}, "random_state", "seed"),
        ({"early_stopping_round": 1}, "early_stopping_round", "early_stopping_rounds"),
        ({"num_boost_round": 0}, "num_boost_round", "above 0"),
        ({"early_stopping_rounds": -1}, "early_stopping_rounds", "above 0"),
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(ComponentError) as caught:
        LGBModel(**params)
    assert caught.value.key == f"model.kwargs.{key}"
    assert says in str(caught.value)


def test_other_names_that_lightgbm_knows_are_taken(tmp_path: Path) -> None:
    fitted(tmp_path, reg_alpha=0.1, lambda_l2=1.0, max_depth=4)


@pytest.mark.parametrize(
    ("params", "key", "says"),
    [
        ({"num_leaves": 1}, "num_leaves", "at least 2"),
        ({"num_leaves": 31.0}, "num_leaves", "whole number"),
        ({"num_leaves": "063"}, "num_leaves", "whole number"),
        ({"max_leaves": True}, "max_leaves", "whole number"),
        ({"learning_rate": 0}, "learning_rate", "above 0"),
        ({"eta": math.inf}, "eta", "not possible"),
        ({"learning_rate": "1e-1"}, "learning_rate", "not possible"),
        ({"subsample": 1.5, "bagging_freq": 1}, "subsample", "at most 1"),
        ({"min_data_in_leaf": 2.5}, "min_data_in_leaf", "whole number"),
        ({"max_depth": 0}, "max_depth", "-1: no limit"),
        ({"bagging_seed": 2**31, "bagging_freq": 1, "bagging_fraction": 0.5}, "bagging_seed", "not possible"),
        ({"boosting": "gbdtt"}, "boosting", "Did you mean 'gbdt'?"),
        ({"extra_trees": "yes"}, "extra_trees", "true or false"),
        ({"extra_trees": 1}, "extra_trees", "true or false"),
        ({"metric": "rmsee"}, "metric", "Did you mean 'rmse'?"),
        ({"metric": ["l2", "auc"]}, "metric", "'auc' is unknown here"),
        ({"max_delta_step": {"a": 1}}, "max_delta_step", "no number"),
        ({"device": "gpu"}, "device", "Known: cpu"),
        ({"monotone_constraints": [2, 0]}, "monotone_constraints", "-1, 0 and 1"),
        ({"interaction_constraints": "[0,1]"}, "interaction_constraints", "list of groups"),
        # two that do not go together
        ({"eta": 0.1, "learning_rate": 0.1}, "learning_rate", "the same as 'eta'"),
        ({"num_leaves": 255, "max_depth": 3}, "num_leaves", "at most 8 leaves"),
        ({"boosting": "rf", "bagging_freq": 0}, "bagging_freq", "LightGBM refuses it"),
        ({"boosting": "goss", "bagging_freq": 1, "bagging_fraction": 0.5}, "", "Cannot use bagging in GOSS"),
        ({"data_sample_strategy": "goss", "top_rate": 0.9, "other_rate": 0.5}, "", "LightGBM refuses it"),
        ({"loss": "mae", "linear_tree": True}, "", "linear trees"),
        # what has no effect
        ({"weight": 3}, "weight", "no effect"),
        ({"group_column": "name:day"}, "group_column", "no effect"),
        ({"tweedie_variance_power": 1.5}, "tweedie_variance_power", "objective"),
        ({"categorical_feature": [0]}, "categorical_feature", "categories"),
        ({"num_class": 3}, "num_class", "counts the classes"),
        ({"machines": "a:1,b:2"}, "machines", "one machine"),
        ({"predict_contrib": True}, "predict_contrib", "prediction"),
        ({"alpha": 0.5}, "alpha", "loss: huber"),
        ({"bagging_fraction": 0.5}, "bagging_fraction", "bagging_freq"),
        ({"bagging_freq": 5}, "bagging_freq", "bagging_fraction"),
        ({"drop_rate": 0.1}, "drop_rate", "boosting: dart"),
        ({"boosting": "dart", "early_stopping_rounds": 5}, "early_stopping_rounds", "dart"),
        ({"boosting": "rf", "feature_fraction": 0.5, "learning_rate": 0.1}, "learning_rate", "rf"),
        ({"top_rate": 0.5}, "top_rate", "goss"),
        ({"linear_lambda": 1}, "linear_lambda", "linear_tree"),
        ({"extra_seed": 3}, "extra_seed", "extra_trees"),
        ({"mc_penalty": 1}, "mc_penalty", "monotone_constraints"),
        ({"seed": True}, "seed", "no seed"),
    ],
)
def test_values_are_looked_at_alone_and_together(params: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(ComponentError) as caught:
        LGBModel(**params)
    assert caught.value.key == f"model.kwargs.{key}".rstrip(".")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "huber", "alpha": 0.5},
        {"boosting_type": "dart", "drop_rate": 0.2},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"data_sample_strategy": "goss", "top_rate": 0.3},
        {"linear_tree": True, "linear_lambda": 0.1, "extra_trees": True, "extra_seed": 2},
        {"metric": ["rmse", "quantile"], "alpha": 0.3, "path_smooth": 0.5, "num_leaves": None},
        {
            "monotone_constraints": [1] * 6,
            "monotone_constraints_method": "advanced",
            "interaction_constraints": [[0, 1]],
        },
        {"use_quantized_grad": True, "num_grad_quant_bins": 8, "learning_rate": 1, "max_depth": 3, "num_leaves": 8},
    ],
)
def test_values_that_go_together_train(params: dict[str, Any], tmp_path: Path) -> None:
    fitted(tmp_path, **{"bagging_freq": None, "bagging_fraction": None, **params})


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"monotone_constraints": [1, 0]}, "monotone_constraints: LightGBM refuses it"),
        ({"mc": [1] * 40}, "mc: LightGBM refuses it"),
        ({"max_bin_by_feature": [9]}, "max_bin_by_feature: LightGBM refuses it"),
        ({"interaction_constraints": [[0, 99]]}, "interaction_constraints: there are"),
        ({"cat_l2": 1}, "cat_l2: it has no effect: it is for categories"),
    ],
)
def test_parameters_by_feature_fit_the_features(params: dict[str, Any], says: str, tmp_path: Path) -> None:
    model = LGBModel(**params)
    with pytest.raises(ComponentError, match=says):
        model.check_dataset(panel(tmp_path))


def test_early_stopping_without_valid_is_refused_before_anything_is_enqueued(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match="early_stopping_rounds needs a segment valid"):
        LGBModel(early_stopping_rounds=5).check_dataset(panel(tmp_path, segments={"train": SEGMENTS["train"]}))


def test_what_serves_is_loaded_whatever_would_be_refused_today(tmp_path: Path) -> None:
    model, dataset = fitted(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    text = (folder / "params.json").read_text()
    (folder / "params.json").write_text(text.replace('"num_leaves": 7', '"weight": 1, "num_leaves": 7'))
    assert digest(LGBModel.load(folder).predict(dataset)) == digest(model.predict(dataset))

"""LGBModel: the same bits every time, nothing learned from outside train, bad parameters refused by name."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.errors import ComponentError, LeaseLost, PermanentError, StateError
from tests.unit.synthetic import SEGMENTS, closes, panel
from workers.models.lightgbm import FIXED, LGBModel

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
from tests.unit.test_lightgbm_model import digest, fitted
model, dataset = fitted(Path(sys.argv[1]))
print(digest(model.predict(dataset)))
"""


def test_two_processes_predict_the_same_bits(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / name)],
            cwd=Path(__file__).parents[2],
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
        ({"objective": "binary"}, "objective", "loss"),
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

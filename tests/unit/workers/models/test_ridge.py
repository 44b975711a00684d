"""RidgeModel: the textbook's solution, coefficients to the last bit, and a reason for each refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_info, threadpool_limits

from rollq.tasks.components.installed import installed_components
from rollq.tasks.components.registry import build
from rollq.tasks.errors import ComponentError, LeaseLost, PermanentError, StateError
from rollq.workers.models.learning import packages
from rollq.workers.models.ridge import RidgeModel
from rollq.workers.process.app import WARM_UP
from tests.synthetic import SEGMENTS, closes, panel
from tests.unit.workers.models.made_dataset import MadeDataset, rows


def fitted(dataset: Any, **kwargs: Any) -> RidgeModel:
    model = RidgeModel(**kwargs)
    model.fit(dataset)
    return model


def content(model: RidgeModel, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    model.save(folder)
    assert [path.name for path in folder.iterdir()] == ["ridge.json"]
    found: dict[str, Any] = json.loads((folder / "ridge.json").read_text())
    return found


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_it_is_the_solution_of_the_normal_equations(tmp_path: Path, fit_intercept: bool) -> None:
    prices = closes(280)  # ends within train, whose last labels are not known
    dataset = panel(tmp_path, prices, segments={"train": ["2020-01-02", None]}, normalize="none")
    found = content(fitted(dataset, alpha=0.5, fit_intercept=fit_intercept), tmp_path / "model")
    label = dataset.prepare("train", "label")["label"].to_numpy(dtype=float)
    features = dataset.prepare("train").to_numpy(dtype=float)
    known = ~np.isnan(label)
    assert 0 < known.sum() < len(label)
    x, y = np.nan_to_num(features[known]), label[known]
    centre, middle = (x.mean(axis=0), y.mean()) if fit_intercept else (np.zeros(x.shape[1]), 0.0)
    a, b = x - centre, y - middle
    weights = np.linalg.solve(a.T @ a + 0.5 * np.eye(x.shape[1]), a.T @ b)
    assert np.isnan(features).any()
    np.testing.assert_allclose(found["weights"], weights, rtol=1e-8)
    assert found["intercept"] == pytest.approx(middle - centre @ weights, abs=1e-12)
    assert found["features"] == dataset.feature_names
    assert found["kwargs"] == {"alpha": 0.5, "fit_intercept": fit_intercept}


def test_a_missing_feature_counts_as_the_middle_of_the_day(tmp_path: Path) -> None:
    prices = closes()
    prices.loc["2021-01-04":"2021-01-29", "S03"] = np.nan  # type: ignore[misc]
    dataset = panel(tmp_path, prices)
    features = dataset.prepare("test")
    assert features.isna().to_numpy().any()
    model = fitted(dataset)
    found = content(model, tmp_path / "model")
    expected = features.fillna(0).to_numpy(dtype=float) @ np.array(found["weights"]) + found["intercept"]
    np.testing.assert_allclose(model.predict(dataset).to_numpy(), expected, rtol=1e-9, atol=1e-12)


def test_numbers_are_saved_to_the_last_bit(tmp_path: Path) -> None:
    model = fitted(panel(tmp_path))
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model")
    assert RidgeModel.load(tmp_path / "model")._line == model._line


def test_it_solves_on_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    solve = Ridge.fit

    def spy(self: Ridge, *args: Any) -> Ridge:
        threads.update(pool["num_threads"] for pool in threadpool_info())
        return solve(self, *args)

    monkeypatch.setattr(Ridge, "fit", spy)
    with threadpool_limits(2):
        fitted(panel(tmp_path))
    assert threads == {1}


def test_the_checkpoint_stops_it(tmp_path: Path) -> None:
    def lost() -> None:
        raise LeaseLost("another worker has it")

    model, dataset = RidgeModel(), panel(tmp_path)
    with pytest.raises(LeaseLost):
        model.fit(dataset, checkpoint=lost)
    with pytest.raises(StateError):
        model.predict(dataset)


def test_infinite_values_are_permanent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = panel(tmp_path)
    frame = dataset.prepare("train").copy()
    frame.iloc[0, 0] = np.inf
    prepare = dataset.prepare

    def infinite(segment: str, columns: str = "feature") -> pd.DataFrame:
        return frame if columns == "feature" else prepare(segment, columns)

    monkeypatch.setattr(dataset, "prepare", infinite)
    with pytest.raises(PermanentError, match="infinite"):
        RidgeModel().fit(dataset)


@pytest.mark.parametrize(
    ("kwargs", "key"),
    [
        ({"alpha": 0}, "alpha"),
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"alpha": float("inf")}, "alpha"),
        ({"alpha": True}, "alpha"),
        ({"alpha": "1"}, "alpha"),
        ({"fit_intercept": "no"}, "fit_intercept"),
    ],
)
def test_a_wrong_argument_is_named(kwargs: dict[str, Any], key: str) -> None:
    with pytest.raises(ComponentError) as caught:
        RidgeModel(**kwargs)
    assert caught.value.key == f"model.kwargs.{key}"


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ComponentError, match=r"pip install 'rollq\[sklearn\]'"):
        RidgeModel()


def test_it_is_registered_and_does_not_make_every_worker_import_scikit_learn() -> None:
    assert installed_components()["RidgeModel"] == "rollq.workers.models.ridge:RidgeModel"
    assert isinstance(build({"class": "RidgeModel", "kwargs": {"alpha": 2}}, "model"), RidgeModel)
    assert not [name for name in WARM_UP if "ridge" in name or "sklearn" in name]


def test_it_learns_what_is_there(tmp_path: Path) -> None:
    """A label that is a known line of the features comes back as its weights."""
    dataset = panel(tmp_path, segments={"train": SEGMENTS["train"]})
    features = dataset.prepare("train")
    weights = np.linspace(-1, 1, features.shape[1])
    label = pd.DataFrame({"label": features.fillna(0).to_numpy(dtype=float) @ weights + 0.25}, index=features.index)
    dataset.prepare = lambda segment, columns="feature": features if columns == "feature" else label  # type: ignore[method-assign]
    found = content(fitted(dataset, alpha=1e-6), tmp_path / "model")
    np.testing.assert_allclose(found["weights"], weights, atol=1e-6)
    assert found["intercept"] == pytest.approx(0.25)


def test_a_row_of_weight_two_is_two_rows() -> None:
    frame = rows().fillna(0.0)
    dates = frame.index.get_level_values("datetime")
    weights = pd.Series(np.where(dates < "2024-01-20", 2.0, 1.0), index=frame.index)
    weighted = fitted(MadeDataset(frame=frame, weights=weights))
    train = frame.loc[:"2024-02-14"]  # type: ignore[misc]
    twice = pd.concat([train, train[dates[: len(train)] < "2024-01-20"]]).sort_index()
    plain = fitted(MadeDataset(frame=twice, segments={"train": ["2024-01-01", "2024-02-14"]}))
    assert weighted._line is not None
    assert plain._line is not None
    np.testing.assert_allclose(weighted._line.weights, plain._line.weights)

"""Estimators by their dotted names: allowed ones alone, seeded, weighted, kept without pickle, the same everywhere."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from rollq.tasks.components.registry import build, resolve
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ComponentError, PermanentError
from rollq.tasks.ingredients.ingredients import sources_of
from rollq.workers.models.learning import packages
from rollq.workers.models.scikit.stored import loaded
from rollq.workers.models.sklearn import SklearnModel
from tests.unit.workers.models.made_dataset import MadeDataset, fitted, rows, said, said_elsewhere, saved, sees_after

TREES = {"estimator": "sklearn.ensemble.HistGradientBoostingRegressor", "params": {"max_iter": 10}}
FOREST = {"estimator": "sklearn.ensemble.RandomForestRegressor", "params": {"n_estimators": 5, "max_depth": 4}}
LINE = {"estimator": "sklearn.linear_model.ElasticNet", "params": {"alpha": 0.01}, "fill": "median"}
STEPS: dict[str, Any] = {
    "estimator": [
        {"estimator": "sklearn.impute.SimpleImputer", "params": {"strategy": "median"}},
        "sklearn.preprocessing.StandardScaler",
        {"estimator": "sklearn.linear_model.BayesianRidge"},
    ]
}
NESTED: dict[str, Any] = {
    "estimator": "sklearn.ensemble.BaggingRegressor",
    "params": {"estimator": {"estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_depth": 3}}},
}
CLASSES = {"estimator": "sklearn.linear_model.LogisticRegression", "fill": 0}
BOTH = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 5}}
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "trees": (TREES, "value"),
    "forest": (FOREST, "value"),
    "line": (LINE, "value"),
    "steps": (STEPS, "value"),
    "nested": (NESTED, "value"),
    "classes": (CLASSES, "class"),
    "both": (BOTH, "binary"),
}


def test_each_kind_learns_the_same_bytes_twice_and_says_the_same_in_another_process(tmp_path: Path) -> None:
    found, here = [], []
    for name, (kwargs, label) in KINDS.items():
        dataset = MadeDataset(label)
        model = fitted(SklearnModel(**kwargs), dataset)
        files = saved(model, tmp_path / name)
        assert files == saved(fitted(SklearnModel(**kwargs), dataset), tmp_path / f"{name} again"), name
        assert files == saved(SklearnModel.load(tmp_path / name), tmp_path / f"{name} loaded"), name
        scores = model.predict(dataset)
        assert scores.index.equals(dataset.prepare("test").index)
        truth = dataset.prepare("test", "label")["label"]
        assert scores.corr(truth, method="spearman") > 0.3, name
        found.append((tmp_path / name, "SklearnModel", label))
        here.append(said(model, dataset))
    assert said_elsewhere(found) == here


def test_a_day_has_the_same_scores_alone_and_in_all() -> None:
    for kwargs in (LINE, TREES):
        dataset = MadeDataset()
        model = fitted(SklearnModel(**kwargs), dataset)
        whole = model.predict(dataset)
        days = [str(day)[:10] for day in whole.index.unique("datetime")]
        alone = [model.predict(dataset.config({"test": [day, day]})) for day in days]
        assert pd.concat(alone).to_numpy().tobytes() == whole.to_numpy().tobytes()


def test_the_seed_is_that_of_everything_random() -> None:
    dataset = MadeDataset()
    one, two, other = (said(fitted(SklearnModel(**FOREST, seed=seed), dataset), dataset) for seed in (1, 1, 2))
    assert one == two != other
    made = SklearnModel(**NESTED, seed=5)._made()
    assert made.get_params()["random_state"] == 5
    assert made.get_params()["estimator__random_state"] == 5
    assert made.get_params()["n_jobs"] == 1
    own = SklearnModel(estimator=FOREST["estimator"], params={"random_state": 3}, seed=5)._made()
    assert own.get_params()["random_state"] == 3


def test_weights_are_handed_on_where_they_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    weights = pd.Series(np.where(np.arange(len(rows())) % 2, 1e-6, 1.0), index=rows().index)
    for kwargs in (TREES, STEPS):
        plain = said(fitted(SklearnModel(**kwargs), MadeDataset()), MadeDataset())
        assert said(fitted(SklearnModel(**kwargs), MadeDataset(weights=weights)), MadeDataset()) != plain
    with caplog.at_level(logging.WARNING):
        neighbours = SklearnModel("sklearn.neighbors.KNeighborsRegressor", fill=0)
        fitted(neighbours, MadeDataset(weights=weights))
    assert "the weights of the rows have no effect: KNeighborsRegressor takes none" in caplog.text


def test_categories_are_those_of_the_dataset() -> None:
    codes, numbers = MadeDataset(), MadeDataset(categorical=())
    assert said(fitted(SklearnModel(**TREES), codes), codes) != said(fitted(SklearnModel(**TREES), numbers), codes)
    frame = rows().assign(kind=np.where(np.arange(len(rows())) % 2, 77.0, -1.0))
    assert np.isfinite(fitted(SklearnModel(**TREES), codes).predict(MadeDataset(frame=frame))).all()


def test_classes_have_probabilities() -> None:
    dataset = MadeDataset("class")
    model = fitted(SklearnModel(**CLASSES), dataset)
    outputs = model.predict_outputs(dataset)
    assert outputs is not None
    assert list(outputs) == ["p_-1", "p_1", "p_3"]
    np.testing.assert_allclose(model.predict(dataset), outputs.to_numpy() @ np.array([-1, 1, 3]))
    two = fitted(SklearnModel(**BOTH), MadeDataset("binary"))
    assert list(two.predict_outputs(dataset)) == ["p_0", "p_1"]  # type: ignore[arg-type]
    without = fitted(SklearnModel("sklearn.svm.LinearSVC", fill=0), dataset)
    assert without.predict_outputs(dataset) is None
    assert set(without.predict(dataset)) <= {-1.0, 1.0, 3.0}


def test_missing_features_are_named_with_the_fix() -> None:
    with pytest.raises(
        PermanentError, match=r"takes no missing features, and \d\.\d% of the rows of train.*\(c,"
    ) as one:
        fitted(SklearnModel("sklearn.linear_model.ElasticNet"), MadeDataset())
    assert "model.kwargs.fill: median" in one.value.fix
    scaled = SklearnModel(["sklearn.preprocessing.StandardScaler", "sklearn.linear_model.Lasso"])
    with pytest.raises(PermanentError, match="takes no missing features"):
        fitted(scaled, MadeDataset())


def test_a_feature_that_is_missing_later_leaves_a_hole(caplog: pytest.LogCaptureFixture) -> None:
    frame = rows().fillna(0.0)
    model = fitted(SklearnModel("sklearn.linear_model.ElasticNet"), MadeDataset(frame=frame))
    frame.iloc[-3:, 0] = np.nan
    with caplog.at_level(logging.WARNING):
        scores = model.predict(MadeDataset(frame=frame))
    assert list(np.flatnonzero(scores.isna())) == [len(scores) - 3, len(scores) - 2, len(scores) - 1]
    assert "3 of 60 rows have missing features" in caplog.text


def test_fills_are_found_on_train_alone(tmp_path: Path) -> None:
    assert not sees_after(lambda: SklearnModel(**LINE), tmp_path)
    assert not sees_after(lambda: SklearnModel(**CLASSES), tmp_path, "class")
    assert sees_after(lambda: SklearnModel(**LINE), tmp_path, end="2024-02-16")
    files = saved(fitted(SklearnModel(**LINE), MadeDataset()), tmp_path / "model")
    train = rows().loc[:"2024-02-14"]  # type: ignore[misc]
    fills = json.loads(files["model.json"])["fills"]
    np.testing.assert_allclose(fills, [*train[["a", "b", "c"]].median(), -1.0])


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"estimator": "lightgbm.LGBMRegressor"}, r"of lightgbm are not allowed: sklearn\. Name it in the setting"),
        ({"estimator": "os.system"}, "of os are not allowed"),
        ({"estimator": "sklearn.linear_model.Nothing"}, "has no 'Nothing'"),
        ({"estimator": "sklearn.linear_model.ElasticNt"}, "Did you mean 'ElasticNet'"),
        ({"estimator": "sklearn.nothing.Nothing"}, "cannot be imported"),
        ({"estimator": "sklearn.base.BaseEstimator"}, "no estimator"),
        ({"estimator": "sklearn.linear_model._base.sparse"}, "no class that sklearn defines"),
        ({"estimator": "sklearn.metrics.mean_squared_error"}, "no class that sklearn defines"),
        ({"estimator": "sklearn.preprocessing.StandardScaler"}, "cannot predict"),
        ({"estimator": 7}, "no dotted name"),
        ({"estimator": "sklearn.linear_model.ElasticNet", "params": {"alpa": 1}}, "Did you mean 'alpha'"),
        ({"estimator": "sklearn.linear_model.ElasticNet", "params": {"alpha": -1}}, "'alpha' parameter of ElasticNet"),
        ({"estimator": FOREST["estimator"], "params": {"n_jobs": 4}}, "n_jobs is set by rollq to 1"),
        ({"estimator": ["sklearn.linear_model.Ridge", "sklearn.linear_model.Ridge"]}, "transforms nothing"),
        ({"estimator": []}, "a pipeline has steps"),
        ({"estimator": [{"estimatr": "x"}]}, "Did you mean 'estimator'"),
        ({"estimator": TREES["estimator"], "fill": "mode"}, "Use median, mean or a number"),
        ({"estimator": ["sklearn.linear_model.Ridge"], "params": {"alpha": 1}}, "params of its own"),
        ({"estimator": TREES["estimator"], "seed": -1}, "no seed"),
    ],
)
def test_what_cannot_be_used_is_named(kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(ComponentError, match=says) as caught:
        SklearnModel(**kwargs)
    assert caught.value.key.startswith("model.")


def test_another_package_is_used_if_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kwargs = {"estimator": "lightgbm.LGBMRegressor", "params": {"n_estimators": 3, "verbose": -1}}
    monkeypatch.setenv("ROLLQ_ESTIMATOR_PACKAGES", "sklearn,lightgbm")
    current_settings.cache_clear()
    dataset = MadeDataset()
    model = fitted(SklearnModel(**kwargs), dataset)
    saved(model, tmp_path / "model")
    assert said(SklearnModel.load(tmp_path / "model"), dataset) == said(model, dataset)
    definition = {"model": {"class": "SklearnModel", "kwargs": kwargs}}
    assert {"lightgbm", "sklearn"} <= sources_of(definition)["model"].libraries
    monkeypatch.undo()
    current_settings.cache_clear()
    with pytest.raises(PermanentError, match=r"holds lightgbm\..*, which is not allowed"):
        SklearnModel.load(tmp_path / "model")


def test_a_file_that_names_something_else_is_not_loaded(tmp_path: Path) -> None:
    files = saved(fitted(SklearnModel(**LINE), MadeDataset()), tmp_path / "model")
    for module, name in (("os", "system"), ("sklearn.linear_model._base", "sparse")):
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(files["estimator.skops"])) as given, zipfile.ZipFile(made, "w") as written:
            for one in given.namelist():
                text = given.read(one)
                if one == "schema.json":
                    schema = json.loads(text)
                    schema |= {"__module__": module, "__class__": name}
                    text = json.dumps(schema).encode()
                written.writestr(one, text)
        with pytest.raises(PermanentError, match="which is not allowed"):
            loaded(made.getvalue(), ("sklearn",))


def test_an_estimator_may_be_the_class_itself(tmp_path: Path) -> None:
    config = {"class": "sklearn.ensemble.HistGradientBoostingRegressor", "kwargs": {"max_iter": 10, "seed": 3}}
    dataset = MadeDataset()
    model = fitted(build(config, "model"), dataset)
    same = fitted(SklearnModel(**TREES, seed=3), dataset)
    assert said(model, dataset) == said(same, dataset)
    saved(model, tmp_path / "model")
    cls = resolve({"class": "HistGradientBoostingRegressor", "module_path": "sklearn.ensemble"}, "model")
    assert cls is type(model)
    assert said(cls.load(tmp_path / "model"), dataset) == said(model, dataset)
    source = sources_of({"model": config})["model"]
    assert source.target.endswith(":HistGradientBoostingRegressor")
    assert not source.own
    assert "sklearn" in source.libraries
    assert HistGradientBoostingRegressor.__doc__ == cls.__doc__
    with pytest.raises(ComponentError, match="Did you mean 'max_iter'"):
        build({**config, "kwargs": {"max_itr": 3}}, "model")
    with pytest.raises(ComponentError, match="it can only be a model"):
        build({"class": "sklearn.linear_model.Ridge"}, "dataset")


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    for make in (lambda: SklearnModel(**TREES), lambda: resolve({"class": "sklearn.linear_model.Ridge"}, "model")):
        with pytest.raises(ComponentError, match=r"needs the package sklearn.*pip install 'rollq\[sklearn\]'"):
            make()

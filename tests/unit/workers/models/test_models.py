"""What holds for every model that rollq brings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.model import Model
from rollq.tasks.errors import PermanentError, StateError
from rollq.workers.datasets.panel import PanelDataset
from rollq.workers.models.lightgbm import LGBModel
from rollq.workers.models.ridge import RidgeModel
from rollq.workers.models.sklearn import SklearnModel
from rollq.workers.models.xgboost import XGBModel
from tests.synthetic import SEGMENTS, closes, panel
from tests.unit.workers.models.test_lightgbm import PARAMS

Make = Callable[[], Model]
MAKES: dict[str, Make] = {
    "LGBModel": lambda: LGBModel(**PARAMS),
    "LGBModel ranks": lambda: LGBModel(**PARAMS, loss="lambdarank"),
    "LGBModel quantiles": lambda: LGBModel(**PARAMS, loss="quantile"),
    "RidgeModel": RidgeModel,
    "SklearnModel": lambda: SklearnModel("sklearn.ensemble.HistGradientBoostingRegressor", {"max_iter": 5}),
    "XGBModel": lambda: XGBModel(num_boost_round=10),
}
MODELS = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)


def gappy() -> pd.DataFrame:
    """Prices with days that are missing, so that features are NaN here and there in each segment."""
    prices = closes(instruments=40)
    gone = np.random.default_rng(3).random(prices.shape) < 0.01
    return prices.mask(gone)


@pytest.fixture
def dataset(tmp_path: Path) -> PanelDataset:
    return panel(tmp_path, gappy())


def saved(model: Model, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@MODELS
def test_a_day_has_the_same_scores_alone_in_a_week_and_in_all(make: Make, dataset: PanelDataset) -> None:
    model = make()
    model.fit(dataset)
    whole = model.predict(dataset)
    assert dataset.prepare("test").isna().to_numpy().any()
    days = [f"{day:%Y-%m-%d}" for day in whole.index.get_level_values("datetime").unique()]
    for length in (1, 5):
        parts = [
            model.predict(dataset.config({"test": [days[first], days[min(first + length, len(days)) - 1]]}))
            for first in range(0, len(days), length)
        ]
        joined = pd.concat(parts)
        assert joined.index.equals(whole.index)
        assert joined.to_numpy().tobytes() == whole.to_numpy().tobytes()


class Some:
    """A dataset of just these rows."""

    def __init__(self, features: pd.DataFrame) -> None:
        self.features = features

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        return self.features


@MODELS
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [1, 7, 39])
def test_a_row_has_the_same_score_in_whatever_block_of_memory(
    make: Make, order: Literal["C", "F"], rows: int, tmp_path: Path
) -> None:
    dataset = panel(tmp_path, gappy(), features=[{"op": "momentum", "windows": list(range(1, 32))}])
    model = make()
    model.fit(dataset)
    whole, features = model.predict(dataset).to_numpy(), dataset.prepare("test")
    for first in range(0, 40 * rows, rows):
        block = np.asarray(features.iloc[first : first + rows].to_numpy(), order=order)
        some = Some(pd.DataFrame(block, index=features.index[first : first + rows], columns=features.columns))
        assert model.predict(some).to_numpy().tobytes() == whole[first : first + rows].tobytes()  # type: ignore[arg-type]


@MODELS
def test_two_fits_give_the_same_bytes_and_a_loaded_model_the_same_bits(
    make: Make, dataset: PanelDataset, tmp_path: Path
) -> None:
    one, two = make(), make()
    one.fit(dataset)
    two.fit(dataset)
    assert saved(one, tmp_path / "one") == saved(two, tmp_path / "two")
    loaded = type(one).load(tmp_path / "one")
    assert loaded.predict(dataset).to_numpy().tobytes() == one.predict(dataset).to_numpy().tobytes()
    assert saved(loaded, tmp_path / "three") == saved(one, tmp_path / "four")


@MODELS
def test_scores_follow_the_segment(make: Make, dataset: PanelDataset) -> None:
    model = make()
    with pytest.raises(StateError, match="not fitted"):
        model.predict(dataset)
    model.fit(dataset)
    for segment in ("valid", "test"):
        scores = model.predict(dataset, segment)
        assert scores.name == "score"
        assert scores.index.equals(dataset.prepare(segment).index)
        assert np.isfinite(scores).all()


@MODELS
def test_other_features_than_the_fitted_ones_are_refused(make: Make, dataset: PanelDataset, tmp_path: Path) -> None:
    model = make()
    model.fit(dataset)
    for features, says in (
        ([{"op": "momentum", "windows": [1, 5, 21]}], r"missing .*momentum_20.*unknown momentum_21"),
        ([*reversed(dataset.to_config()["features"])], "their order differs"),
    ):
        with pytest.raises(PermanentError, match=says):
            model.predict(panel(tmp_path, features=features))


@MODELS
def test_data_that_cannot_be_learned_from_is_permanent(make: Make, tmp_path: Path) -> None:
    without_label = panel(tmp_path, segments={"train": ["2021-07-07", None]})
    with pytest.raises(PermanentError, match="segment train has no row with a label"):
        make().fit(without_label)
    without_features = panel(
        tmp_path, features=[{"op": "momentum", "windows": [20]}], segments={"train": ["2020-01-01", "2020-01-20"]}
    )
    with pytest.raises(PermanentError, match="Every feature of train is NaN"):
        make().fit(without_features)


@MODELS
def test_nothing_after_train_is_learned_from(make: Make, tmp_path: Path) -> None:
    prices = closes()
    scrambled = prices.copy()
    # The labels of train's last sessions look past its end: train is cut before the scrambled prices, as windows are.
    after = prices.index > "2020-11-12"
    scrambled[after] = closes(seed=5)[after] * 3
    found = []
    for name, frame in (("one", prices), ("two", scrambled)):
        (tmp_path / name).mkdir()
        model = make()
        model.fit(panel(tmp_path / name, frame, segments={"train": SEGMENTS["train"]}))
        found.append(saved(model, tmp_path / name / "model"))
    assert found[0] == found[1]

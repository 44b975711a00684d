"""Models on a table as users have it: texts as categories, weights, gaps, labels of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.components.registry import build
from rollq.tasks.errors import ComponentError
from rollq.workers.records.signal import SignalRecord
from tests.synthetic import MemoryRecorder
from tests.unit.workers.models.made_dataset import SEGMENTS, fitted, saved

DAYS, SHOPS = 60, 10


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sales of shops of four kinds, of which one opens after train; a third of the days without a sale."""
    random = np.random.default_rng(4)
    days = pd.date_range("2024-01-01", periods=DAYS)
    frame = pd.DataFrame([(day, f"shop {shop}") for day in days for shop in range(SHOPS)], columns=["day", "shop"])
    frame["kind"] = [["food", "toys", "books"][number % SHOPS % 3] for number in range(len(frame))]
    frame.loc[(frame["shop"] == "shop 9") & (frame["day"] > "2024-02-20"), "kind"] = "garden"
    mean = frame["kind"].map({"food": 6.0, "toys": 2.0, "books": 0.5, "garden": 3.0})
    frame["sold"] = random.poisson(mean * (1 + 0.5 * (frame["day"].dt.day_of_week == 5)))
    frame["price"] = random.uniform(1, 9, len(frame)).round(2)
    frame.loc[random.random(len(frame)) < 0.1, "price"] = np.nan
    folder = tmp_path_factory.mktemp("shops")
    frame.to_csv(folder / "sales.csv", index=False)
    return folder / "sales.csv"


def dataset(table: Path, label: object = "lead(sold, 1)", **more: Any) -> Any:
    kwargs = {
        "path": str(table),
        "time": "day",
        "instrument": "shop",
        "features": ["price", "kind", {"week": "lag(sold, 7)"}, {"mean": "mean(sold, 14)"}],
        "categorical": ["kind"],
        "label": label,
        "segments": SEGMENTS,
        "cache_dir": str(table.parent / "cache"),
        **more,
    }
    return build({"class": "TableDataset", "kwargs": kwargs}, "dataset")


FEW = {"num_boost_round": 10}
MODELS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "tweedie": ({"class": "LGBModel", "kwargs": {"loss": "tweedie", **FEW}}, set()),
    "ranks": ({"class": "LGBModel", "kwargs": {"loss": "lambdarank", **FEW}}, set()),
    "quantiles": ({"class": "LGBModel", "kwargs": {"loss": "quantile", **FEW}}, {"q0.1", "q0.5", "q0.9"}),
    "xgboost": ({"class": "XGBModel", "kwargs": {"loss": "poisson", **FEW}}, set()),
    "trees": ({"class": "sklearn.ensemble.HistGradientBoostingRegressor", "kwargs": {"loss": "poisson"}}, set()),
    "line": ({"class": "sklearn.linear_model.PoissonRegressor", "kwargs": {"fill": "median"}}, set()),
    "naive": ({"class": "FeatureModel", "kwargs": {"feature": "week"}}, set()),
    "mean": ({"class": "MeanModel"}, set()),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_learns_from_a_table_and_is_recorded(name: str, table: Path, tmp_path: Path) -> None:
    config, columns = MODELS[name]
    data, recorder = dataset(table, weight="1 + price / 10"), MemoryRecorder()
    model = build(config, "model")
    model.check_dataset(data)
    fitted(model, data)
    saved(model, tmp_path / "model")
    SignalRecord(type(model).load(tmp_path / "model"), data, recorder).generate()  # type: ignore[arg-type]
    scores = recorder.objects["pred.parquet"]["score"]
    assert len(scores) == 5 * SHOPS
    assert set(recorder.objects.get("outputs.parquet", ())) == columns
    if name not in ("mean", "naive"):
        assert scores.notna().all()
        assert scores.corr(recorder.objects["label.parquet"]["label"]) > 0.4


@pytest.mark.parametrize(
    ("label", "loss", "columns"),
    [
        ("lead(sold, 1) > 0", "binary", ["p_0", "p_1"]),
        ({"expression": "lead(sold, 1)", "quantiles": 3}, "multiclass", ["p_0", "p_1", "p_2"]),
    ],
)
def test_classes_have_probabilities(label: object, loss: str, columns: list[str], table: Path) -> None:
    data = dataset(table, label)
    model = build({"class": "LGBModel", "kwargs": {"loss": loss, **FEW}}, "model")
    model.check_dataset(data)
    outputs = fitted(model, data).predict_outputs(data)
    assert outputs is not None
    assert list(outputs) == columns


def test_a_return_is_no_count(table: Path) -> None:
    data = dataset(table, {"op": "forward_return", "price": "price"})
    with pytest.raises(ComponentError, match="loss poisson takes labels 0 or more, and the label is a return"):
        build({"class": "LGBModel", "kwargs": {"loss": "poisson"}}, "model").check_dataset(data)

"""Two sides, measured by the records of a template: rollq's, and one of a user's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq import Side, Unavailable, compare
from rollq.scheduler.champions.measures import Measures
from rollq.tasks.errors import ArtifactMissing
from rollq.tasks.predictions.memory_run import MemoryRun
from tests.unit.tasks.predictions.portfolio.markets import made
from tests.unit.tasks.predictions.rows import random_pairs

OWN = ("tests.online_strategies:ProfitRecord", "tests.unit.scheduler.champions.test_measures:OddRecord")
FORECAST = {"class": "ForecastRecord", "kwargs": {"season": None}}
PROFIT = {"class": "ProfitRecord", "module_path": "tests.online_strategies"}


class OddRecord:
    """A record that fails as it is told to."""

    def __init__(self, recorder: Any, model: Any, dataset: Any, error: str = "") -> None:
        self.error = error

    def generate(self) -> dict[str, float]:
        if self.error == "none":
            return {"odd": 1.0}
        raise Unavailable("The server is away.", "Wait.") if self.error == "away" else ZeroDivisionError("of my own")


def measures(*records: dict[str, Any]) -> Measures:
    places = [(f"record[{place}]", one) for place, one in enumerate(({"class": "SignalRecord"}, *records))]
    return Measures(places, lambda: None, OWN)  # type: ignore[arg-type, return-value]


def sides(instruments: int = 12) -> tuple[Side, Side, pd.DataFrame]:
    pairs = random_pairs(days=40, instruments=instruments)
    worse = pairs["score"] + np.random.default_rng(4).normal(0, 3, len(pairs))
    return Side("old", worse.to_frame("score")), Side("new", pairs[["score"]]), pairs[["label"]]


def test_both_are_measured_on_the_same_rows_and_their_difference_by_session() -> None:
    old, new, label = sides()
    short = Side("new", new.pred.iloc[30:])
    found = compare(old, short, label, measures=measures(FORECAST, PROFIT))
    rows = short.pred.index
    error = {one.name: (one.pred.loc[rows, "score"] - label.loc[rows, "label"]).abs() for one in (old, short)}
    for name, own in error.items():
        assert found.metrics[name]["MAE"] == pytest.approx(own.mean())
        assert found.metrics[name]["RMSE"] == pytest.approx(np.sqrt((own**2).mean()))
    by_session = (error["new"] - error["old"]).groupby(level=0).mean()
    assert found.difference["MAE"].mean == pytest.approx(by_session.mean())
    assert found.difference["MAE"].high < 0
    assert found.difference["MAE"].p_better == 1  # less is better
    assert found.better["MAE"] == "lower"

    profit = {one.name: one.pred.loc[rows, "score"] * label.loc[rows, "label"] for one in (old, short)}
    assert found.metrics["old"]["profit"] == pytest.approx(profit["old"].mean())
    by_session = (profit["new"] - profit["old"]).groupby(level=0).mean()
    assert found.difference["profit"].mean == pytest.approx(by_session.mean())
    assert (found.better["profit"], found.left_out) == ("higher", {})
    alone = compare(old, short, label)
    assert found.difference["Rank IC"] == alone.difference["Rank IC"]
    assert alone.metrics["old"].items() <= found.metrics["old"].items()


def test_a_single_series_is_compared_by_its_errors() -> None:
    old, new, label = sides(instruments=1)
    found = compare(old, new, label, measures=measures(FORECAST))
    assert (found.sessions, found.rows) == (40, 40)
    assert "IC" not in found.metrics["old"]
    assert found.difference["MAE"].high < 0
    assert "IC" not in found.difference


def test_hours_of_a_session_count_together() -> None:
    old, new, label = sides(instruments=4)
    times = pd.date_range("2020-03-27", periods=40, freq="h", tz="Europe/Berlin")  # over the change of clocks
    index = label.index.set_levels(times, level=0)
    moved = [one.set_axis(index) for one in (old.pred, new.pred, label)]
    found = compare(
        Side("old", moved[0]), Side("new", moved[1]), moved[2], block=1, measures=measures(FORECAST, PROFIT)
    )
    assert (found.sessions, found.difference["MAE"].sessions, found.difference["profit"].sessions) == (2, 2, 2)


def test_a_record_that_fails_is_left_out_and_says_why() -> None:
    old, new, label = sides()
    odd = {"class": "OddRecord", "module_path": "tests.unit.scheduler.champions.test_measures"}
    scaled = {"class": "ForecastRecord"}  # there is no dataset that could give a scale
    found = compare(old, new, label, measures=measures(odd, scaled))
    assert set(found.left_out) == {"OddRecord", "ForecastRecord"}
    assert "of my own" in found.left_out["OddRecord"]
    assert set(found.difference) == {"IC", "Rank IC"}
    plain = compare(old, new, label, measures=measures({**odd, "kwargs": {"error": "none"}}))
    assert plain.metrics["old"]["odd"] == 1.0
    with pytest.raises(Unavailable):
        compare(old, new, label, measures=measures({**odd, "kwargs": {"error": "away"}}))


def test_a_run_in_memory_is_a_run() -> None:
    run = MemoryRun(**{"pred.parquet": 1})
    run.save_objects(None, "folder", name=2)
    run.log_metrics({"x": 1.0})
    assert (run.load_object("pred.parquet"), run.load_object("folder/name")) == (1, 2)
    with pytest.raises(ArtifactMissing, match="no 'model'"):
        run.load_object("model")


def test_quantiles_are_compared_where_they_are_known() -> None:
    old, new, label = sides()
    interval = {"class": "IntervalRecord"}
    both = [
        Side(one.name, one.pred, pd.DataFrame({"q0.1": one.pred["score"] - 3, "q0.9": one.pred["score"] + 3}))
        for one in (old, new)
    ]
    found = compare(*both, label, measures=measures(interval))
    assert found.metrics["new"]["Coverage 80%"] == pytest.approx(
        (label["label"] - new.pred["score"]).between(-3, 3).mean()
    )
    assert found.difference["Pinball"].high < 0
    assert "Coverage 80%" in found.difference
    assert "Coverage 80%" not in found.better
    assert set(compare(old, new, label, measures=measures(interval)).left_out) == {"IntervalRecord"}


def test_portfolios_are_compared_by_their_net_returns() -> None:
    score, market = made(sessions=60)
    label = market["price"].groupby(level=1).pct_change().groupby(level=1).shift(-2).to_frame("label")
    blind, seeing = Side("old", score.to_frame("score")), Side("new", label["label"].fillna(0).to_frame("score"))
    dataset = SimpleNamespace(info_columns=["close"], prepare=lambda segment, columns: market)
    record = {"class": "PortfolioRecord", "kwargs": {"k": 3, "n_drop": 3}}
    found = compare(blind, seeing, label, measures=Measures([("record[0]", record)], lambda: dataset))
    assert found.left_out == {}
    assert found.difference["Return"].low > 0
    assert found.better["Return"] == "higher"
    assert found.metrics["new"]["Sharpe"] > found.metrics["old"]["Sharpe"]

"""PortfolioRecord: what it asks of the dataset, and what it leaves behind."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rollq.tasks.errors import ArtifactMissing, BadInput
from rollq.tasks.predictions.portfolio.account import account
from rollq.tasks.predictions.portfolio.options import PortfolioOptions
from rollq.tasks.predictions.portfolio.performance import performance
from rollq.workers.records.portfolio import PortfolioRecord
from tests.synthetic import MemoryRecorder
from tests.unit.tasks.predictions.portfolio.markets import made


class Market:
    """A dataset that keeps some columns."""

    def __init__(self, **columns: pd.Series) -> None:
        self.columns = columns

    @property
    def info_columns(self) -> list[str]:
        return list(self.columns)

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        name = columns.removeprefix("info:")
        return self.columns[name].to_frame(name)


def ready() -> tuple[MemoryRecorder, Any, pd.Series, pd.DataFrame]:
    score, market = made()
    recorder = MemoryRecorder()
    recorder.objects["pred.parquet"] = score.to_frame("score")
    dataset = Market(open=market["price"], index=(market["price"] * 0 + 1), sector=market["price"])
    return recorder, dataset, score, market


def test_it_writes_the_account_and_what_it_was_made_of() -> None:
    recorder, dataset, score, market = ready()
    record = PortfolioRecord(recorder, dataset=dataset, k=4, n_drop=2, price="open", sell_bps=20)
    metrics = record.generate()
    expected = account(score, market, PortfolioOptions(k=4, n_drop=2, price="open", sell_bps=20))
    pd.testing.assert_frame_equal(recorder.objects["portfolio/returns.parquet"], expected)
    pd.testing.assert_frame_equal(recorder.objects["portfolio/market.parquet"], market)
    assert PortfolioOptions.of(recorder.objects["portfolio/options.json"]).sell_bps == 20
    assert metrics == recorder.metrics == performance(expected, 252)
    pd.testing.assert_series_equal(record.measured["Return"], expected["net"], check_names=False)
    assert set(record.list()) == {"returns.pkl", "market.pkl"}


def test_several_portfolios_have_names() -> None:
    recorder, dataset, *_ = ready()
    for name, kwargs in (("wide", {"strategy": "long_short"}), ("index", {"benchmark": {"column": "index"}})):
        metrics = PortfolioRecord(recorder, dataset=dataset, name=name, price="open", **kwargs).generate()
        assert all(metric.endswith(f"(portfolio={name})") for metric in metrics)
    assert {"portfolio_wide/returns.parquet", "portfolio_index/market.parquet"} <= set(recorder.objects)
    assert (recorder.objects["portfolio_index/returns.parquet"]["benchmark"] == 0).all()


def test_what_the_data_lack_is_named() -> None:
    recorder, dataset, *_ = ready()
    for kwargs, what in (
        ({}, "no column 'close', the price"),
        ({"price": "open", "benchmark": {"column": "level"}}, "no column 'level', the benchmark"),
        ({"price": "open", "benchmark": {"instrument": "SPY"}}, "no instrument 'SPY'"),
    ):
        with pytest.raises(BadInput, match=what):
            PortfolioRecord(recorder, dataset=dataset, **kwargs).generate()
    with pytest.raises(BadInput, match="name"):
        PortfolioRecord(name="a/b")
    with pytest.raises(ArtifactMissing):
        PortfolioRecord(MemoryRecorder(), dataset=dataset, price="open").generate()

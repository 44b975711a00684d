"""How good a portfolio was, against empyrical-reloaded."""

from __future__ import annotations

import empyrical
import numpy as np
import pandas as pd
import pytest

from rollq.tasks.predictions.pooling import Pooled, pool
from rollq.tasks.predictions.portfolio.account import account
from rollq.tasks.predictions.portfolio.options import PortfolioOptions
from rollq.tasks.predictions.portfolio.performance import max_drawdown, performance, sessions_per_year
from tests.unit.tasks.predictions.portfolio.markets import made

EXACT = {"rel": 1e-9, "abs": 1e-12}


def test_it_is_that_of_an_independent_library() -> None:
    found = account(*made(sessions=300), PortfolioOptions(k=4, n_drop=2))
    metrics = performance(found, 252)
    for column, suffix in (("net", ""), ("return", " before cost")):
        returns = found[column]
        expected = {
            "Cumulative Return": empyrical.cum_returns_final(returns),
            "Annualized Return": empyrical.annual_return(returns, annualization=252),
            "Volatility": empyrical.annual_volatility(returns, annualization=252),
            "Sharpe": empyrical.sharpe_ratio(returns, annualization=252),
            "Max Drawdown": empyrical.max_drawdown(returns),
            "Information Ratio": empyrical.excess_sharpe(returns, found["benchmark"]) * np.sqrt(252),
        }
        for name, value in expected.items():
            assert metrics[name + suffix] == pytest.approx(value, **EXACT), name
    assert metrics["Benchmark Return"] == pytest.approx(empyrical.annual_return(found["benchmark"]), **EXACT)
    assert metrics["Turnover"] == pytest.approx(found["turnover"].mean())
    assert metrics["Cost"] == pytest.approx(found["cost"].mean() * 252)


def test_windows_are_pooled_by_their_returns() -> None:
    found = account(*made(sessions=300), PortfolioOptions(k=4, n_drop=2))
    whole = performance(found, 252)
    parts = [performance(part, 252) for part in (found.iloc[:100], found.iloc[100:])]
    joined = pool([{name: one for name, one in part.items() if isinstance(one, Pooled)} for part in parts])
    exact = [name for name in whole if not name.startswith("Max Drawdown")]
    assert {name: joined[name] for name in exact} == pytest.approx({name: whole[name] for name in exact})
    assert joined["Max Drawdown"] == min(part["Max Drawdown"] for part in parts)


def test_a_drawdown_counts_from_the_start() -> None:
    assert max_drawdown(np.array([-0.1, 0.5])) == pytest.approx(-0.1)
    assert max_drawdown(np.array([0.1, 0.1])) == 0.0


def test_a_portfolio_with_a_name_has_metrics_of_its_own() -> None:
    found = account(*made(), PortfolioOptions(k=4, n_drop=2, benchmark=None))
    assert "Sharpe (portfolio=wide)" in performance(found, 252, "wide")
    assert performance(found.iloc[:0], 252) == {}
    assert "Information Ratio" not in performance(found, 252)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pd.bdate_range("2020-01-01", periods=60), 252),
        (pd.date_range("2020-01-01", periods=60), 365),
        (pd.date_range("2020-01-01", periods=60, freq="W-FRI"), 52),
        (pd.date_range("2020-01-01", periods=20, freq="ME"), 12),
        (pd.date_range("2020-01-01", periods=20, freq="QE"), 4),
        (pd.date_range("2020-01-01", periods=5, freq="YE"), 1),
        (pd.date_range("2020-03-01", periods=24 * 40, freq="h", tz="Europe/Berlin"), 365 * 24),
        (pd.DatetimeIndex(["2020-01-01"]), 252),
    ],
)
def test_a_year_has_so_many_sessions(times: pd.DatetimeIndex, expected: float) -> None:
    assert sessions_per_year(times) == expected

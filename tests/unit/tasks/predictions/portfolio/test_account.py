"""The account of a portfolio: against one that keeps shares and cash, in time, and where prices are missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.predictions.portfolio.account import account
from rollq.tasks.predictions.portfolio.options import PortfolioOptions
from rollq.tasks.predictions.portfolio.selection import wanted
from tests.unit.tasks.predictions.portfolio.markets import made

STRATEGIES: list[dict[str, Any]] = [
    {"strategy": "topk", "k": 4, "n_drop": 2},
    {"strategy": "topk", "k": 50, "n_drop": 5},
    {"strategy": "long_short", "quantile": 0.25},
    {"strategy": "proportional"},
    {"strategy": "proportional", "long_only": False},
]


def with_shares(score: pd.Series, market: pd.DataFrame, options: PortfolioOptions) -> list[tuple[float, float]]:
    """The value after cost and the costs of each session, by shares and cash; what has no price keeps its last one."""
    prices, scores = market["price"].unstack(), score.unstack()
    cash, last = 1.0, pd.Series(np.nan, prices.columns)
    shares = pd.Series(0.0, prices.columns)
    missing = pd.Series(0, prices.columns)
    found = []
    for place, day in enumerate(prices.index):
        now = prices.loc[day]
        last = now.fillna(last)
        missing = (missing + 1).where(now.isna(), 0)
        for name in prices.columns[(missing > options.delisted_after) & (shares != 0)]:
            cash += shares[name] * last[name] * (1 + options.delisting_return)
            shares[name] = 0.0
        worth = shares * last.fillna(0)
        value, cost = cash + worth.sum(), 0.0
        if place >= options.delay:
            signal = scores.iloc[place - options.delay].to_numpy()
            aim = wanted(options, signal, (worth / value).to_numpy(), now.notna().to_numpy()) * value
            change = aim - worth
            paid = (change.clip(lower=0) * options.buy_bps - change.clip(upper=0) * options.sell_bps).sum() / 1e4
            cost = paid / value
            shares = (aim * (1 - cost) / last).fillna(0.0)  # costs are paid by all in proportion
            cash = (value - aim.sum()) * (1 - cost)
            value -= paid
        found.append((value, cost))
    return found


@pytest.mark.parametrize("holes", [0.0, 0.15])
@pytest.mark.parametrize("kwargs", STRATEGIES)
@pytest.mark.parametrize("delay", [1, 3])
def test_it_is_that_of_shares_and_cash(kwargs: dict[str, Any], holes: float, delay: int) -> None:
    score, market = made(holes=holes)
    options = PortfolioOptions(**kwargs, delay=delay, delisted_after=2, delisting_return=-0.3)
    found = account(score, market, options)
    expected = with_shares(score, market, options)[-len(found) :]
    assert len(found) == 40 - delay
    assert found["value"].to_list() == pytest.approx([value for value, _ in expected], rel=1e-9)
    assert found["cost"].to_list() == pytest.approx([cost for _, cost in expected], abs=1e-12)
    assert ((1 + found["net"]).cumprod() / found["value"]).to_list() == pytest.approx([1.0] * len(found))
    assert ((1 + found["return"]).cumprod() / found["value_before_cost"]).to_list() == pytest.approx([1.0] * len(found))


def test_the_first_session_buys_and_earns_nothing() -> None:
    score, market = made()
    first = account(score, market, PortfolioOptions(k=4, n_drop=1, buy_bps=10, sell_bps=30)).iloc[0]
    assert first.name == market.index[12][0]  # the signal of the first session is traded on the second
    assert (first["return"], first["benchmark"], first["holdings"]) == (0.0, 0.0, 4)
    assert first["cost"] == pytest.approx(0.001)
    assert first["turnover"] == pytest.approx(0.5)


@pytest.mark.parametrize("kwargs", STRATEGIES)
def test_a_session_sees_no_later_signal_and_no_later_price(kwargs: dict[str, Any]) -> None:
    assert sees_later(lambda score, market: account(score, market, PortfolioOptions(**kwargs))) == set()


def test_looking_ahead_would_be_seen() -> None:
    def leaky(score: pd.Series, market: pd.DataFrame) -> pd.DataFrame:
        shifted = score.unstack().shift(-1).stack()  # traded at the price of the session whose signal it is
        return account(shifted, market, PortfolioOptions(k=4, n_drop=2))

    assert sees_later(leaky) == {"scores"}
    assert "prices" in sees_later(
        lambda score, market: account(score, market.groupby(level=1).shift(-1), PortfolioOptions(k=4, n_drop=2))
    )


def sees_later(portfolio: Any) -> set[str]:
    """What changes the account up to a session, though it lies after it, or is the signal of the session itself."""
    score, market = made()
    day = market.index[25 * 12][0]
    before = portfolio(score, market).loc[:day]
    random = np.random.default_rng(9)
    later = score.index.get_level_values(0)
    others = {
        "scores": (score.where(later < day, random.normal(size=len(score))), market),
        "prices": (score, market.where((later <= day)[:, None], random.uniform(1, 9, (len(score), 1)))),
    }
    return {name for name, given in others.items() if not portfolio(*given).loc[:day].equals(before)}


def test_what_has_no_price_is_held_at_its_last_one_and_closed_in_the_end() -> None:
    score, market = made(sessions=12, instruments=3)
    score[:] = np.tile([3.0, 2.0, 1.0], 12)
    gone = (market.index.get_level_values(1) == "S00") & (market.index.get_level_values(0) >= market.index[3 * 3][0])
    market = market[~gone]
    options = PortfolioOptions(k=1, n_drop=1, buy_bps=0, sell_bps=0, delisted_after=3, delisting_return=-0.5)
    found = account(score, market, options)
    held = found["return"].iloc[2:].round(12).to_list()
    assert held[:3] == [0.0] * 3  # three sessions without a price
    assert held[3] == -0.5
    assert found["turnover"].iloc[5] == pytest.approx(0.5)  # the cash is put into the next best one at once
    back = account(score, market, PortfolioOptions(k=1, n_drop=1, delisted_after=50))
    assert (back["return"].iloc[2:] == 0).all()


def test_a_holiday_of_one_instrument_is_made_up_for_by_its_next_price() -> None:
    score, market = made(sessions=4, instruments=2)
    score[:] = np.tile([1.0, -1.0], 4)
    prices = [10.0, 5, 10, 5, np.nan, 5, 12, 5]
    found = account(
        score, market.assign(price=prices), PortfolioOptions(k=1, n_drop=0, benchmark={"instrument": "S01"})
    )
    assert found["return"].to_list() == pytest.approx([0.0, 0.0, 0.2])
    assert found["benchmark"].to_list() == [0.0, 0.0, 0.0]


def test_a_session_without_signals_trades_nothing() -> None:
    score, market = made()
    days = score.index.get_level_values(0)
    silent = score.where(days != days[12 * 9])
    found = account(silent, market, PortfolioOptions(k=4, n_drop=2))
    assert found["turnover"].iloc[9] == 0
    assert found["holdings"].iloc[9] == 4
    missing = account(score[days != days[12 * 9]], market, PortfolioOptions(k=4, n_drop=2))
    pd.testing.assert_frame_equal(missing, found, check_freq=False)


def test_all_is_lost_and_stays_lost() -> None:
    score, market = made(sessions=5, instruments=2)
    score[:] = np.tile([-1.0, 1.0], 5)
    prices = [1.0, 1, 1, 1, 9, 1, 1, 1, 1, 1]  # what was sold short is worth nine times as much
    found = account(score, market.assign(price=prices), PortfolioOptions(strategy="long_short", quantile=0.5))
    assert found["value"].to_list()[1:] == [0.0, 0.0, 0.0]
    assert found["net"].to_list()[1:] == [-1.0, 0.0, 0.0]


@pytest.mark.parametrize("benchmark", ["equal", {"instrument": "S03"}, {"column": "level"}, None])
def test_the_benchmark_is_of_the_same_sessions(benchmark: Any) -> None:
    score, market = made(holes=0.1)
    wide = market["price"].unstack()
    level = pd.Series(np.linspace(100, 140, 40), wide.index)
    if isinstance(benchmark, dict) and "column" in benchmark:
        market["benchmark"] = level.reindex(market.index.get_level_values(0)).to_numpy()
    found = account(score, market, PortfolioOptions(k=4, n_drop=2, benchmark=benchmark))
    if benchmark is None:
        assert "benchmark" not in found
        return
    last = wide.ffill()
    expected = {
        "equal": (wide / last.shift() - 1).mean(axis=1),
        "instrument": last["S03"].pct_change(),
        "column": level.pct_change(),
    }["equal" if benchmark == "equal" else next(iter(benchmark))]
    np.testing.assert_allclose(found["benchmark"].iloc[1:], expected.loc[found.index[1:]], rtol=1e-12)


def test_nothing_to_trade_is_an_empty_account() -> None:
    score, market = made(sessions=3)
    assert account(score * np.nan, market, PortfolioOptions()).empty

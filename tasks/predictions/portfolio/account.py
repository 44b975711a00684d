"""The account of a portfolio: session by session what it earns, trades, pays and is worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.predictions.portfolio.options import EQUAL, PortfolioOptions
from rollq.tasks.predictions.portfolio.selection import LEAST, wanted

DAY, INSTRUMENT = "datetime", "instrument"
PRICE, BENCHMARK = "price", "benchmark"
COLUMNS = ("return", "cost", "net", "turnover", "value", "value_before_cost", "holdings")
BPS = 1e-4
Floats = npt.NDArray[np.float64]


def account(score: pd.Series, market: pd.DataFrame, options: PortfolioOptions) -> pd.DataFrame:
    """Trade signals at prices, and keep the account.

    At each session first prices move what is held, then is traded at the session's prices what the signal of ``delay``
    sessions before wants, and costs are paid.

    Args:
        score: by (datetime, instrument); NaN is no signal.
        market: column ``price`` by (datetime, instrument), above 0; NaN, or no row, is no price. ``benchmark``, where
            it is a column: its level, the same for all instruments of a session.
        options: what is traded, and how.

    Returns:
        A frame by datetime, from the first session on which something was bought: ``return`` before cost, ``cost`` as a
        share of the value, ``net`` = (1 + return) (1 - cost) - 1, ``turnover`` (half of what was bought and sold, as a
        share of the value), ``value`` and ``value_before_cost`` (1 before the first session), ``holdings`` (how many
        instruments are held), and ``benchmark`` (its return; 0 on the first session), if there is one.
    """
    prices = _wide(market[PRICE])
    # Also where nothing has a price: a signal of such a session counts for the sessions after it.
    scores = _wide(score)
    times = prices.index.union(scores.index)
    prices = prices.reindex(times)
    scores = scores.reindex(index=times, columns=prices.columns)
    p = prices.where((prices > 0) & np.isfinite(prices)).to_numpy(dtype=float)
    rows = _traded(scores.to_numpy(dtype=float), p, options)
    first = next((place for place, row in enumerate(rows) if row[-1] > 0), len(rows))
    made = pd.DataFrame(rows, index=times, columns=list(COLUMNS)).iloc[first:]
    returns = _benchmark(pd.DataFrame(p, times, prices.columns), market.get(BENCHMARK), options)
    if returns is not None:
        made[BENCHMARK] = returns.iloc[first:]
        made.iloc[:1, made.columns.get_loc(BENCHMARK)] = 0.0  # what is bought at its price earns nothing that day
    return made.rename_axis(DAY)


def _traded(scores: Floats, prices: Floats, options: PortfolioOptions) -> list[tuple[float, ...]]:
    """A row of ``COLUMNS`` for each session."""
    sessions, instruments = prices.shape
    held, last, gone = np.zeros(instruments), np.full(instruments, np.nan), np.zeros(instruments, dtype=int)
    value = before = 1.0
    rows: list[tuple[float, ...]] = []
    for place in range(sessions):
        price = prices[place]
        there = np.isfinite(price)
        gone = np.where(there, 0, gone + 1)
        moved = np.where(there & np.isfinite(last), price / last - 1, 0.0)
        closed = (np.abs(held) > LEAST) & (gone > options.delisted_after)
        moved[closed] = options.delisting_return
        earned = max(float((held * moved).sum()), -1.0)
        # A portfolio that has lost everything, which short positions can do, holds nothing any more.
        held = held * (1 + moved) / (1 + earned) if earned > -1 else np.zeros(instruments)
        held[closed] = 0.0
        last = np.where(there, price, last)
        aim = held
        if place >= options.delay and earned > -1 and value > 0:
            aim = wanted(options, scores[place - options.delay], held, there)
        change = aim - held
        bought, sold = float(change[change > 0].sum()), float(-change[change < 0].sum())
        cost = min((bought * options.buy_bps + sold * options.sell_bps) * BPS, 1.0)
        value, before = value * (1 + earned) * (1 - cost), before * (1 + earned)
        held = aim
        count = int((np.abs(held) > LEAST).sum())
        net = (1 + earned) * (1 - cost) - 1
        rows.append((earned, cost, net, (bought + sold) / 2, value, before, count))
    return rows


def _benchmark(prices: pd.DataFrame, level: pd.Series | None, options: PortfolioOptions) -> pd.Series | None:
    """The benchmark's return by session; None, if there is none."""
    if options.benchmark is None:
        return None
    if level is not None:
        of_session = level.groupby(level=DAY).first().reindex(prices.index)
        return of_session.ffill().pct_change(fill_method=None).fillna(0.0)
    if (name := options.benchmark_instrument) is not None:
        one = prices[name] if name in prices else pd.Series(np.nan, prices.index)
        return one.ffill().pct_change(fill_method=None).fillna(0.0)
    if options.benchmark != EQUAL:
        return None
    # Equal weights of all that had a price before and have one now, set anew each session.
    known = prices.ffill().shift()
    return (prices / known - 1).mean(axis=1).fillna(0.0)


def _wide(values: pd.Series) -> pd.DataFrame:
    """Sessions x instruments, both sorted."""
    return values.unstack(INSTRUMENT).sort_index().sort_index(axis=1)

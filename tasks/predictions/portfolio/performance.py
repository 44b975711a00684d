"""How good a portfolio was: of its returns by session.

Growth is geometric (compounded), risk is that of the simple returns; sources: Bacon, Practical Portfolio Performance
Measurement and Attribution (2nd ed., 2008); Sharpe, The Sharpe ratio, Journal of Portfolio Management 21 (1994), with a
riskless rate of 0. empyrical-reloaded has the same numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.predictions.directions import of_group
from rollq.tasks.predictions.metrics import mean_and_ratio
from rollq.tasks.predictions.pooling import LEAST, Pooled
from rollq.tasks.predictions.portfolio.account import BENCHMARK

Floats = npt.NDArray[np.float64]
BEFORE_COST = "before cost"
SMALLEST = 1e-300  # what is left of a value of 0, so that its logarithm is finite


def performance(made: pd.DataFrame, per_year: float, name: str = "") -> dict[str, float]:
    """The metrics of an account, as ``account`` gives it; those that cannot be computed are left out.

    Args:
        made: a row for each session.
        per_year: sessions of a year.
        name: of the portfolio, where there are several: it is part of the names.

    Returns:
        After cost ``Cumulative Return``, ``Annualized Return``, ``Volatility``, ``Sharpe``, ``Max Drawdown`` and, where
        there is a benchmark, ``Information Ratio``; the same before cost; ``Turnover`` (mean of a session), ``Cost``
        (of a year, as a share of the value), and ``Benchmark Return``, the annualized return of the benchmark.
    """
    if made.empty:
        return {}
    net, gross = made["net"].to_numpy(dtype=float), made["return"].to_numpy(dtype=float)
    benchmark = made[BENCHMARK].to_numpy(dtype=float) if BENCHMARK in made else None
    found = _growth_and_risk(net, benchmark, per_year)
    found |= {f"{one} {BEFORE_COST}": value for one, value in _growth_and_risk(gross, benchmark, per_year).items()}
    found["Turnover"] = mean_and_ratio(made["turnover"].to_numpy(dtype=float))[0].total()
    found["Cost"] = mean_and_ratio(made["cost"].to_numpy(dtype=float) * per_year)[0].total()
    if benchmark is not None:
        found["Benchmark Return"] = _annualized(benchmark, per_year)
    return {
        of_group(one, "portfolio", name) if name else one: value for one, value in found.items() if np.isfinite(value)
    }


def max_drawdown(returns: Floats) -> float:
    """The largest loss from a peak of the value, the start included, as a negative share of the peak."""
    curve = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float((curve / np.maximum.accumulate(curve) - 1).min())


def sessions_per_year(times: pd.DatetimeIndex) -> float:
    """How many of such sessions a year has, by their distances: 252 days without weekends, 365 with them, 52 weeks, 12
    months, 4 quarters; of shorter distances, as many times a day as the median day has.
    """
    if len(times) < 2:
        return 252.0
    local = times.tz_localize(None)
    days = local.normalize()
    # Only one day of a week is missing where trade goes on at weekends, such as in a shop that is closed on Saturdays.
    whole_week = 365.0 if days.day_of_week.isin([5, 6]).any() else 252.0
    gap = float(np.median(np.diff(local.to_numpy()).astype("timedelta64[s]").astype(float))) / 86_400
    if gap < 0.9:
        return whole_week * float(np.median(np.unique(days, return_counts=True)[1]))
    for longest, count in ((4.0, whole_week), (15.0, 52.0), (45.0, 12.0), (180.0, 4.0)):
        if gap < longest:
            return count
    return 1.0


def _growth_and_risk(returns: Floats, benchmark: Floats | None, per_year: float) -> dict[str, Pooled]:
    """What one series of returns comes to, each with the sums by which windows are pooled."""
    n, scale = float(len(returns)), per_year**0.5
    found = {
        "Cumulative Return": Pooled("compound", (_log(returns),)),
        "Annualized Return": _annualized(returns, per_year),
        "Volatility": Pooled("deviation", (n, returns.sum(), (returns**2).sum(), n * scale)),
        "Sharpe": mean_and_ratio(returns, scale)[1].total(),
        "Max Drawdown": Pooled(LEAST, (max_drawdown(returns),)),
    }
    if benchmark is not None:
        found["Information Ratio"] = mean_and_ratio(returns - benchmark, scale)[1].total()
    return found


def _annualized(returns: Floats, per_year: float) -> Pooled:
    return Pooled("growth", (_log(returns), len(returns) / per_year))


def _log(returns: Floats) -> float:
    return float(np.log(np.maximum(1 + returns, SMALLEST)).sum())

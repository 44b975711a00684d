"""How good predictions are: information coefficients by day, then averaged.

Sources: Grinold and Kahn, Active Portfolio Management (2nd ed., 2000), chapter 6, for IC and its ratio; Qlib's
``calc_ic`` takes the same means. ICIR is the daily ratio, not annualised.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.predictions.pooling import MEAN, RowSums, metrics_of

# The artifacts that hold the daily coefficients of a window, by column.
DAILY = {"ic": "sig_analysis/ic.parquet", "rank_ic": "sig_analysis/ric.parquet"}


def daily_ic(score: pd.Series, label: pd.Series) -> pd.DataFrame:
    """Information coefficients of each day.

    Args:
        score, label: indexed (datetime, instrument).

    Returns:
        A frame indexed by datetime: ``ic`` is Pearson's correlation of score and label over the day's instruments,
        ``rank_ic`` Spearman's. Days with fewer than two pairs, or where one side does not vary, are left out.
    """
    pairs = pd.DataFrame({"score": score.astype(float), "label": label.astype(float)})
    pairs = pairs.replace([np.inf, -np.inf], np.nan).dropna()
    days = pairs.groupby(level="datetime")
    # Spearman's coefficient is Pearson's of the ranks; ties have their mean rank.
    ranks = days.rank()
    found = pd.DataFrame({"ic": _correlation(pairs), "rank_ic": _correlation(ranks)})
    return found.dropna()


def summary(daily: pd.DataFrame) -> dict[str, float]:
    """``IC`` and ``Rank IC``: means over days; ``ICIR`` and ``Rank ICIR``: mean / sample standard deviation over days.

    A ratio without a deviation (one day) is left out. They can be pooled over windows (``pooling.py``).
    """
    rows: dict[str, RowSums] = {}
    for column, name, ratio in (("ic", "IC", "ICIR"), ("rank_ic", "Rank IC", "Rank ICIR")):
        values = daily[column].to_numpy(dtype=float)
        rows[name], rows[ratio] = mean_and_ratio(values)
    return metrics_of(rows)


def mean_and_ratio(values: npt.NDArray[np.float64], factor: float = 1.0) -> tuple[RowSums, RowSums]:
    """The mean of values, and mean / sample standard deviation times ``factor``; NaN does not count."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    return (
        RowSums.of(MEAN, filled, 1, where=known),
        RowSums.of("ratio", 1, filled, filled**2, factor, where=known),
    )


def long_short(score: pd.Series, label: pd.Series, share: float = 0.2) -> pd.DataFrame:
    """Returns of each day, were the best share of its instruments bought and the worst sold short.

    Args:
        score, label: indexed (datetime, instrument).
        share: of the instruments of a day, on each side.

    Returns:
        A frame indexed by datetime: ``long_short`` is half the difference of the mean labels of both sides,
        ``long_avg`` the mean label of all instruments. A day with too few instruments for one on a side has no
        ``long_short``. Qlib's ``calc_long_short_return`` takes the same sides and means.
    """
    pairs = pd.DataFrame({"score": score.astype(float), "label": label.astype(float)})
    days = pairs.groupby(level="datetime")
    count = (days["score"].transform("size") * share).astype(int)
    # Of equal scores those that stand first count, on either side.
    best, worst = (days["score"].rank(method="first", ascending=up) <= count for up in (False, True))
    long, short = (pairs["label"].where(side).groupby(level="datetime").mean() for side in (best, worst))
    return pd.DataFrame({"long_short": (long - short) / 2, "long_avg": days["label"].mean()})


def annualised(returns: pd.DataFrame, sessions: float) -> dict[str, float]:
    """``Long-Short`` and ``Long-Avg``, each ``Ann Return`` and ``Ann Sharpe``, of what ``long_short`` gives."""
    rows: dict[str, RowSums] = {}
    for column, name in (("long_short", "Long-Short"), ("long_avg", "Long-Avg")):
        values = returns[column].to_numpy(dtype=float)
        rows[f"{name} Ann Return"] = mean_and_ratio(values * sessions)[0]
        rows[f"{name} Ann Sharpe"] = mean_and_ratio(values, sessions**0.5)[1]
    return metrics_of(rows)


def _correlation(pairs: pd.DataFrame) -> pd.Series:
    """Pearson's correlation of the two columns by day: cov(x, y) / (sd(x) sd(y)), without a loop over days."""
    days = pairs.groupby(level="datetime")
    # Compared, not computed: the variance of a constant is not always rounded to zero, that of small numbers may be.
    varies = (days.max() > days.min()).all(axis=1)
    centred = pairs - days.transform("mean")
    centred = centred / centred.abs().groupby(level="datetime").transform("max")  # so that squares do not underflow
    products = pd.DataFrame(
        {
            "xy": centred["score"] * centred["label"],
            "xx": centred["score"] ** 2,
            "yy": centred["label"] ** 2,
        }
    )
    sums = products.groupby(level="datetime").sum()
    return (sums["xy"] / (sums["xx"] * sums["yy"]) ** 0.5).where(varies)

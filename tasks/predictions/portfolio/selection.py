"""What a portfolio wants to hold: weights by instrument, of the scores of one session."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rollq.tasks.predictions.portfolio.options import LONG_SHORT, TOPK, PortfolioOptions

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
LEAST = 1e-12  # a smaller share of the value is no position, and no cash: it is rounding


def wanted(options: PortfolioOptions, score: Floats, held: Floats, tradable: Mask) -> Floats:
    """The weights after trading, as shares of the value; the rest is cash.

    Args:
        options: which strategy, and its numbers.
        score: by instrument; NaN is none. Of equal ones the instrument that stands first goes first.
        held: weights by instrument before trading.
        tradable: which have a price now. What is held and has none stays as it is.

    Returns:
        As ``held``, where no instrument has a score: without a signal nothing is traded.
    """
    if not np.isfinite(score).any():
        return held
    if options.strategy == TOPK:
        return top_with_dropout(score, held, tradable, options.k, options.n_drop)
    known = np.where(tradable, score, np.nan)
    if options.strategy == LONG_SHORT:
        aim = long_short(known, options.quantile)
    else:
        aim = proportional(known, options.long_only)
    return np.where(tradable, aim, held)


def top_with_dropout(score: Floats, held: Floats, tradable: Mask, k: int, n_drop: int) -> Floats:
    """The ``k`` highest scores, of which at most ``n_drop`` are replaced; positions run until they are sold.

    Those that are held and the best of the others, as many as may come in, are put in the order of their scores. What
    is held and among the last ``n_drop`` of them is sold; as many of the best others are bought, and more while fewer
    than ``k`` are held. Each that is bought gets an equal part of the cash. That is Qlib's TopkDropoutStrategy; but
    nothing is sold for which there is nobody to take its place, and what has no price is neither bought nor sold.

    Args:
        score, held, tradable: as for ``wanted``; what is held and has no score counts as the worst.
        k, n_drop: how many.
    """
    order = np.argsort(-score, kind="stable")  # NaN, which is no score, comes last
    mine = np.abs(held) > LEAST
    count = int(mine.sum())
    able = tradable & np.isfinite(score) & ~mine
    others = order[able[order]][: max(n_drop + k - count, 0)]
    in_play = mine & tradable
    in_play[others] = True
    together = order[in_play[order]]
    replaced = min(n_drop, max(len(others) + count - k, 0))
    last = together[len(together) - replaced :]
    sold = last[mine[last]]
    bought = others[: max(len(sold) + k - count, 0)]
    aim = held.copy()
    aim[sold] = 0.0
    cash = 1.0 - float(aim.sum())
    if len(bought) and cash > LEAST:
        aim[bought] = cash / len(bought)
    return aim


def long_short(score: Floats, quantile: float) -> Floats:
    """Half of the value in the best ``quantile`` of the scores, half sold short in the worst, in equal weights.

    ``floor(quantile * n)`` of the n instruments with a score are on each side, and at least one where there are two.
    """
    known = np.flatnonzero(np.isfinite(score))
    size = max(int(quantile * len(known) + 1e-9), 1)  # 0.7 * 10 is not quite 7
    weights = np.zeros(len(score))
    if len(known) < 2:
        return weights
    order = known[np.argsort(-score[known], kind="stable")]
    weights[order[:size]], weights[order[len(order) - size :]] = 0.5 / size, -0.5 / size
    return weights


def proportional(score: Floats, long_only: bool) -> Floats:
    """Weights as the scores are: the positive ones, adding up to 1; or scores less their mean, sizes adding up to 1."""
    known = np.where(np.isfinite(score), score, np.nan)
    raw = np.clip(known, 0, None) if long_only else known - np.nanmean(known) if np.isfinite(known).any() else known
    raw = np.nan_to_num(raw, nan=0.0)
    size = np.abs(raw).sum()
    return raw / size if size > 0 else np.zeros(len(score))

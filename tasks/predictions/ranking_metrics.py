"""How good the order of the instruments of each time is, above all at its top.

Source: Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 20 (2002); scikit-learn's
``ndcg_score`` is the same, ties included (McSherry and Najork, 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import BadInput
from rollq.tasks.predictions.pooling import MEAN, RowSums

DAY = "datetime"
GAINS = ("linear", "exponential")
Floats = npt.NDArray[np.float64]


def ranking_metrics(
    pairs: pd.DataFrame, tops: Sequence[int], gain: str = "linear"
) -> tuple[pd.Index, dict[str, RowSums]]:
    """What each time adds to the metrics of the order.

    Args:
        pairs: columns ``score`` and ``label``, indexed (datetime, instrument), without NaN; labels of at least 0.
        tops: how many of the highest scores are looked at, each: ``NDCG@10``.
        gain: ``linear``: a label of 3 is worth 3; ``exponential``: 2^3 - 1, as LightGBM's lambdarank has it.

    Returns:
        The times, and by metric one row for each: ``NDCG@k``, the sum over the k highest scores of gain / log2(place +
        1), divided by that of the best order; ties share the mean of their gains. ``Precision@k``, the share of the k
        highest scores that are among the k highest labels; of equal ones those that stand first. A time with fewer
        than two rows, or all of whose labels are 0, does not count.

    Raises:
        BadInput: a label is negative, or ``tops`` or ``gain`` is not possible.
    """
    _check(pairs, tops, gain)
    codes, times = pd.factorize(pairs.index.get_level_values(DAY), sort=True)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(times) + 1))
    score, label = pairs["score"].to_numpy()[order], pairs["label"].to_numpy()[order]
    found = {name: np.zeros((len(times), 2)) for top in tops for name in (f"NDCG@{top}", f"Precision@{top}")}
    for place, (first, end) in enumerate(pairwise(bounds)):
        s, y = score[first:end], label[first:end]
        if len(s) < 2 or not y.any():
            continue
        gains = y if gain == "linear" else np.exp2(y) - 1
        for top in tops:
            found[f"NDCG@{top}"][place] = _ndcg(s, gains, top), 1
            found[f"Precision@{top}"][place] = _precision(s, y, top), 1
    return pd.Index(times, name=DAY), {name: RowSums(MEAN, sums) for name, sums in found.items()}


def session_ranks(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs whose label is its rank at its time, from 0 to 1: for labels that are no degrees of relevance."""
    times = pairs["label"].groupby(level=DAY)
    count = times.transform("size")
    return pairs.assign(label=(times.rank() - 1) / (count - 1).clip(lower=1))


def _ndcg(score: Floats, gains: Floats, top: int) -> float:
    discounts = 1 / np.log2(np.arange(len(score)) + 2)
    discounts[top:] = 0
    best = float((np.sort(gains)[::-1] * discounts).sum())
    _, place, count = np.unique(-score, return_inverse=True, return_counts=True)
    mean_gain = np.bincount(place, weights=gains) / count
    ends = np.concatenate([[0.0], np.cumsum(discounts)])
    last = np.cumsum(count)
    return float((mean_gain * (ends[last] - ends[last - count])).sum() / best)


def _precision(score: Floats, label: Floats, top: int) -> float:
    k = min(top, len(score))
    chosen, right = (np.argsort(-values, kind="stable")[:k] for values in (score, label))
    return len(np.intersect1d(chosen, right)) / k


def _check(pairs: pd.DataFrame, tops: Sequence[object], gain: str) -> None:
    if gain not in GAINS:
        raise BadInput(f"gain {gain!r} is unknown.", f"Use {' or '.join(GAINS)}.")
    if not tops or any(isinstance(top, bool) or not isinstance(top, int) or top < 1 for top in tops):
        raise BadInput(f"k {list(tops)!r} is not possible.", "Use whole numbers of at least 1, such as [5, 10].")
    if (pairs["label"] < 0).any():
        raise BadInput(
            "NDCG needs labels of at least 0: degrees of relevance.", "Use relevance: rank, which takes ranks by time."
        )

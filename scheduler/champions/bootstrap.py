"""How sure the mean of a daily series is, where the days depend on each other: a circular block bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rollq.tasks.errors import BadInput, CoverageError, EnsembleError

# 2,000 draws place the bounds of a 95 % interval well enough (Efron and Tibshirani, An Introduction to the Bootstrap,
# 1993, advise 1,000 or more); the seed is fixed, so that asking twice gives one answer.
DRAWS, SEED, CONFIDENCE = 2_000, 7, 0.95


@dataclass(frozen=True)
class Interval:
    """The mean of a daily difference, and where it may lie.

    Args:
        mean: over the sessions.
        low, high: the middle ``confidence`` of the means of all draws.
        p_better: share of draws whose mean is above 0; those of exactly 0 count half.
        block: sessions in a block.
        draws: how often the series was drawn.
        sessions: how many had a difference.
        confidence: what the interval is meant to hold.
    """

    mean: float
    low: float
    high: float
    p_better: float
    block: int
    draws: int
    sessions: int
    confidence: float

    @property
    def excludes_zero(self) -> bool:
        """Whether one side is better on all of the interval."""
        return self.low > 0 or self.high < 0


def block_bootstrap(
    difference: pd.Series,
    block: int | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    confidence: float = CONFIDENCE,
    lookahead: int = 1,
) -> Interval:
    """An interval of the mean of a daily series, by the circular block bootstrap (Politis and Romano, 1992).

    The sessions are laid in a circle. A draw takes blocks of ``block`` successive sessions that begin anywhere, until
    it has as many sessions as the series (the last block is cut), and takes the mean. Days within a block keep their
    dependence, which drawing single days would lose: then intervals of a series with positive autocorrelation are too
    narrow. The same data and seed give the same interval.

    Args:
        difference: by session, in any order; NaN and infinite values are left out.
        block: its length in sessions; None: the cube root of the number of sessions, rounded, the rate that is best for
            a variance (Hall, Horowitz and Jing, 1995, Biometrika 82), or ``lookahead`` if that is more.
        draws: how many.
        seed: of the draws.
        confidence: what the interval is to hold; its bounds are quantiles of the means of the draws.
        lookahead: sessions that the label looks ahead: labels of so many sessions overlap.

    Raises:
        CoverageError: there are fewer sessions than two blocks; it says how many are needed.
        EnsembleError: a session is there twice.
        BadInput: a number is out of range.
    """
    _check(block, draws, confidence, lookahead)
    values = _values(difference)
    size = block or max(lookahead, round(len(values) ** (1 / 3)), 1)
    if len(values) < 2 * size:
        raise CoverageError(
            f"{len(values)} sessions are too few to say how sure a difference is: two blocks of {size} sessions need "
            f"{2 * size}.",
            "Wait for more sessions." if block is None else "Wait for more sessions, or use a shorter block.",
        )
    mean = float(values.mean())
    # Centred, because running sums of numbers around 0 lose fewer digits.
    means = mean + _drawn(values - mean, size, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    better = float((means > 0).mean() + (means == 0).mean() / 2)
    return Interval(mean, float(low), float(high), better, size, draws, len(values), confidence)


def _drawn(centred: np.ndarray, size: int, draws: int, random: np.random.Generator) -> np.ndarray:
    """The mean of each draw. Only sums of blocks are looked up, so memory does not grow with the number of sessions."""
    count = len(centred)
    # The first `size` days stand once more at the end: that closes the circle, and a block's sum is one difference.
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([centred, centred[:size]]))])
    whole, rest = divmod(count, size)
    totals = np.zeros(draws)
    for length in [size] * whole + ([rest] if rest else []):
        starts = random.integers(0, count, size=draws)
        totals += running[starts + length] - running[starts]
    means: np.ndarray = totals / count
    return means


def _values(difference: pd.Series) -> np.ndarray:
    if not isinstance(difference, pd.Series) or not difference.index.is_unique:
        raise EnsembleError("A difference is a Series with one value a session.", "Give each session once.")
    # Sorted: blocks are of days that follow each other, whatever the order in which they came.
    values: np.ndarray = difference.sort_index().to_numpy(dtype=float)
    finite: np.ndarray = values[np.isfinite(values)]
    return finite


def _check(block: object, draws: object, confidence: float, lookahead: object) -> None:
    for name, value in (("block", 1 if block is None else block), ("draws", draws), ("lookahead", lookahead)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BadInput(f"{name} {value!r} is not possible.", "Use a whole number of at least 1.")
    if not 0 < confidence < 1:
        raise BadInput(f"confidence {confidence!r} is no probability.", "Use a number between 0 and 1, such as 0.95.")

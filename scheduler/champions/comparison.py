"""Champion against challenger: the same scores by day for both, and how sure their difference is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TypedDict

import numpy as np
import pandas as pd

from rollq.scheduler.champions.bootstrap import CONFIDENCE, DRAWS, SEED, Interval, block_bootstrap
from rollq.scheduler.champions.measures import Measured, Measures
from rollq.tasks.errors import BadInput, CoverageError, EnsembleError
from rollq.tasks.predictions.directions import LOWER, direction_of, main_metrics
from rollq.tasks.predictions.metrics import daily_ic, summary
from rollq.tasks.predictions.session_days import session_days

DAY, INSTRUMENT = "datetime", "instrument"
SCORES = {"ic": "IC", "rank_ic": "Rank IC"}  # of a day, and its mean
COEFFICIENTS = ("IC", "ICIR", "Rank IC", "Rank ICIR")
# The top fifth, as in the usual sort into quintiles.
TOP = 0.2
TURNOVER = "Score Turnover"  # not that of a portfolio, which a record measures


@dataclass(frozen=True)
class Side:
    """One of the two: its name, and its predictions, a frame with the column ``score`` by (datetime, instrument).

    ``outputs`` is what its models say beside the score, if that is known: quantiles, probabilities of classes.
    """

    name: str
    pred: pd.DataFrame
    outputs: pd.DataFrame | None = None


@dataclass(frozen=True)
class Comparison:
    """What was found on the rows that both sides have.

    Args:
        champion, challenger: the names.
        metrics: by name of a side: ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR`` and ``Score Turnover``, means over the
            times of the rows; and what the records of the template measure, over all rows. What cannot be computed, as
            the ratio of one time, is None.
        difference: challenger less champion: of ``IC``, ``Rank IC`` and what records measure by session, the mean over
            sessions with its interval; that of a session with several times is the mean over them. ``p_better`` is of
            what is better: where that is less, of a difference below 0.
        turnover: challenger's mean turnover less champion's; None with a single session.
        sessions, start, end: those with scores of both sides; dates as ``YYYY-MM-DD``.
        rows: (time, instrument) that both sides predict and that have a label.
        better: ``higher`` or ``lower``, of the metrics whose record says it.
        left_out: why a record measured nothing, by its class.
    """

    champion: str
    challenger: str
    metrics: dict[str, dict[str, float | None]]
    difference: dict[str, Interval]
    turnover: float | None
    sessions: int
    start: str
    end: str
    rows: int
    better: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return asdict(self)


class CompareOptions(TypedDict, total=False):
    """Further arguments of ``compare``."""

    top: float
    block: int | None
    draws: int
    seed: int
    confidence: float
    measures: Measures | None


def compare(
    champion: Side,
    challenger: Side,
    label: pd.DataFrame,
    *,
    top: float = TOP,
    lookahead: int = 1,
    block: int | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    confidence: float = CONFIDENCE,
    measures: Measures | None = None,
) -> Comparison:
    """Compare two sets of predictions on the same rows, against the same label.

    Rows that one side lacks, or has as NaN, count for neither; a session that says nothing about one side (its score
    does not vary, say) counts for neither. Turnover is that of the rows that both sides predict, with a label or not.

    Args:
        champion: what serves: its name and predictions.
        challenger: what it is compared with.
        label: a frame with the column ``label`` by (datetime, instrument): what really happened.
        top: share of instruments that ``turnover`` looks at.
        lookahead: sessions that the label looks ahead; labels of so many sessions overlap, so blocks are as long.
        block, draws, seed, confidence: as for ``block_bootstrap``.
        measures: the records of the template, which measure both sides, too.

    Raises:
        CoverageError: the sides have no session in common, or too few for an interval.
        EnsembleError: a frame has not the form above, or names an instrument twice at one time.
        BadInput: a number is out of range, or both sides have one name.
    """
    if champion.name == challenger.name:
        raise BadInput(f"Both sides are called {champion.name!r}.", "Give each a name of its own.")
    sides = _common({side.name: _column(side.pred, "score", side.name) for side in (champion, challenger)})
    truth = _column(label, "label", "The label")
    coefficients = {name: daily_scores(pred, truth) for name, pred in sides.items()}
    times = coefficients[champion.name].index.intersection(coefficients[challenger.name].index)
    # At the same times, or a side with easier days would look better.
    coefficients = {name: found.loc[times] for name, found in coefficients.items()}
    outputs = {side.name: side.outputs for side in (champion, challenger)}
    others = {name: _measured(measures, pred, truth, outputs[name]) for name, pred in sides.items()}
    turned = {name: turnover(pred, top) for name, pred in sides.items()}
    gap = _gap(
        coefficients[challenger.name] - coefficients[champion.name], others[champion.name], others[challenger.name]
    )
    if gap.empty:
        raise CoverageError(
            f"{champion.name!r} and {challenger.name!r} have no session in common that can be scored.",
            "Train both for the same sessions, and wait until their labels are known.",
        )
    better = dict(others[champion.name].whole.better)
    return Comparison(
        champion=champion.name,
        challenger=challenger.name,
        metrics={name: {**_metrics(coefficients[name], turned[name]), **_of_records(others[name])} for name in sides},
        difference=_intervals(gap, better, block, draws, seed, confidence, lookahead),
        turnover=_mean(turned[challenger.name] - turned[champion.name]),
        sessions=len(gap),
        start=f"{gap.index.min():%Y-%m-%d}",
        end=f"{gap.index.max():%Y-%m-%d}",
        rows=_rows(sides[champion.name], truth, times if len(times) else None),
        better={name: found for name in gap if (found := direction_of(str(name), better))},
        left_out={**others[challenger.name].left_out, **others[champion.name].left_out},
    )


def daily_scores(pred: pd.DataFrame | pd.Series, label: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """``ic`` and ``rank_ic`` of each time, as ``rollq.tasks.predictions.metrics.daily_ic``.

    Args:
        pred, label: with the column ``score`` and ``label``, by (datetime, instrument); or a Series.

    Raises:
        EnsembleError: a frame has not this form, or names an instrument twice at one time.
    """
    found = daily_ic(_column(pred, "score", "The prediction"), _column(label, "label", "The label"))
    return found.sort_index()


def turnover(pred: pd.DataFrame | pd.Series, top: float = TOP) -> pd.Series:
    """The share of the top instruments at each time that was not among the top ones of the time before.

    A table with dates has one time a session. The top ones are those with the highest scores, ``floor(top * n)`` of the
    ``n`` instruments with a score, and at least one; of equal scores the instrument whose name comes first. Where the
    number of top ones stays the same, this is the one-way turnover of a portfolio that holds them in equal weights,
    half the sum of absolute changes of weights (Grinold and Kahn, Active Portfolio Management, 2nd ed., 2000, chapter
    16). "Before" is the last time that has a score at all, however long ago. An instrument that left the universe is no
    longer held: the one that takes its place is new.

    Args:
        pred: with the column ``score``, by (datetime, instrument), in any order; or a Series. NaN is no score.
        top: a share, above 0 and at most 1.

    Returns:
        A Series called ``turnover`` by datetime, from 0 to 1, sorted; without the first time, which has none before.

    Raises:
        EnsembleError: the frame has not this form, or names an instrument twice at one time.
        BadInput: ``top`` is out of range.
    """
    if not 0 < top <= 1:
        raise BadInput(f"{top!r} is no share of instruments.", "Use a number above 0 and at most 1.")
    score = _column(pred, "score", "The prediction").dropna()
    day, days = pd.factorize(score.index.get_level_values(DAY), sort=True)
    name, names = pd.factorize(score.index.get_level_values(INSTRUMENT), sort=True)
    # By day, then by score, the highest first, then by name: lexsort's last key is its first.
    order = np.lexsort((name, -score.to_numpy(dtype=float), day))
    day, name = day[order].astype(np.int64), name[order].astype(np.int64)
    counts = np.bincount(day, minlength=len(days))
    held = np.maximum(np.floor(top * counts + 1e-9), 1)  # 0.7 * 10 is not quite 7
    place = np.arange(len(day)) - np.repeat(np.cumsum(counts) - counts, counts)
    best = place < held[day]
    day, name = day[best], name[best]
    # (day, instrument) as one number; on the right those of each day, moved to the next: what is not among them was not
    # held.
    new = ~np.isin(day * len(names) + name, (day + 1) * len(names) + name)
    share = np.bincount(day, weights=new, minlength=len(days)) / held
    return pd.Series(share, pd.Index(days, name=DAY), name="turnover").iloc[1:]


def _column(frame: pd.DataFrame | pd.Series, name: str, what: str) -> pd.Series:
    """The column of a frame, or the Series itself."""
    found = frame.get(name) if isinstance(frame, pd.DataFrame) else frame
    if not isinstance(found, pd.Series) or list(found.index.names) != [DAY, INSTRUMENT]:
        raise EnsembleError(
            f"{what} is no frame with the column {name!r} by (datetime, instrument).", "Name column and index so."
        )
    if not found.index.is_unique:
        raise EnsembleError(f"{what} names an instrument twice at one time.", "Give one row per time and instrument.")
    return found.rename(name)


def _common(sides: Mapping[str, pd.Series]) -> dict[str, pd.Series]:
    """The sides on the rows that each of them has a score for, sorted."""
    # The same rows for both: a model that says nothing of difficult instruments must not look better for it.
    joined = pd.concat(sides, axis=1, join="inner").replace([np.inf, -np.inf], np.nan).dropna().sort_index()
    return {name: joined[name].rename("score") for name in sides}


def _measured(measures: Measures | None, pred: pd.Series, label: pd.Series, outputs: pd.DataFrame | None) -> Measured:
    """What the records say of one side, on the rows of both."""
    if measures is None:
        return Measured()
    return measures(pred, label.reindex(pred.index), None if outputs is None else outputs.reindex(pred.index))


def _gap(coefficients: pd.DataFrame, champion: Measured, challenger: Measured) -> pd.DataFrame:
    """Challenger less champion: by session, a column for each metric; sessions that say nothing are left out.

    Args:
        coefficients: their difference by time.
        champion, challenger: what the records measured of each.
    """
    # Hours of a session depend on each other more than sessions do, and the look-ahead counts sessions.
    gap = coefficients.rename(columns=SCORES).groupby(session_days(coefficients)).mean()
    both = [one.by_session.drop(columns=list(SCORES.values()), errors="ignore") for one in (champion, challenger)]
    common = [name for name in both[0] if name in both[1]]
    if common:
        gap = pd.concat([gap, both[1][common] - both[0][common]], axis=1).sort_index()
    return gap.replace([np.inf, -np.inf], np.nan).dropna(how="all")


def _intervals(
    gap: pd.DataFrame,
    better: Mapping[str, str],
    block: int | None,
    draws: int,
    seed: int,
    confidence: float,
    lookahead: int,
) -> dict[str, Interval]:
    """The interval of each metric that has sessions enough; raises CoverageError, if none has."""
    found: dict[str, Interval] = {}
    short: CoverageError | None = None
    for name in gap:
        try:
            interval = block_bootstrap(gap[name], block, draws, seed, confidence, lookahead)
        except CoverageError as error:
            short = short or error
            continue
        if direction_of(str(name), better) == LOWER:
            interval = replace(interval, p_better=1 - interval.p_better)
        found[str(name)] = interval
    if short and not found:
        raise short
    return found


def _of_records(measured: Measured) -> dict[str, float | None]:
    names = [name for name in main_metrics(measured.whole.values) if name not in COEFFICIENTS]
    return {name: float(measured.whole.values[name]) for name in names}


def _rows(pred: pd.Series, label: pd.Series, times: pd.Index | None) -> int:
    known = label.replace([np.inf, -np.inf], np.nan).dropna().index
    common = pred.index.intersection(known).get_level_values(DAY)
    return len(common) if times is None else int(common.isin(times).sum())


def _metrics(scores: pd.DataFrame, turned: pd.Series) -> dict[str, float | None]:
    """The coefficients, where there are any: a single series has none; and the turnover."""
    found = summary(scores)
    return {**({name: found.get(name) for name in COEFFICIENTS} if found else {}), TURNOVER: _mean(turned)}


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None

"""The naive forecast that was possible when a row was predicted: its label a season ago, or several seasons.

Hyndman and Koehler, Another look at measures of forecast accuracy, International Journal of Forecasting 22 (2006),
scale errors by those of the naive forecast. What looks 24 hours ahead cannot be forecast by the value of an hour ago:
the last label that is known then is that of 24 hours ago.
"""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.errors import BadInput
from rollq.tasks.predictions.session_days import session_days
from rollq.workers.expressions.span import Span, moved

DAY, INSTRUMENT = "datetime", "instrument"
NATURAL = "natural"  # the season that the times themselves have
ONE_DAY = timedelta(days=1)
WITHOUT_GAPS = 0.95  # of the times that there would be, if each came a step after the one before


def read_season(season: object) -> Span | None:
    """A season as a template has it; None: the natural one.

    Raises:
        BadInput: it is neither ``natural``, a number of rows of at least 1, nor a span such as 24h.
    """
    if season == NATURAL:
        return None
    try:
        found = Span.of(season) if isinstance(season, int | str) else Span()
    except ValueError:
        found = Span()
    if not found or found.steps < 0:
        raise BadInput(
            f"season {season!r} is not possible.",
            "Use a number of rows, at least 1, a span such as 24h or 7d, `natural`, or null for no MASE.",
        )
    return found


def look_ahead(dataset: Dataset, times: pd.DatetimeIndex) -> Span:
    """How far the label looks ahead, at least a row; what is known in sessions only counts so many usual ones.

    Args:
        times: the distinct times of the rows, sorted.
    """
    if text := dataset.label_span:
        found = Span()
        for part in text.split(" + "):
            found += Span.of(int(part) if part.isdigit() else part)
    else:
        rows = session_days(times).value_counts()
        found = Span(steps=dataset.label_lookahead * math.ceil(rows.median() if len(rows) else 1))
    return found or Span(steps=1)


def possible_lag(times: pd.DatetimeIndex, ahead: Span, season: Span | None = None) -> Span:
    """The shortest lag of whole seasons that is at least the look-ahead.

    Args:
        times: the distinct times of the rows, sorted.
        ahead: how far the label looks ahead.
        season: None: that of the times; where they have none that is plain, the lag is the look-ahead itself.
    """
    one = season or natural_season(times)
    if one is None:
        return ahead
    if one.is_steps and ahead.is_steps:
        return one * math.ceil(ahead.steps / one.steps)
    return one * max(1, math.ceil(_length(times, ahead) / _length(times, one)))


def natural_season(times: pd.DatetimeIndex) -> Span | None:
    """A day of hours (or parts of them) that go round the clock, a week of days without weekends; None: neither."""
    if len(times) < 3:
        return None
    step = pd.Timedelta(np.median(np.diff(times.asi8)), unit=times.unit)
    if len(times) < WITHOUT_GAPS * ((times[-1] - times[0]) / step + 1):
        return None
    if step == ONE_DAY:
        return Span(days=7)
    return Span(time=ONE_DAY) if step < ONE_DAY and ONE_DAY % step == timedelta(0) else None


def lagged(label: pd.Series, lag: Span) -> pd.Series:
    """For each row the label of its instrument that lies ``lag`` before, sorted; NaN where there is none.

    Args:
        label: indexed (datetime, instrument). Steps count the rows of an instrument.
    """
    rows = label.sort_index()
    before = rows.groupby(level=INSTRUMENT, observed=True).shift(lag.steps) if lag.steps else rows
    if lag.is_steps:
        return before
    then = moved(pd.DatetimeIndex(rows.index.get_level_values(DAY)), Span(days=-lag.days, time=-lag.time))
    wanted = pd.MultiIndex.from_arrays([then, rows.index.get_level_values(INSTRUMENT)], names=rows.index.names)
    return pd.Series(before.reindex(wanted).to_numpy(), rows.index)


def _length(times: pd.DatetimeIndex, span: Span) -> timedelta:
    """About how long a span is: steps are as long as they usually are."""
    found = span.days * ONE_DAY + span.time
    if span.steps:
        apart = times[span.steps :] - times[: -span.steps]
        found += apart.median() if len(apart) else ONE_DAY
    return found

"""The times of rows as text: a date where rows have dates, else ISO 8601, with the offset where they have a zone."""

from __future__ import annotations

import pandas as pd

from rollq.tasks.predictions.session_days import session_days


def are_dates(times: pd.DatetimeIndex) -> bool:
    """Whether times are plain dates: without a zone, each of them midnight."""
    return times.tz is None and bool((times == session_days(times)).all())


def time_texts(times: pd.DatetimeIndex) -> pd.Index:
    """The text of each time: ``2024-10-27`` of dates, ``2024-10-27T02:00:00`` of times, ``2024-10-27T02:00:00+01:00``
    of those with a zone, so that the hour that is there twice when clocks change is told apart.

    One time that is no date makes all of them times.
    """
    if are_dates(times):
        return times.strftime("%Y-%m-%d")
    return pd.Index([time.isoformat() for time in times], dtype="str", name=times.name)

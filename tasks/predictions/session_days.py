"""The session of a row: the local date of its time. Nothing else in the project makes a date of a time of a frame."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

DAY = "datetime"
SESSION = "session"


def session_days(rows: pd.Index | pd.DataFrame | pd.Series) -> pd.DatetimeIndex:
    """The session of every row.

    A row of a table with dates belongs to the session of its date; one with times, to that of the day on which it
    falls; one with times in a zone, to the day that it was there, whatever day it was elsewhere. So a day on which
    clocks change has 23 or 25 hours, and is one session.

    Args:
        rows: a frame or Series, its index, or times alone. Of several index levels the one named ``datetime`` counts,
            or else the first.

    Returns:
        Naive dates (midnight), one per row and in the order of the rows, named ``session``.

    Raises:
        TypeError, ValueError: the values of the level are no times.
    """
    index = rows if isinstance(rows, pd.Index) else rows.index
    if not isinstance(index, pd.MultiIndex):
        return _dates(index)
    level = index.names.index(DAY) if DAY in index.names else 0
    # By the distinct times: a frame has few of them, and a row for each instrument.
    return _dates(index.levels[level]).take(index.codes[level], fill_value=pd.NaT)


def sessions_in(rows: pd.Index | pd.DataFrame | pd.Series) -> list[str]:
    """The sessions that rows are of, each once and sorted, as ``YYYY-MM-DD``."""
    days: list[str] = session_days(rows).dropna().unique().sort_values().strftime("%Y-%m-%d").tolist()
    return days


def on_sessions(rows: pd.Index | pd.DataFrame | pd.Series, sessions: Collection[str]) -> npt.NDArray[np.bool_]:
    """Which rows are of one of some sessions (``YYYY-MM-DD``)."""
    found: npt.NDArray[np.bool_] = session_days(rows).isin(pd.DatetimeIndex(sorted(sessions)))
    return found


def _dates(times: pd.Index) -> pd.DatetimeIndex:
    """Without its zone a time keeps its clock. A day may begin at one o'clock where clocks change at midnight, so the
    date is taken of the clock and not of the instant.
    """
    return pd.DatetimeIndex(times).tz_localize(None).normalize().rename(SESSION)

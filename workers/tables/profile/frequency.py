"""How often a table has rows: what is usual between two times, and where times are missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

DAY = 86_400e6  # microseconds
SHOWN = 3  # gaps that are named
HOURS = {24: "hourly", 48: "half-hourly", 96: "quarter-hourly"}  # by rows of a whole day
PERIODS = (("daily", 1, 1.5), ("weekly", 6.9, 7.1), ("monthly", 27, 32), ("quarterly", 88, 93), ("yearly", 364, 367))
ROUND_THE_CLOCK = 0.9  # of the rows that a day could have
RARE = 0.2  # of the usual number of a weekday
Days = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frequency:
    """How often a table has rows.

    Attributes:
        name: such as hourly, daily, weekly, monthly.
        step: days that are usual between two times.
        a_day: times of a usual day; 1 for dates.
        weekdays: the days of the week that have rows, from 0 (Monday).
        missing: times that are missing; nights, weekends and holidays of tables that always lack some are none.
        gaps: the longest ones, (last time before, first time after).
    """

    name: str
    step: float
    a_day: int
    weekdays: tuple[int, ...]
    missing: int = 0
    gaps: tuple[tuple[pd.Timestamp, pd.Timestamp], ...] = ()


def frequency_of(times: pd.DatetimeIndex) -> Frequency:
    """The frequency of distinct times, in order."""
    local = times if times.tz is None else times.tz_localize(None)
    counts = pd.Series(local.normalize().unique().day_of_week).value_counts()
    # A few Saturdays make no six-day week.
    weekdays = tuple(sorted(int(day) for day in counts.index[counts > RARE * counts.median()]))
    if len(times) < 2:
        return Frequency("single", 1.0, 1, weekdays)
    steps = np.diff(times.as_unit("us").asi8) / DAY
    values, counts = np.unique(steps, return_counts=True)
    step = float(values[counts.argmax()])
    a_day = int(pd.Series(local.normalize()).value_counts().mode()[0]) if step < 1 else 1
    usual = _usual(step, a_day, weekdays)
    long = steps > usual * 1.05
    places = np.argsort(-steps, kind="stable")[: min(SHOWN, int(long.sum()))]
    gaps = tuple((times[place], times[place + 1]) for place in sorted(places.tolist()))
    missing = int(np.round((steps[long] - usual) / step).clip(1).sum()) if long.any() else 0
    return Frequency(_name(float(np.median(steps)), step), step, a_day, weekdays, missing, gaps)


def _name(median: float, step: float) -> str:
    if step < 1:
        return HOURS.get(round(1 / step), f"every {step * 1440:g} minutes")
    named = (name for name, low, high in PERIODS if low <= median <= high)
    return next(named, f"every {median:g} days")


def _usual(step: float, a_day: int, weekdays: tuple[int, ...]) -> float:
    """The longest step, in days, that is no gap."""
    if step < 1:
        return step if a_day >= ROUND_THE_CLOCK / step else np.inf
    if step == 1:
        # A weekend, and with it a holiday: exchanges are closed on some days that nothing in the table names.
        return 1.0 if len(weekdays) == 7 else 4.0
    return step if step < 8 else step * 1.2  # months differ in length

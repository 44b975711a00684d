"""Dates that cannot be sessions of a price table: after today, far from all others, or on a weekend.

A date needs no prices to be judged, only the other dates of the file and, for the future, today's.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from rollq.tasks.components.dataset import Finding
from rollq.tasks.rolling.data_checks import FAR, FUTURE, WEEKEND, DataChecks

RARE = 0.1  # a weekend day is odd where so few sessions up to it, of those of the usual weekday, fall on it
BODY = 10  # dates are far from the others where those are so many times as many
BOUNDS = ("1678-01-01", "2262-01-01")  # what a session can be at all


def find_future(sessions: Iterable[str], checks: DataChecks, today: str | None = None, ahead: int = 0) -> list[Finding]:
    """Sessions that are dated after today, but for those that are meant to be ahead.

    Args:
        today: the date; None: it is asked for.
        ahead: of how many sessions something is known in advance; ``checks`` may say more.
    """
    if checks.future is False:
        return []
    now, known = today or checks.today(), list(sessions)
    last = checks.last_meant(known, now, ahead)
    where = checks.timezone or "the zone where days begin first"
    more = "" if last == now else f", and after {last}, the last that is meant to be ahead"
    return _dated((day for day in known if day > last), checks, FUTURE, f"it is after today, {now} in {where}{more}")


def far(days: pd.Index, checks: DataChecks) -> list[Finding]:
    """Dates that lie apart from nearly all others."""
    dates = np.array(days.tolist(), dtype="datetime64[D]")
    impossible = [day for day in days if not BOUNDS[0] <= day < BOUNDS[1]]
    found = _dated(impossible, checks, FAR, "no such date can be worked with")
    if not checks.far or len(dates) < 2:
        return found
    # Gaps cut the dates into stretches; a stretch is odd where it is small beside the longest, however many stretches
    # there are.
    cuts = np.flatnonzero(np.diff(dates).astype(int) > checks.far) + 1
    parts = np.split(np.arange(len(dates)), cuts)
    most = max(len(part) for part in parts)
    apart = [days[place] for part in parts if len(part) * BODY <= most for place in part]
    what = f"it is more than {checks.far} days from the other sessions"
    return found + _dated((day for day in apart if day not in impossible), checks, FAR, what)


def weekend(days: pd.Index, checks: DataChecks) -> list[Finding]:
    """Days of a weekend, unless the market trades on it: judged at each of them by the days up to it alone, so that
    what is appended later changes no verdict.
    """
    if not checks.weekend or not len(days):
        return []
    weekdays = (np.array(days.tolist(), dtype="datetime64[D]").astype(int) + 3) % 7  # 1970-01-01 was a Thursday
    counts = (weekdays[:, None] == np.arange(7)).cumsum(axis=0)
    odd = [
        (day, ("Saturday", "Sunday")[weekday - 5])
        for day, weekday, known in zip(days, weekdays.tolist(), counts, strict=True)
        if weekday >= 5 and known[weekday] < RARE * known.max()
    ]
    return [one for day, name in odd for one in _dated([day], checks, WEEKEND, f"it is a {name}")]


def _dated(sessions: Iterable[str], checks: DataChecks, check: str, what: str) -> list[Finding]:
    made = []
    for session in sessions:
        # Beyond these bounds pandas has no nanoseconds for a date, accepted or not.
        accepted = checks.accepts(session, check) and BOUNDS[0] <= session < BOUNDS[1]
        made.append(Finding(session, check, what, not accepted, accepted))
    return made

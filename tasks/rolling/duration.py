"""Durations: spans of time where sessions may be counted instead. Each calendar makes sessions of them anew."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from numbers import Integral

import pandas as pd

from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.calendar import timestamp

FORM = re.compile(r"([1-9]\d{0,5})(min|h|d|w|M)")
WRITTEN = "a duration: 7d, 2w, 24h, 90min, or 1M for a calendar month"
MOST = 36_525  # days, a hundred years
NAMES = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}  # a month has no length
DAY = pd.Timedelta(days=1)
# The day on which clocks go forward is an hour shorter, two hours at one place on earth: what looks ahead by hours
# reaches further into the days after it.
CLOCKS = pd.Timedelta(hours=2)


@dataclass(frozen=True)
class Duration:
    """``number`` times ``unit``: ``min``, ``h``, ``d``, ``w``, or ``M``, which is a month of the calendar."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number}{self.unit}"

    @property
    def is_whole_days(self) -> bool:
        """Whether it leads from a date to a date."""
        return self.unit == "M" or self._span % DAY == pd.Timedelta(0)

    @property
    def is_too_long(self) -> bool:
        """Whether it is more than a hundred years, which no date can be moved by."""
        return self.number > 1200 if self.unit == "M" else self._span > MOST * DAY

    def after(self, day: pd.Timestamp, times: int = 1) -> pd.Timestamp:
        """What lies so many times the span after a date. A month after 31 January is the last day of February; two are
        31 March.
        """
        if self.unit == "M":
            return day + pd.DateOffset(months=self.number * times)
        return day + self._span * times

    def next(self, start: pd.Timestamp, day: pd.Timestamp) -> pd.Timestamp:
        """The first date after ``day`` that lies a number of times the span after ``start``; it may be ``start``."""
        if self.unit == "M":
            times = ((day.year - start.year) * 12 + day.month - start.month) // self.number
        else:
            times = (day - start) // self._span
        found = self.after(start, max(times, 0))
        return found if found > day else self.after(start, times + 1)

    def reached(self, day: pd.Timestamp) -> pd.Timestamp:
        """The last date that is touched by what looks ahead by the span from any hour of a date."""
        if self.unit in ("min", "h"):
            return day - (-(self._span + CLOCKS) // DAY) * DAY  # rounded up
        return self.after(day)

    @property
    def _span(self) -> pd.Timedelta:
        return pd.Timedelta(**{NAMES[self.unit]: self.number})


Distance = int | Duration  # sessions, or a span of time


def distance(value: object, key: str, least: int) -> Distance:
    """A number of sessions of at least ``least``, or a duration.

    Raises:
        TemplateError: it is neither; it names ``key``.
    """
    if isinstance(value, str) and (found := FORM.fullmatch(value)):
        duration = Duration(int(found[1]), found[2])
        if duration.is_too_long:
            raise TemplateError(f"{value!r} is more than a hundred years.", "Write a shorter one.", key)
        return duration
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        fix = f"Use a whole number of at least {least}, or {WRITTEN}."
        raise TemplateError(f"{value!r} is not possible.", fix, key)
    return int(value)


def step_of(value: object, key: str) -> Distance:
    """The distance from one window to the next. Raises as ``distance``, and for what is no number of days."""
    step = distance(value, key, 1)
    if isinstance(step, Duration) and not step.is_whole_days:
        raise TemplateError(f"{value!r} is no number of days.", "Windows begin on sessions: write 1d or 24h.", key)
    return step


def sessions_before(sessions: Sequence[pd.Timestamp], day: pd.Timestamp, *gaps: Distance) -> int:
    """How many sessions right before ``day`` are to be left out, so that what looks ahead by all of ``gaps``, one after
    the other, from any earlier one ends before ``day``.

    Args:
        sessions: sorted dates.
        gaps: as ``distance`` gives them; a number of sessions is itself.
    """
    spans = [gap for gap in gaps if isinstance(gap, Duration)]
    counted = sum(gap for gap in gaps if isinstance(gap, int))

    def reached(session: pd.Timestamp) -> pd.Timestamp:
        return reduce(lambda end, span: span.reached(end), spans, session)

    return counted + bisect_left(sessions, day) - bisect_left(sessions, day, key=reached)


def following_test(step: Distance, begin: object, sessions: Sequence[str] | Sequence[pd.Timestamp], first: int) -> int:
    """The position of the session with which the next test segment begins.

    A duration counts from ``begin`` and not from the window before: so a holiday moves one window and none after it,
    and a window stays where it is when the calendar grows. Where no session falls into a span there is no window for
    it.

    Args:
        step: sessions, or a duration.
        begin: the start of the first test segment, as it is written.
        sessions: sorted; texts (``YYYY-MM-DD``) or times.
        first: the position of the session with which a test segment begins.

    Returns:
        At least the number of sessions, if there is no such session yet.
    """
    if isinstance(step, int):
        return first + step
    point = step.next(timestamp(begin), timestamp(sessions[first]))
    return bisect_left(sessions, point, key=timestamp)

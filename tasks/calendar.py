"""The trading calendar: TimeAdjuster aligns, shifts and cuts times and segments on a list of sessions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from tasks.errors import CalendarError, SegmentError

Time = Any  # a str, date or Timestamp, or None
Side = Literal["start", "end"]
Segment = tuple[Any, Any]

SLIDING, EXPANDING = "sliding", "expanding"


class TimeAdjuster:
    """Times on a calendar of sessions.

    Args:
        sessions: the known sessions, any dates, in any order.
        future_sessions: the known and the coming sessions, if the exchange has published them.
        future: use ``future_sessions`` where they are given.

    Raises:
        CalendarError: there is no session, or one is not a date.
    """

    SHIFT_SD, SHIFT_EX = SLIDING, EXPANDING

    def __init__(
        self, sessions: Iterable[Any], future_sessions: Iterable[Any] | None = None, future: bool = True
    ) -> None:
        known = _timestamps(sessions)
        self.cals = _timestamps(future_sessions) if future and future_sessions is not None else known
        if not known or not self.cals:
            raise CalendarError("The calendar has no session.", "Give at least one date.")
        self.last_known = known[-1]

    def get(self, idx: int | None) -> pd.Timestamp | None:
        """The session with an index; None for None and past the last session.

        Raises:
            CalendarError: the index is negative.
        """
        if idx is None or idx >= len(self.cals):
            return None
        if idx < 0:
            raise CalendarError(f"There is no session {idx}.", f"The calendar starts on {self.cals[0]:%Y-%m-%d}.")
        return self.cals[idx]

    def max(self) -> pd.Timestamp:
        """The last session."""
        return self.cals[-1]

    def align_idx(self, time_point: Time, tp_type: Side = "start") -> int | None:
        """Index of the first session on or after a start, or of the last session on or before an end.

        It may be one past the last session, or -1, if there is no such session; None stays None.

        Raises:
            CalendarError: the time is no date, or ``tp_type`` is neither start nor end.
        """
        if time_point is None:
            return None
        if tp_type not in ("start", "end"):
            raise CalendarError(f"tp_type {tp_type!r} is unknown.", "Use 'start' or 'end'.")
        time = _timestamp(time_point)
        return bisect_left(self.cals, time) if tp_type == "start" else bisect_right(self.cals, time) - 1

    def align_time(self, time_point: Time, tp_type: Side = "start") -> pd.Timestamp | None:
        """The session that ``align_idx`` finds; None stays None.

        Raises:
            CalendarError: there is no such session in the calendar.
        """
        idx = self.align_idx(time_point, tp_type)
        if idx is None:
            return None
        if not 0 <= idx < len(self.cals):
            raise CalendarError(
                f"{_timestamp(time_point):%Y-%m-%d} as {tp_type} is outside the calendar.",
                f"It has sessions from {self.cals[0]:%Y-%m-%d} to {self.cals[-1]:%Y-%m-%d}.",
            )
        return self.cals[idx]

    def align_seg(self, segment: Any) -> Any:
        """A segment, or a mapping of segments, with every bound on a session; bounds of None stay None.

        Raises:
            CalendarError: a bound is outside the calendar.
            SegmentError: the segment is not a pair.
        """
        if isinstance(segment, Mapping):
            return {name: self.align_seg(bounds) for name, bounds in segment.items()}
        start, end = _pair(segment)
        return self.align_time(start, "start"), self.align_time(end, "end")

    def cal_interval(self, time_point_a: Time, time_point_b: Time) -> int:
        """Number of sessions from ``b`` to ``a``: negative if ``a`` is earlier.

        Raises:
            CalendarError: one of them is None or no date.
        """
        a, b = self.align_idx(time_point_a), self.align_idx(time_point_b)
        if a is None or b is None:
            raise CalendarError("An interval needs two times.", "Give two dates.")
        return a - b

    def shift(self, seg: Any, step: int, rtype: str = SLIDING) -> Segment:
        """A segment moved by ``step`` sessions; an expanding one keeps its start. A bound past the calendar is None.

        Raises:
            SegmentError: it would start before the first or more than one past the last session, or is not a pair.
        """
        bounds = _pair(seg)
        if rtype not in (SLIDING, EXPANDING):
            raise SegmentError(f"The rolling type {rtype!r} is unknown.", f"Use {SLIDING!r} or {EXPANDING!r}.")
        start, end = self.align_idx(bounds[0], "start"), self.align_idx(bounds[1], "end")
        if start is not None and rtype == SLIDING:
            start += step
        if end is not None:
            end += step
        if start is not None and start > len(self.cals):
            raise SegmentError(
                f"The segment would leave the calendar, which ends on {self.cals[-1]:%Y-%m-%d}.", "Shift it by less."
            )
        return self.get(start), self.get(end)

    def truncate(self, segment: Any, test_start: Time, days: int) -> Segment:
        """A segment whose bounds are at most ``days`` sessions before the test start.

        Raises:
            SegmentError: nothing would be left before the test start, or the segment is not a pair.
        """
        limit = self.align_idx(test_start)
        if limit is None:
            raise SegmentError("The test segment has no start.", "Write its start.")
        limit -= days
        if limit < 1:
            raise SegmentError(
                f"Nothing is left of a segment that must end {days} sessions before the test start.",
                "Start the test segment later, or cut fewer sessions.",
            )
        start, end = (self.align_idx(bound) for bound in _pair(segment))
        # An open start stays open; an open end would reach into the test segment.
        return self.get(None if start is None else min(start, limit)), self.get(
            limit if end is None else min(end, limit)
        )


def _pair(segment: Any) -> tuple[Any, Any]:
    if isinstance(segment, str) or not isinstance(segment, Sequence) or len(segment) != 2:
        raise SegmentError(f"A segment is (start, end), not {segment!r}.", "Write two dates.")
    return segment[0], segment[1]


def _timestamps(times: Iterable[Any]) -> list[pd.Timestamp]:
    return sorted({_timestamp(time) for time in times})


def _timestamp(time: Any) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(time)
    except (ValueError, TypeError):
        stamp = pd.NaT
    if stamp is pd.NaT:
        raise CalendarError(f"{time!r} is not a date.", "Write it as YYYY-MM-DD.")
    return stamp

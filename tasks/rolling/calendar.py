"""The trading calendar: TimeAdjuster aligns, shifts and cuts times and segments on a list of sessions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from numbers import Number
from typing import Literal, TypeAlias, overload

import pandas as pd

from rollq.tasks.errors import CalendarError, SegmentError

Time: TypeAlias = str | date | pd.Timestamp | None  # None: open, or all of the calendar
Side = Literal["start", "end"]
Segment: TypeAlias = tuple[pd.Timestamp | None, pd.Timestamp | None]  # aligned
Written = tuple[Time, Time]

SLIDING, EXPANDING = "sliding", "expanding"


class TimeAdjuster:
    """Times on a calendar of sessions.

    Args:
        sessions: the known sessions, any dates, in any order; None: the calendar that ``rollq.init`` found.
        future_sessions: the known and the coming sessions, if the exchange has published them.
        future: use the coming sessions, too, where they are known.
        end_time: as for ``set_end_time``.

    Attributes:
        cals: the sessions in use, sorted.
        last_known: the last of the known sessions; later ones have no data yet.

    Raises:
        CalendarError: there is no session, one is not a date, or the future sessions lack known ones; or no sessions
            are given, and ``rollq.init`` found none.
    """

    SHIFT_SD, SHIFT_EX = SLIDING, EXPANDING

    def __init__(
        self,
        sessions: Iterable[Time] | None = None,
        future_sessions: Iterable[Time] | None = None,
        future: bool = True,
        end_time: Time = None,
    ) -> None:
        """Known sessions must be among the coming ones, or an index would mean one day with data and another
        without.
        """
        if sessions is None:
            sessions, future_sessions = _of_this_process()
        if not isinstance(sessions, Iterable):
            raise CalendarError(f"Sessions are dates, not {sessions!r}.", "Give future and end_time by name.")
        known = _timestamps(sessions)
        if not known:
            raise CalendarError("The calendar has no session.", "Give at least one date.")
        coming = _timestamps(future_sessions) if future and future_sessions is not None else []
        missing = sorted(set(known) - set(coming)) if coming else []
        if missing:
            raise CalendarError(
                f"The future sessions lack {len(missing)} known ones, the first is {missing[0]:%Y-%m-%d}.",
                "Give the known and the coming sessions together.",
            )
        self._all = coming or known
        self.last_known = known[-1]
        self.set_end_time(end_time)

    def set_end_time(self, end_time: Time = None) -> None:
        """Use the sessions up to ``end_time`` only; None: all of them again.

        Raises:
            CalendarError: no session is left, or the time is no date.
        """
        kept = self._all if end_time is None else self._all[: bisect_right(self._all, timestamp(end_time))]
        if not kept:
            raise CalendarError(f"No session is on or before {end_time}.", f"The first is {self._all[0]:%Y-%m-%d}.")
        self.cals = kept

    def known_and_all(self) -> tuple[list[pd.Timestamp], list[pd.Timestamp]]:
        """The known sessions, and all of them, whatever the end time is."""
        return self._all[: bisect_right(self._all, self.last_known)], self._all

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
        time = timestamp(time_point)
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
                f"{timestamp(time_point):%Y-%m-%d} as {tp_type} is outside the calendar.",
                f"It has sessions from {self.cals[0]:%Y-%m-%d} to {self.cals[-1]:%Y-%m-%d}.",
            )
        return self.cals[idx]

    @overload
    def align_seg(self, segment: Mapping[str, Sequence[Time]]) -> dict[str, Segment]: ...

    @overload
    def align_seg(self, segment: Sequence[Time]) -> Segment: ...

    def align_seg(self, segment: Mapping[str, Sequence[Time]] | Sequence[Time]) -> dict[str, Segment] | Segment:
        """A segment, or a mapping of segments, with every bound on a session; bounds of None stay None.

        Raises:
            CalendarError: a bound is outside the calendar.
            SegmentError: the segment is not a pair.
        """
        if isinstance(segment, Mapping):
            return {name: self.align_seg(bounds) for name, bounds in segment.items()}
        start, end = _pair(segment)
        return self.align_time(start, "start"), self.align_time(end, "end")

    def cal_interval(self, time_point_A: Time, time_point_B: Time) -> int:
        """Number of sessions from ``B`` to ``A``, both aligned as starts: negative if ``A`` is earlier.

        Raises:
            CalendarError: one of them is None or no date.
        """
        a, b = self.align_idx(time_point_A), self.align_idx(time_point_B)
        if a is None or b is None:
            raise CalendarError("An interval needs two times.", "Give two dates.")
        return a - b

    def shift(self, seg: Sequence[Time], step: int, rtype: str = SLIDING) -> Segment:
        """A segment moved by ``step`` sessions; an expanding one keeps its start. A bound past the calendar is None.

        Raises:
            SegmentError: it would start more than one session past the last, or is not a pair.
            CalendarError: a bound would be before the first session.
        """
        bounds = _pair(seg)
        if rtype not in (SLIDING, EXPANDING):
            raise SegmentError(f"The rolling type {rtype!r} is unknown.", f"Use {SLIDING!r} or {EXPANDING!r}.")
        start, end = self.align_idx(bounds[0], "start"), self.align_idx(bounds[1], "end")
        if start is not None and rtype == SLIDING:
            start += step
        if end is not None:
            end += step
        # One past the last session is allowed: such a segment has begun nowhere yet, and its start is open.
        if start is not None and start > len(self.cals):
            raise SegmentError(
                f"The segment would leave the calendar, which ends on {self.cals[-1]:%Y-%m-%d}.", "Shift it by less."
            )
        return self.get(start), self.get(end)

    def truncate(self, segment: Sequence[Time], test_start: Time, days: int) -> Segment:
        """A segment whose bounds are at most ``days`` sessions before the test start.

        Both bounds move: a segment that lies wholly after that limit becomes the one session at it.

        Raises:
            SegmentError: nothing would be left before the test start, or the segment is not a pair.
        """
        # The first session on or after it: a test that starts on a holiday starts on the next session.
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


_default: list[TimeAdjuster] = []  # that of this process: none, or one


def set_default_calendar(calendar: TimeAdjuster | None) -> None:
    """The calendar of what this process makes without naming one; None: there is none."""
    _default[:] = [] if calendar is None else [calendar]


def default_calendar() -> TimeAdjuster | None:
    """The calendar that ``set_default_calendar`` was given; None if there is none."""
    return _default[0] if _default else None


def _of_this_process() -> tuple[list[pd.Timestamp], list[pd.Timestamp]]:
    """The known sessions of the default calendar, and all of them.

    Raises:
        CalendarError: there is none.
    """
    calendar = default_calendar()
    if calendar is None:
        raise CalendarError(
            "There is no calendar in this process.", "Pass the sessions, or call rollq.init(provider_uri=...) first."
        )
    return calendar.known_and_all()


def _pair(segment: object) -> Written:
    if isinstance(segment, str) or not isinstance(segment, Sequence) or len(segment) != 2:
        raise SegmentError(f"A segment is (start, end), not {segment!r}.", "Write two dates.")
    return segment[0], segment[1]


def _timestamps(times: Iterable[Time]) -> list[pd.Timestamp]:
    if (
        isinstance(times, pd.DatetimeIndex)
        and times.tz is None
        and not times.hasnans
        and times.is_monotonic_increasing
        and times.is_unique
    ):
        return list(times)  # a long calendar costs little then
    return sorted({timestamp(time) for time in times})


def timestamp(time: Time) -> pd.Timestamp:
    """A date as a Timestamp.

    Raises:
        CalendarError: it is no date, or has a time zone.
    """
    # A number would be read as nanoseconds since 1970: an unquoted 20200101 must not become the year 1970.
    try:
        stamp = pd.NaT if isinstance(time, Number) else pd.Timestamp(time)
    except (ValueError, TypeError):
        stamp = pd.NaT
    if stamp is pd.NaT:
        raise CalendarError(f"{time!r} is not a date.", "Write it as YYYY-MM-DD.")
    if stamp.tz is not None:
        raise CalendarError(f"{time!r} has a time zone.", "Sessions are dates of the exchange: leave the zone out.")
    return stamp

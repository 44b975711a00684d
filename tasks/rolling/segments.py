"""The segments of a task: read from the dataset's keywords, and refused where they cannot be meant.

What the reference takes without harm is taken too: a test segment that ends before it starts gives one window, and a
further segment may lie on the test segment (a backtest range, say). A segment that starts before the test segment is
there to fit a model, so it must not reach into the test segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

from rollq.tasks.definition import SEGMENTS_KEY, TEST, written_segments
from rollq.tasks.errors import CalendarError, SegmentError
from rollq.tasks.rolling.calendar import Segment, TimeAdjuster, Written, timestamp
from rollq.tasks.rolling.duration import Distance, sessions_before

KEY = SEGMENTS_KEY
Segments = dict[str, Segment]


def read_segments(task: object, test_key: str) -> dict[str, Written]:
    """The segments of a task as ``{name: (start, end)}``, with the bounds as they are written.

    Raises:
        SegmentError: there are no segments, none is called ``test_key``, one is not a pair, or test has no start.
    """
    segments = written_segments(task) if isinstance(task, Mapping) else None
    if not isinstance(segments, Mapping):
        raise SegmentError(f"{KEY} is missing or not a mapping.", "Write train: [start, end] and so on under it.")
    if test_key not in segments:
        raise SegmentError(f"{KEY}: there is no segment {test_key!r}.", f"Add {test_key}: [start, end].")
    for name, bounds in segments.items():
        if not isinstance(bounds, list | tuple) or len(bounds) != 2:
            raise SegmentError(f"{KEY}.{name}: a segment is [start, end], not {bounds!r}.", "Write two dates.")
    if segments[test_key][0] is None:
        raise SegmentError(f"{KEY}.{test_key}: it has no start.", "Write its first date.")
    return {name: tuple(bounds) for name, bounds in segments.items()}


def align_segments(segments: Mapping[str, Written], calendar: TimeAdjuster, test_key: str) -> Segments:
    """The segments with every bound on a session.

    Raises:
        SegmentError: a segment is reversed, or two that are there to fit a model overlap.
        CalendarError: a segment is outside the calendar.
    """
    aligned = {}
    for name, bounds in segments.items():
        with named(name):
            aligned[name] = calendar.align_seg(bounds)
            if name != test_key:
                _refuse_reversed(bounds)
    _refuse_overlap(_fitting(aligned, test_key))
    return aligned


def date_segments(segments: Mapping[str, Written], calendar: TimeAdjuster) -> Segments:
    """The segments of a window with every bound a Timestamp; they may pass the end of the calendar.

    Raises:
        CalendarError: a segment ends before the calendar starts, or a bound is no date.
    """
    dated = {}
    for name, bounds in segments.items():
        with named(name):
            calendar.align_time(bounds[1], "end")
            start, end = (None if bound is None else timestamp(bound) for bound in bounds)
            dated[name] = (start, end)
    return dated


def refuse_future(segments: Segments, test_key: str) -> None:
    """Every segment that starts before the test segment must end before it, too.

    Raises:
        SegmentError: it names the segment.
    """
    test_start = segments[test_key][0]
    for name, (_, end) in _fitting(segments, test_key):
        if end is None or end >= test_start:
            raise SegmentError(
                f"{KEY}.{name}: it reaches into {test_key}, which starts on {test_start:%Y-%m-%d}.",
                f"End {name} before that date, or set trunc_days.",
            )


def trunc_segments(ta: TimeAdjuster, segments: Segments, days: Distance, test_key: str = TEST) -> None:
    """Cut every segment but test, in place: its bounds are at most ``days`` sessions before the test start; of a
    duration, so that what looks so far ahead ends before it.

    Raises:
        SegmentError: nothing is left of a segment.
    """
    # A test segment inside a gap of the calendar is aligned to start after its end: the earlier bound is the safe one.
    test_start = min(bound for bound in segments[test_key] if bound is not None)
    sessions = days if isinstance(days, int) else sessions_before(ta.cals, test_start, days) + 1
    for name, bounds in segments.items():
        if name != test_key:
            with named(name):
                segments[name] = ta.truncate(bounds, test_start, sessions)


def purge_segments(segments: Segments, gaps: Sequence[Distance], calendar: TimeAdjuster, test_key: str) -> Segments:
    """End every fitting segment so that all of ``gaps``, one after the other, lie between it and the next segment.

    Raises:
        SegmentError: nothing is left of a segment.
    """
    purged = dict(segments)
    ordered = [*_fitting(segments, test_key), (test_key, segments[test_key])]
    for (name, (start, end)), (_, (following, _)) in pairwise(ordered):
        # So many sessions lie strictly between the two segments.
        sessions = 0 if following is None else sessions_before(calendar.cals, following, *gaps)
        limit = (calendar.align_idx(following) or 0) - 1 - sessions
        if limit < (calendar.align_idx(start) or 0):
            raise SegmentError(
                f"{KEY}.{name}: nothing is left of it after {sessions} sessions are purged.",
                "Cut fewer sessions (trunc_days, purge), or start the test segment later.",
            )
        last = calendar.align_idx(end, "end")
        purged[name] = (start, calendar.get(limit if last is None else min(last, limit)))
    return purged


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put the key of a segment before the messages of the calendar."""
    try:
        yield
    except CalendarError as error:
        raise type(error)(f"{KEY}.{name}: {error.message}", error.fix) from None


def _fitting(segments: Segments, test_key: str) -> list[tuple[str, Segment]]:
    """The segments that start before test, by their start; an open start comes first."""
    test_start = segments[test_key][0]
    found = [
        item for item in segments.items() if item[0] != test_key and (item[1][0] is None or item[1][0] < test_start)
    ]
    # None cannot be compared with a date; the first part of the key keeps the two apart.
    return sorted(found, key=lambda item: (item[1][0] is not None, item[1][0] or test_start))


def _refuse_reversed(bounds: Written) -> None:
    start, end = bounds
    if start is not None and end is not None and timestamp(end) < timestamp(start):
        raise SegmentError(f"it ends ({end}) before it starts ({start}).", "Swap the two dates.")


def _refuse_overlap(fitting: list[tuple[str, Segment]]) -> None:
    for (first, (_, end)), (second, (start, _)) in pairwise(fitting):
        if start is None or end is None or start <= end:
            raise SegmentError(f"{KEY}.{second}: it overlaps {first}.", f"Start {second} after the end of {first}.")

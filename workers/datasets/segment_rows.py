"""The rows of the segments of a window in a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from rollq.tasks.errors import DataError, SegmentError
from rollq.workers.datasets.panel_cache import Panel

SEGMENTS_KEY = "dataset.kwargs.segments"
TRAIN, TEST = "train", "test"
Segments = Mapping[str, Sequence[object]]
LOOK = "Look at the data of these days."


def segment_sessions(panel: Panel, segments: Segments, name: str) -> tuple[int, int]:
    """The position of the first session of a segment, and that after its last. A bound that is no session means the
    next one inside.

    Raises:
        SegmentError: there is no such segment.
    """
    if name not in segments:
        raise SegmentError(f"There is no segment {name!r}.", f"There are {', '.join(segments)}.")
    start, end = segments[name]
    first = 0 if start is None else int(panel.sessions.searchsorted(pd.Timestamp(str(start)), "left"))
    last = len(panel.sessions) if end is None else int(panel.sessions.searchsorted(pd.Timestamp(str(end)), "right"))
    return first, max(first, last)


def segment_rows(panel: Panel, segments: Segments, name: str, fix: str = LOOK) -> slice:
    """The rows of a segment: a slice, because rows are sorted by session.

    Args:
        panel, segments, name: whose rows.
        fix: what helps where there are none.

    Raises:
        SegmentError: there is no such segment.
        DataError: it has no rows.
    """
    first, last = segment_sessions(panel, segments, name)
    rows = slice(int(panel.starts[first]), int(panel.starts[last]))
    if rows.start == rows.stop:
        start, end = segments[name]
        raise DataError(f"The segment {name} ({start} to {end}) has no rows.", fix)
    return rows


def check_segment(panel: Panel, segments: Segments, name: str, fix: str = LOOK) -> None:
    """Refuse a segment that is reversed, reaches beyond the calendar, or has no rows; the error names its key.

    Raises:
        SegmentError: it is.
    """
    key, days = f"{SEGMENTS_KEY}.{name}", panel.sessions
    start, end = (None if bound is None else pd.Timestamp(str(bound)) for bound in segments[name])
    if start is not None and end is not None and end < start:
        raise SegmentError(f"{key}: it ends ({end:%Y-%m-%d}) before it starts.", "Swap the two dates.")
    for bound in (start, end):
        if bound is not None and not days[0] <= bound <= days[-1]:
            dates = f"Use dates from {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}"
            open_end = ", or null for an open end." if name == TEST else "."
            raise SegmentError(f"{key}: {bound:%Y-%m-%d} is outside the calendar of the data.", dates + open_end)
    try:
        segment_rows(panel, segments, name, fix)
    except DataError as error:
        raise SegmentError(f"{key}: {error.message}", error.fix) from None

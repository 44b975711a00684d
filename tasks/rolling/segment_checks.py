"""Segments as a template says them: looked at before there is a calendar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from itertools import pairwise

from rollq.tasks.definition import SEGMENTS_KEY, TEST, TRAIN, written_segments
from rollq.tasks.errors import SegmentError


def check_segments(definition: Mapping[str, object]) -> None:
    """Refuse segments that are missing, reversed, or overlap; the calendar is looked at later.

    Raises:
        SegmentError: it names the segment.
    """
    segments, key = written_segments(definition), SEGMENTS_KEY
    if not isinstance(segments, Mapping) or TRAIN not in segments or TEST not in segments:
        raise SegmentError(
            f"{key}: a template needs the segments train and test.", "Write train: [start, end] and so on."
        )
    spans = []
    for name, bounds in segments.items():
        if not isinstance(bounds, list | tuple) or len(bounds) != 2:
            fix = "Write two dates" + (", or null for an open end." if name == TEST else ".")
            raise SegmentError(f"{key}.{name}: a segment is [start, end].", fix)
        start, end = (_as_date(bound, f"{key}.{name}") for bound in bounds)
        if start is None or (end is None and name != TEST):
            raise SegmentError(f"{key}.{name}: only the end of test may be open.", "Write both dates.")
        if end is not None and end < start:
            raise SegmentError(f"{key}.{name}: it ends ({end}) before it starts ({start}).", "Swap the two dates.")
        spans.append((start, end or date.max, name))
    spans.sort()
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start <= end:
            raise SegmentError(
                f"{key}.{second}: it overlaps {first}, which ends on {end}.", f"Start {second} after {end}."
            )
    if spans[-1][2] != TEST:
        raise SegmentError(
            f"{key}.{TEST}: it must be the last segment.", "A model is tested on what comes after its training."
        )


def _as_date(bound: object, key: str) -> date | None:
    if bound is None or (isinstance(bound, date) and not isinstance(bound, datetime)):
        return bound
    text = str(bound)
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):  # Python reads 20180131 and 2018-W05-3, too
        raise SegmentError(f"{key}: {text!r} is not a day.", "Write it as YYYY-MM-DD, without time or zone.")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SegmentError(f"{key}: {text} does not exist: {error}.", "Write a day of the calendar.") from None

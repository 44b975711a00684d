"""Which row of a joined source belongs to which row of the main table: by time, by publication, or at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import Codes
from rollq.workers.tables.clock.times import Times

Places = npt.NDArray[np.int64]  # for each row of the main table: a row of the other one, or -1
Texts = tuple[Codes, pd.Index]
DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Side:
    """One side of a join: for each row its keys (texts), and its time."""

    keys: Sequence[Texts]
    times: Times | None
    rows: int


def same_keys(main: Side, other: Side) -> tuple[Places, Places]:
    """One number for the keys of each row, the same on both sides; -1 where the other side has none of them."""
    left, right = np.zeros(main.rows, dtype=np.int64), np.zeros(other.rows, dtype=np.int64)
    for (mine, names), (theirs, others) in zip(main.keys, other.keys, strict=True):
        place = np.append(others.get_indexer(names), -1)[mine]
        left = np.where((left < 0) | (place < 0), -1, left * max(1, len(others)) + place)
        right = np.where((right < 0) | (theirs < 0), -1, right * max(1, len(others)) + theirs)
    return left, right


def at_any_time(main: Side, other: Side, key: str) -> Places:
    """Rows that have the same keys.

    Raises:
        DataError: keys of the other side are there twice.
    """
    return _exact(*same_keys(main, other), key)


def at_same_time(main: Side, other: Side, key: str, by_day: bool = False) -> Places:
    """Rows that have the same keys and the same time.

    Args:
        main, other: both with times.
        key: of the template, which names the join.
        by_day: the other side has dates: each row is given that of its day.

    Raises:
        DataError: the times cannot be compared, or a time of the other side is there twice.
    """
    mine, theirs = _of(main), _of(other)
    _check_comparable(mine, theirs, key, by_day)
    left, right = same_keys(main, other)
    moments = mine.days.asi8 if by_day else mine.values.asi8
    known = np.unique(theirs.values.asi8)
    place = np.searchsorted(known, moments)
    place = np.where((place < len(known)) & (known[np.minimum(place, len(known) - 1)] == moments), place, -1)
    _check_ended(mine, theirs, known, place, key)
    left = np.where((left < 0) | (place < 0), -1, left * len(known) + place)
    right = np.where(right < 0, -1, right * len(known) + np.searchsorted(known, theirs.values.asi8))
    return _exact(left, right, key)


def as_known(main: Side, other: Side, published: Times, key: str, same_session: bool = False) -> Places:
    """The last row with the same keys that was published at or before the row's time.

    Where rows are of periods (``other.times``), it is the latest period of those published, and of that one what was
    published last: a late revision of an old period takes no newer one's place. What is dated by days, on either side,
    is known from the next session on, and a period when it has ended.

    Args:
        main: with times.
        other: its times are its periods; None: rows follow each other as they were published.
        published: of each row of the other side.
        key: of the template, which names the join.
        same_session: days are known on the day itself.

    Raises:
        DataError: the times cannot be compared, or rows of the other side are there twice.
    """
    mine = _of(main)
    left, right = same_keys(main, other)
    moments, since = _moments(mine, published, key, same_session)
    period = np.zeros(other.rows, dtype=np.int64) if other.times is None else other.times.values.asi8
    order = np.lexsort((period, published.values.asi8, since, right))
    order = order[right[order] >= 0]
    right, since, period, instants = right[order], since[order], period[order], published.values.asi8[order]
    _check_once(
        [right, instants, period], key, "are published at one time", "Write time: and the column of the period."
    )
    best = _best(right, period)
    steps = np.unique(since)
    place = np.searchsorted(steps, moments, "right")
    found = (
        np.searchsorted(
            right * (len(steps) + 1) + np.searchsorted(steps, since) + 1, left * (len(steps) + 1) + place, "right"
        )
        - 1
    )
    valid = (left >= 0) & (found >= 0)
    valid[valid] = right[found[valid]] == left[valid]
    return np.where(valid, order[best[np.where(valid, found, 0)]] if len(order) else -1, -1)


def _of(side: Side) -> Times:
    if side.times is None:
        raise AssertionError("this side has times")
    return side.times


def _best(keys: Places, period: Places) -> Places:
    """For each row: which of those of its key up to it is of the latest period, and there the last."""
    rows = np.arange(len(keys))
    ranks = np.unique(period, return_inverse=True)[1]
    # One running maximum for all keys: those of a later key are larger than all of an earlier one.
    combined = keys * (int(ranks.max(initial=0)) + 1) + ranks
    newest = np.maximum.accumulate(combined) if len(combined) else combined
    return np.maximum.accumulate(np.where(combined == newest, rows, 0)) if len(rows) else rows


def _moments(mine: Times, published: Times, key: str, same_session: bool) -> tuple[Places, Places]:
    """When each row of the main table is, and from when on each published row may be used; numbers to compare."""
    days = published.days if published.ends is None else published.ends
    if published.dates and published.zone is not None and mine.values.tz is not None:
        since = _begins(days + pd.Timedelta(days=0 if same_session else 1), published.zone)
        return mine.values.asi8, since.asi8
    if mine.dates or published.dates or published.ends is not None:
        days = _known_days(days, mine, published, key, same_session)
        return mine.days.asi8, days.asi8 + (0 if same_session else DAY)
    _check_zones(mine, published, f"{key}.known")
    return mine.values.asi8, published.values.asi8


def _known_days(
    days: pd.DatetimeIndex, mine: Times, published: Times, key: str, same_session: bool
) -> pd.DatetimeIndex:
    """The day of each publication, in the main table's zone: a time on the day that it is there, a day when it ends."""
    if published.zone is None or (published.dates and (mine.zone in (None, published.zone) or same_session)):
        return days
    if mine.zone is None:
        fix = "Write zone: of the main table, such as zone: Asia/Tokyo: the publication's day is told in it."
        raise DataError(f"{key}.known: it has times with a zone, and the main table has dates without one.", fix)
    moment = pd.Timedelta(microseconds=1)
    instants = _begins(days + pd.Timedelta(days=1), published.zone) - moment if published.dates else published.values
    return instants.tz_convert(mine.zone).tz_localize(None).normalize()


def _begins(days: pd.DatetimeIndex, zone: tzinfo) -> pd.DatetimeIndex:
    first = np.ones(len(days), dtype=bool)
    return days.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")


def _check_ended(mine: Times, theirs: Times, known: Places, place: Places, key: str) -> None:
    """Refuse rows of periods that end after the main table's own: at its time they are not known as a whole."""
    if mine.ends is None or theirs.ends is None or not len(known):
        return
    ends = np.empty(len(known), dtype=np.int64)
    ends[np.searchsorted(known, theirs.values.asi8)] = theirs.ends.asi8
    late = (place >= 0) & (ends[place] > mine.ends.asi8)
    if late.any():
        row = int(np.argmax(late))
        last = pd.Timestamp(int(ends[place[row]]), unit="us")
        own = f"after that of the main table ({mine.ends[row]:%Y-%m-%d})"
        why = f"{key}: its period that begins on {mine.values[row]:%Y-%m-%d} ends on {last:%Y-%m-%d}, {own}."
        raise DataError(why, "Write known: and the same column: then a period is known when it has ended.")


def _check_comparable(mine: Times, theirs: Times, key: str, by_day: bool) -> None:
    """Refuse a join by time of tables whose times are of different forms."""
    if theirs.ends is not None and mine.ends is None:
        fix = "Write known: and the same column: then a period is known when it has ended."
        raise DataError(f"{key}: it has weeks, months or the like, and the main table has days.", fix)
    if by_day:
        if not theirs.dates:
            raise DataError(f"{key}.same_session: the joined table has times of day.", "Leave it out.")
        return
    if theirs.dates and not mine.dates:
        fix = (
            "Write known: and the column of the date: a day's row is then used from the next day on. Or same_session: "
            "true, if it is known before the day begins."
        )
        raise DataError(f"{key}: it has one row a day, and the main table has times of day.", fix)
    if mine.dates and not theirs.dates:
        fix = "Write known: and the column of the time: the last row of the day before is then used."
        raise DataError(f"{key}: it has times of day, and the main table has dates.", fix)
    _check_zones(mine, theirs, f"{key}.time")


def _check_zones(mine: Times, theirs: Times, key: str) -> None:
    if (mine.values.tz is None) != (theirs.values.tz is None):
        which = "the main table" if mine.values.tz is None else "the joined table"
        raise DataError(f"{key}: {which} has times without a zone, the other one has a zone.", "Write zone: for it.")


def _exact(left: Places, right: Places, key: str) -> Places:
    """The row of each key of the left side on the right side."""
    order = np.argsort(right, kind="stable")
    order = order[right[order] >= 0]
    keys = right[order]
    _check_once([keys], key, "are there twice", "Keep one row each; or write known: and the column of publication.")
    if not len(keys):
        return np.full(len(left), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(keys, left), len(keys) - 1)
    return np.where((left >= 0) & (keys[place] == left), order[place], -1)


def _check_once(parts: Sequence[Places], key: str, what: str, fix: str) -> None:
    """Refuse neighbours that are equal in all parts."""
    if not len(parts[0]):
        return
    same = np.logical_and.reduce([part[1:] == part[:-1] for part in parts])
    if same.any():
        raise DataError(f"{key}: {same.sum()} rows have a key that others have: they {what}.", fix)

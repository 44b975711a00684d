"""A zone that local times may be in: when clocks change, its hours are missing in spring and doubled in autumn."""

from __future__ import annotations

import pandas as pd

ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "Australia/Sydney",
    "Europe/Helsinki",
    "America/Sao_Paulo",
    "Asia/Tehran",
)
LEAST = 48  # times, of which something can be said


def zone_of(index: pd.MultiIndex) -> str | None:
    """The zone whose changes of clocks fit the times without a zone; None: none does, or there are no hours.

    Args:
        index: (datetime, instrument), sorted.
    """
    times = pd.DatetimeIndex(index.levels[0])
    if times.tz is not None or len(times) < LEAST or (times == times.normalize()).all():
        return None
    first = pd.DatetimeIndex(index[index.codes[1] == index.codes[1][0]].get_level_values(0))
    step = pd.Series(first.unique()).diff().mode()[0]
    return next((zone for zone in ZONES if _fits(first, step, zone)), None)


def _fits(times: pd.DatetimeIndex, step: pd.Timedelta, zone: str) -> bool:
    """Whether clocks change there in this span, and what is missing and doubled is what they make so."""
    ends = pd.DatetimeIndex([times[0], times[-1]]).tz_localize(zone, ambiguous=[True] * 2, nonexistent="shift_forward")
    local = pd.date_range(ends[0], ends[1], freq=step).tz_localize(None)
    grid = pd.date_range(times[0], times[-1], freq=step)
    skipped, doubled = grid.difference(local), local[local.duplicated()].unique()
    if not len(skipped) + len(doubled):
        return False
    # Beside the change there are rows: a gap alone is none.
    beside = grid.intersection(skipped.union(skipped - step).union(skipped + step)).difference(skipped)
    return (
        not times.isin(skipped).any()
        and bool(beside.isin(times).all())
        and set(times[times.duplicated()]) == set(doubled)
    )

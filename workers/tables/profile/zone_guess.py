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
HOUR = pd.Timedelta(hours=1)


def zone_of(index: pd.MultiIndex) -> str | None:
    """The zone whose changes of clocks fit the times without a zone; None: none does, or there are no hours.

    Args:
        index: (datetime, instrument), sorted.
    """
    times = pd.DatetimeIndex(index.levels[0])
    if times.tz is not None or len(times) < 48 or (times == times.normalize()).all():
        return None
    series = index.get_level_values(1)
    first = index[series == series[0]].get_level_values(0)
    doubled = first[first.duplicated()].unique()
    if not len(doubled):
        return None
    return next((zone for zone in ZONES if _fits(first, doubled, zone)), None)


def _fits(times: pd.DatetimeIndex, doubled: pd.DatetimeIndex, zone: str) -> bool:
    """Whether what is doubled is what occurs twice there, and nothing is there that does not exist."""
    unique = times.unique()
    twice = unique[unique.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()]
    exists = unique.tz_localize(zone, ambiguous=[True] * len(unique), nonexistent="NaT").notna()
    return bool(exists.all()) and set(twice) == set(doubled)

"""Local times get their zone: when clocks change, one hour is missing and one occurs twice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import Codes
from rollq.workers.tables.source_spec import SourceSpec

Mask = npt.NDArray[np.bool_]
SHOWN = 3


def localized(naive: pd.DatetimeIndex, spec: SourceSpec, key: str, series: Codes | None = None) -> pd.DatetimeIndex:
    """The instants that local times mean.

    An hour that occurs twice is told by the order of its rows in each series: the first is before the change. Rows from
    the newest to the oldest are possible, too.

    Args:
        naive: one per row, in the order of the file.
        spec: zone, ``ambiguous`` and ``nonexistent``.
        key: of the template, which names the column.
        series: the instrument of each row, as a number.

    Raises:
        DataError: a time does not exist, or occurs twice and has one row.
    """
    unique, rows = np.unique(naive.asi8, return_inverse=True)
    times = pd.DatetimeIndex(unique.astype("M8[us]"))
    first = np.ones(len(times), dtype=bool)
    missing = np.asarray(times.tz_localize(spec.zone, ambiguous=first, nonexistent="NaT").isna())
    if missing.any() and spec.nonexistent == "error":
        odd = times[missing]
        raise DataError(
            f"{key}: {_some(odd)} do not exist in {spec.zone}, where clocks go forward ({missing[rows].sum()} rows).",
            "Correct these rows, give the zone that they are in, or write nonexistent: shift.",
        )
    kept = "shift_forward"
    twice = np.asarray(times.tz_localize(spec.zone, ambiguous="NaT", nonexistent=kept).isna())
    early = times.tz_localize(spec.zone, ambiguous=first, nonexistent=kept)
    if not twice.any() or spec.ambiguous == "first":
        return early[rows]
    late = times.tz_localize(spec.zone, ambiguous=~first, nonexistent=kept)
    if spec.ambiguous == "second":
        return late[rows]
    after = _after(naive, twice[rows], series, spec, key)
    found = np.where(after, late.asi8[rows], early.asi8[rows])
    return pd.DatetimeIndex(found.astype("M8[us]"), tz="UTC").tz_convert(spec.zone)


def _after(naive: pd.DatetimeIndex, twice: Mask, series: Codes | None, spec: SourceSpec, key: str) -> Mask:
    """Which of the rows of doubled hours are after the change."""
    group = np.zeros(len(naive), dtype=np.int32) if series is None else series
    places = np.flatnonzero(twice)
    doubled = pd.DataFrame({"series": group[places], "time": naive.asi8[places]})
    pairs = doubled.groupby(["series", "time"], sort=False)
    number, rows = pairs.cumcount().to_numpy(), pairs["time"].transform("size").to_numpy()
    if (rows != 2).any():
        odd = naive[places[rows != 2]].unique()
        count = "one row" if (rows == 1).any() else f"{rows.max()} rows"
        raise DataError(
            f"{key}: {_some(odd)} occur twice in {spec.zone}, where clocks go back, and have {count} in a series.",
            "Give both, in order; or write ambiguous: first or ambiguous: second; or store times with their zone.",
        )
    second = number == 1
    after = np.zeros(len(naive), dtype=bool)
    after[places] = second ^ _falling(naive, group)[group[places]]
    return after


def _falling(naive: pd.DatetimeIndex, series: Codes) -> Mask:
    """Which series go from the newest row to the oldest."""
    order = np.argsort(series, kind="stable")
    times, names = naive.asi8[order], series[order]
    same = names[1:] == names[:-1]
    falls = np.zeros(int(series.max()) + 1)
    np.add.at(falls, names[1:][same], np.sign(times[:-1][same] - times[1:][same]))
    return falls > 0


def _some(times: pd.DatetimeIndex) -> str:
    shown = ", ".join(f"{time:%Y-%m-%d %H:%M}" for time in times[:SHOWN])
    return shown + (f" and {len(times) - SHOWN} more" if len(times) > SHOWN else "")

"""Local times get their zone: when clocks change, one hour is missing and one occurs twice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import Codes
from rollq.workers.tables.source_spec import SourceSpec

Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]
Both = tuple[Times, Times]  # the instants that local times mean before and after a change of clocks
SHOWN = 3
DAY = 86_400_000_000  # microseconds


def localized(naive: pd.DatetimeIndex, spec: SourceSpec, key: str, series: Codes | None = None) -> pd.DatetimeIndex:
    """The instants that local times mean.

    An hour that occurs twice is told by the order of its rows in each series: the first is before the change. Rows from
    the newest to the oldest are possible, too. Rows of that day in no order are refused: nothing tells them apart.

    Args:
        naive: one per row, in the order of the file.
        spec: zone, ``ambiguous`` and ``nonexistent``.
        key: of the template, which names the column.
        series: the instrument of each row, as a number.

    Raises:
        DataError: a time does not exist, or occurs twice and has one row, or rows of that day are in no order.
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
    after = _after(naive, (early.asi8[rows], late.asi8[rows]), twice[rows], series, spec, key)
    found = np.where(after, late.asi8[rows], early.asi8[rows])
    return pd.DatetimeIndex(found.astype("M8[us]"), tz="UTC").tz_convert(spec.zone)


def _after(naive: pd.DatetimeIndex, both: Both, twice: Mask, series: Codes | None, spec: SourceSpec, key: str) -> Mask:
    """Which of the rows of doubled hours are after the change."""
    group = np.zeros(len(naive), dtype=np.int32) if series is None else series
    places = np.flatnonzero(twice)
    doubled = pd.DataFrame({"series": group[places], "time": naive.asi8[places]})
    pairs = doubled.groupby(["series", "time"], sort=False)
    number, rows = pairs.cumcount().to_numpy(), pairs["time"].transform("size").to_numpy()
    if (rows != 2).any():
        count = "one row" if (rows == 1).any() else f"{rows.max()} rows"
        raise _not_told(naive[places[rows != 2]], f"have {count} in a series", spec, key)
    second = np.zeros(len(naive), dtype=bool)
    second[places] = number == 1
    falls = _falling(naive, both, twice, second, group, spec, key)
    return np.asarray(twice & (second ^ falls))


def _falling(
    naive: pd.DatetimeIndex, both: Both, twice: Mask, second: Mask, series: Codes, spec: SourceSpec, key: str
) -> Mask:
    """Which rows are of a series and day whose rows go from the newest to the oldest; only days with a doubled hour."""
    days = naive.asi8 // DAY
    falls = np.zeros(len(naive), dtype=bool)
    near = np.flatnonzero(np.isin(days, np.unique(days[twice])))
    _, group = np.unique(np.stack([series[near], days[near]]), axis=1, return_inverse=True)
    order = near[np.argsort(group.ravel(), kind="stable")]
    group = np.sort(group.ravel())
    count = int(group[-1]) + 1
    early, late = (times[order] for times in both)
    local, told = naive.asi8[order], twice[order]
    # In order by the clock on the wall, or by the instants that the order itself gives.
    rising = _ordered(local, group, count) | _ordered(np.where(told & second[order], late, early), group, count)
    falling = _ordered(-local, group, count) | _ordered(-np.where(told & ~second[order], late, early), group, count)
    odd = (rising == falling)[group] & told
    if odd.any():
        raise _not_told(naive[order[odd]], "have rows in no order of time on that day", spec, key)
    falls[order] = falling[group]
    return falls


def _ordered(times: Times, group: Times, count: int) -> Mask:
    """Which groups of rows never go back."""
    found = np.ones(count, dtype=bool)
    found[group[1:][(times[1:] < times[:-1]) & (group[1:] == group[:-1])]] = False
    return found


def _not_told(odd: pd.DatetimeIndex, why: str, spec: SourceSpec, key: str) -> DataError:
    return DataError(
        f"{key}: {_some(odd.unique())} occur twice in {spec.zone}, where clocks go back, and {why}.",
        "Give both, in order; or write ambiguous: first or ambiguous: second; or store times with their zone.",
    )


def _some(times: pd.DatetimeIndex) -> str:
    shown = ", ".join(f"{time:%Y-%m-%d %H:%M}" for time in times[:SHOWN])
    return shown + (f" and {len(times) - SHOWN} more" if len(times) > SHOWN else "")

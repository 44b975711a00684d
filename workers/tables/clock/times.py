"""Times of every form: dates, timestamps with and without a zone, texts, weeks and months, whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import Codes, is_period
from rollq.workers.tables.clock.local_times import localized
from rollq.workers.tables.clock.time_texts import EARLIEST, LATEST, days_of_numbers, of_texts
from rollq.workers.tables.source_spec import SourceSpec

EPOCH = {"min": "m"}  # numpy's names of units
NO_TIME = ["", "na", "nan", "nat", "null", "none", "n/a"]


@dataclass(frozen=True)
class Times:
    """The times of rows.

    Attributes:
        values: one per row: naive dates, naive timestamps, or timestamps with a zone.
        dates: they are dates.
        ends: where they are weeks, months and the like: the last day of each.
        zone: whose they are, dates too; None: that is not told.
        moved_from: the zone in which they are all midnight, where they are on other dates here; "": there is none.
    """

    values: pd.DatetimeIndex
    dates: bool
    ends: pd.DatetimeIndex | None = None
    zone: tzinfo | None = None
    moved_from: str = ""

    @property
    def days(self) -> pd.DatetimeIndex:
        """The date of each row, in its zone."""
        naive = self.values if self.values.tz is None else self.values.tz_localize(None)
        return naive.normalize()


def read_times(column: pa.ChunkedArray, spec: SourceSpec, key: str, series: Codes | None = None) -> Times:
    """The times of a column.

    Args:
        column: as the file has it.
        spec: zone, unit and so on.
        key: of the template, which names the column.
        series: the instrument of each row, as a number: where an hour occurs twice, its rows are in order in each.

    Raises:
        DataError: rows have no time, or what they have cannot be told.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    missing = column.null_count
    if pa.types.is_string(column.type):
        missing += pc.sum(pc.is_in(pc.utf8_lower(column), pa.array(NO_TIME))).as_py() or 0
    if missing:
        raise DataError(f"{key}: {missing} of {len(column)} rows have no time.", "Remove them.")
    plain, ends = _plain(column, spec, key)
    if plain.tz is not None:
        here = plain.tz_convert(spec.zone) if spec.zone else plain
        return replace(_settled(here, ends), moved_from=_moved_from(plain, here))
    if spec.zone is None or _are_dates(plain):
        return Times(plain, _are_dates(plain), ends, ZoneInfo(spec.zone) if spec.zone else None)
    return _settled(localized(plain, spec, key, series), ends)


def check_midnights(times: Times, key: str) -> None:
    """Refuse dates that a zone makes other dates.

    Raises:
        DataError: they are all midnight in the zone that they are stored in, and so of the evening before in this one.
    """
    if times.moved_from:
        why = f"{key}: all times are midnight in {times.moved_from}; in {times.zone} that is the evening before"
        raise DataError(f"{why}, and each session would be a day early.", "Leave zone out: they are dates then.")


def _moved_from(plain: pd.DatetimeIndex, here: pd.DatetimeIndex) -> str:
    naive, local = plain.tz_localize(None), here.tz_localize(None)
    moved = len(naive) and _are_dates(naive) and (local.normalize() != naive).all()
    return str(plain.tz) if moved else ""


def _settled(values: pd.DatetimeIndex, ends: pd.DatetimeIndex | None) -> Times:
    """Times that are all midnight are dates, in whatever zone."""
    naive = values.tz_localize(None)
    return Times(naive, True, ends, values.tz) if _are_dates(naive) else Times(values, False, ends, values.tz)


def _are_dates(values: pd.DatetimeIndex) -> bool:
    return bool((values.asi8 % 86_400_000_000 == 0).all())


def _plain(column: pa.ChunkedArray, spec: SourceSpec, key: str) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex | None]:
    """Times as they are written: local ones have no zone yet; and the ends of periods."""
    kind = column.type
    if spec.unit and not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind)):
        raise DataError(f"{key}: the column holds {kind}, not numbers.", "Leave out unit.")
    if is_period(kind):
        periods = pd.PeriodIndex(pd.concat([chunk.to_pandas() for chunk in column.chunks], ignore_index=True))
        return _index(periods.start_time), _index(periods.end_time.normalize())
    if pa.types.is_timestamp(kind):
        numbers = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()).to_numpy()
        return _index(numbers.astype("M8[us]"), kind.tz), None
    if pa.types.is_date(kind):
        return _index(column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy().astype("M8[us]")), None
    if pa.types.is_floating(kind):
        numbers = column.to_numpy()
        if not (numbers == np.floor(numbers)).all():
            raise DataError(f"{key}: the column holds broken numbers, such as {numbers[0]}.", "Store dates or texts.")
        return _of_whole_numbers(numbers.astype(np.int64), spec, key)
    if pa.types.is_integer(kind):
        return _of_whole_numbers(column.cast(pa.int64(), safe=False).to_numpy(), spec, key)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _of_strings(column.cast(pa.string()), spec, key)
    raise DataError(f"{key}: the column holds {kind}, no times.", "Name another column.")


def _of_whole_numbers(
    numbers: npt.NDArray[np.int64], spec: SourceSpec, key: str
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex | None]:
    """Years, and what a form says of numbers, are read as texts."""
    years = len(numbers) and numbers.min() >= EARLIEST and numbers.max() <= LATEST
    if spec.unit is None and (years or spec.time_format is not None):
        return _of_strings(pa.chunked_array([pa.array(numbers).cast(pa.string())]), spec, key)
    return _of_numbers(numbers, spec, key), None


def _of_strings(
    column: pa.ChunkedArray, spec: SourceSpec, key: str
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex | None]:
    """Each text is read once: a long table has few times."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    texts, rows = pd.Index(encoded.dictionary.to_pylist(), dtype="str"), encoded.indices.to_numpy()
    texts = texts.str.replace(r"^(\d+)\.0*$", r"\1", regex=True)  # what another program wrote as a float
    if texts.str.fullmatch(r"\d+").all() and spec.time_format is None and not (texts.str.len() == 4).all():
        return _of_numbers(texts.astype(np.int64).to_numpy(), spec, key)[rows], None
    if spec.unit:
        raise DataError(f"{key}: the column holds texts such as {texts[0]!r}, not numbers.", "Leave out unit.")
    values, ends = of_texts(texts, spec.time_format, bool(spec.zone), key)
    return values[rows], None if ends is None else ends[rows]


def _of_numbers(numbers: npt.NDArray[np.int64], spec: SourceSpec, key: str) -> pd.DatetimeIndex:
    """Seconds and the like since 1970, in UTC, if the unit is told; else days such as 20240102."""
    if spec.unit is None:
        return days_of_numbers(numbers, key)
    try:
        unique, rows = np.unique(numbers, return_inverse=True)
        instants = unique.astype(f"M8[{EPOCH.get(spec.unit, spec.unit)}]")
        found = pd.DatetimeIndex(instants.astype("M8[us]")[rows])
    except (ValueError, OverflowError) as error:
        raise DataError(f"{key}: {numbers[0]} is no time in {spec.unit}: {error}.", "Give another unit.") from None
    year = found.year
    if ((year < EARLIEST) | (year > LATEST)).any():
        raise DataError(f"{key}: {numbers[0]} in {spec.unit} is the year {year[0]}.", "Give another unit.")
    return found if spec.unit == "D" else found.tz_localize("UTC")


def _index(values: object, zone: str | None = None) -> pd.DatetimeIndex:
    found = pd.DatetimeIndex(values).as_unit("us")
    return found if zone is None else found.tz_localize("UTC").tz_convert(zone)

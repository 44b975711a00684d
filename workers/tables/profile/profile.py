"""What a table holds: times, instruments, gaps, doubled rows, and the values of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.workers.tables.arrow_columns import NUMBER
from rollq.workers.tables.profile.frequency import Frequency, frequency_of
from rollq.workers.tables.profile.readable import Readable, find_keys, reads
from rollq.workers.tables.profile.roles import ColumnProfile, by_role
from rollq.workers.tables.profile.zone_guess import zone_of
from rollq.workers.tables.table import Table

AT_ONCE = 8  # columns
JUMP = 0.5


@dataclass(frozen=True)
class InstrumentSpan:
    """The first and the last row of an instrument, and how many there are."""

    name: str
    first: pd.Timestamp
    last: pd.Timestamp
    rows: int


@dataclass(frozen=True)
class Profile:
    """A file that was looked at.

    Attributes:
        path: as it was given.
        form: parquet, csv or qlib, and ``files`` of it.
        keys: with which it is read, and ``said``: what was guessed of them, by key.
        time, instrument: names of these columns; None: there is no such column.
        zone: of the times; None: they have none.
        dates: the times are dates.
        rows: of the table, ``doubled`` of which have a time and an instrument that others have.
        sessions: the days with rows, in order.
        frequency: what is usual between two times, and where times are missing.
        instruments: with their spans, in order of their names.
        columns: in order.
    """

    path: str
    form: str
    files: int
    keys: dict[str, object]
    said: dict[str, str]
    time: str | None
    instrument: str | None
    zone: str | None
    dates: bool
    rows: int
    doubled: int
    sessions: pd.DatetimeIndex
    frequency: Frequency
    instruments: tuple[InstrumentSpan, ...]
    columns: tuple[ColumnProfile, ...]

    @property
    def roles(self) -> dict[str, str]:
        """The first column of each role."""
        return by_role(self.columns)

    def column(self, name: str) -> ColumnProfile:
        """A column by its name."""
        return next(one for one in self.columns if one.name == name)


def profile(path: str) -> Profile:
    """Look at a file.

    Raises:
        DataError: it cannot be read in any way that is known; the message says what is missing.
    """
    found = _with_zone(path, find_keys(path))
    table = found.table or reads(path, found.keys)
    index = table.frame([]).index
    times = pd.DatetimeIndex(index.levels[0])
    naive = times if times.tz is None else times.tz_localize(None)
    return Profile(
        path,
        table.main.files.form,
        len(table.main.files.files),
        found.keys,
        found.said,
        table.time,
        table.instrument,
        None if times.tz is None else str(times.tz),
        bool((naive == naive.normalize()).all()),
        len(index),
        int(index.duplicated().sum()),
        naive.normalize().unique(),
        frequency_of(times),
        tuple(_spans(index)),
        tuple(_columns(table, index)),
    )


def _with_zone(path: str, found: Readable) -> Readable:
    """With a zone, if the hours that are missing and doubled are those of one."""
    if found.table is None or found.table.spec.source.zone:
        return found
    index = found.table.frame([]).index
    zone = zone_of(index)
    if zone is None:
        return found
    keys = {**found.keys, "zone": zone}
    said = {**found.said, "zone": "a guess: the hours that are missing and doubled are those of this zone"}
    return Readable(keys, said, reads(path, keys))


def _spans(index: pd.MultiIndex) -> Iterator[InstrumentSpan]:
    times, names = index.levels
    codes = pd.DataFrame({"time": index.codes[0], "name": index.codes[1]})
    for number, span in codes.groupby("name")["time"].agg(["min", "max", "size"]).iterrows():
        yield InstrumentSpan(str(names[number]), times[span["min"]], times[span["max"]], int(span["size"]))


def _columns(table: Table, index: pd.MultiIndex) -> Iterator[ColumnProfile]:
    """The columns, a few at a time: a table may be larger than what is free."""
    names = list(table.columns)
    order = np.lexsort((index.codes[0], index.codes[1]))
    same = np.diff(index.codes[1][order]) == 0
    for start in range(0, len(names), AT_ONCE):
        part: Sequence[str] = names[start : start + AT_ONCE]
        frame = table.frame(part)
        for name in part:
            column = frame[name]
            missing = float(column.isna().mean())
            if table.columns[name] == NUMBER:
                yield _number(name, column.to_numpy(), missing, order, same)
            else:
                yield ColumnProfile(name, table.columns[name], missing, distinct=len(column.cat.categories))


def _number(
    name: str,
    values: npt.NDArray[np.float64],
    missing: float,
    order: npt.NDArray[np.int64],
    same: npt.NDArray[np.bool_],
) -> ColumnProfile:
    """The values of a column; ``order`` puts rows by instrument and time, ``same``: the next one is of the same one."""
    there = values[~np.isnan(values)]
    if not len(there):
        return ColumnProfile(name, NUMBER, missing)
    ordered = values[order]
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.abs(ordered[1:] / ordered[:-1] - 1)
    return ColumnProfile(
        name,
        NUMBER,
        missing,
        float((there == 0).mean()),
        float((there < 0).mean()),
        float(there.min()),
        float(np.median(there)),
        float(there.max()),
        bool((there == np.floor(there)).all()),
        bool(np.isin(there, (0, 1)).all()),
        int(((steps > JUMP) & same & (ordered[:-1] != 0)).sum()),
    )

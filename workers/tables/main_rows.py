"""The rows of the main source: sorted by time and instrument, wide tables made long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import NUMBER, Codes
from rollq.workers.tables.clock.times import Times, check_midnights, read_times
from rollq.workers.tables.joined_rows import Texts
from rollq.workers.tables.rows import Block
from rollq.workers.tables.source import Source

Order = npt.NDArray[np.int64]
TWICE = 0.2  # share of the rows of a single series whose time is there already: then it is none


@dataclass
class MainRows:
    """Rows, sorted by time and, on each time, by the name of the instrument.

    Attributes:
        times: one per row.
        instruments, names: the number of each row's instrument, and all names, sorted.
        texts: columns of texts, those that are keys of joins too.
        block: columns x rows: those of ``numbers``, then those that are spare.
        numbers: the columns of the block, in order.
    """

    times: Times
    instruments: Codes
    names: pd.Index
    texts: dict[str, Texts]
    block: Block
    numbers: tuple[str, ...]

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.instruments)

    def key(self, name: str) -> Texts:
        """A column as a key of a join: the instrument, if it is called so."""
        return self.texts.get(name, (self.instruments, self.names))

    def index(self) -> pd.MultiIndex:
        """(datetime, instrument)."""
        numbers = self.times.values.asi8
        starts = np.concatenate([[True], numbers[1:] != numbers[:-1]])[: len(numbers)]
        levels = [self.times.values[starts], self.names]
        codes = [np.cumsum(starts) - 1, self.instruments]
        # Rows that are there twice stay: what is odd about a table is told by its checks.
        return pd.MultiIndex(levels=levels, codes=codes, names=["datetime", "instrument"], verify_integrity=False)


def read_main(source: Source, columns: Sequence[str], keys: Sequence[str] = (), spare: int = 0) -> MainRows:
    """The rows of a source.

    Args:
        source: the main one.
        columns: those of its own that are asked for; for a wide table they are not looked at.
        keys: columns that are read as text.
        spare: columns of numbers that are left free in the block.

    Raises:
        DataError: rows have no time or no instrument, or a series has several rows of one time.
        NotYet: a file is another one by now.
    """
    if source.time is None:
        raise AssertionError("the main source has times")
    if source.spec.wide:
        return _long(source, source.time, source.spec.wide, spare)
    numbers = [name for name in columns if source.kinds[name] == NUMBER]
    texts = [*(name for name in columns if source.kinds[name] != NUMBER), *keys]
    wanted = list(dict.fromkeys([*texts, *([source.instrument] if source.instrument else [])]))
    rows = source.rows(numbers, wanted, [source.time], spare)
    instruments, names = _instruments(source, rows.texts, rows.count)
    times = read_times(rows.times[source.time], source.spec, f"{source.key}.time", instruments)
    check_midnights(times, f"{source.key}.zone")
    order = _order(times.values.asi8, instruments)
    found = {name: (codes if order is None else codes[order], known) for name, (codes, known) in rows.texts.items()}
    if order is not None:
        for values in rows.numbers[: len(numbers)]:  # in place: a second block would be as large as the table
            values[:] = values[order]
    sorted_times = times if order is None else _taken(times, order)
    if source.single:
        _check_series(source, sorted_times)
    series = instruments if order is None else instruments[order]
    return MainRows(sorted_times, series, names, found, rows.numbers, tuple(numbers))


def _instruments(source: Source, texts: Mapping[str, Texts], count: int) -> Texts:
    if source.instrument is None:
        return np.zeros(count, dtype=np.int32), pd.Index([source.files.title], dtype="str")
    codes, names = texts[source.instrument]
    if missing := int((codes < 0).sum()):
        key = f"{source.key}.instrument"
        raise DataError(f"{key}: {missing} rows have no {source.instrument!r}.", "Remove them, or give them a name.")
    return codes, names


def _order(times: Order, instruments: Codes) -> Order | None:
    """The order by time and instrument; None: they are in order."""
    later, same = times[1:] > times[:-1], times[1:] == times[:-1]
    if (later | (same & (instruments[1:] >= instruments[:-1]))).all():
        return None
    return np.lexsort((instruments, times))


def _taken(times: Times, order: Order) -> Times:
    return replace(times, values=times.values[order], ends=None if times.ends is None else times.ends[order])


def _check_series(source: Source, times: Times) -> None:
    """Refuse a table that was taken for one series because no column of instruments was found."""
    twice = int((times.values.asi8[1:] == times.values.asi8[:-1]).sum())
    if twice > TWICE * len(times.values):
        names = ", ".join(name for name, kind in source.kinds.items() if kind != NUMBER) or ", ".join(source.kinds)
        fix = f"Write instrument: and the name of its column. Columns: {names}."
        raise DataError(f"{source.key}.instrument: {twice} rows have a time that others have.", fix)


def _long(source: Source, time: str, value: str, spare: int) -> MainRows:
    """A table with a column for each instrument, made long: a cell without a value is no row."""
    wide = list(source.kinds)
    rows = source.rows(wide, times=[time])
    times = read_times(rows.times[time], source.spec, f"{source.key}.time")
    check_midnights(times, f"{source.key}.zone")
    if not times.values.is_unique:
        odd = times.values[times.values.duplicated()][0]
        raise DataError(f"{source.key}.wide: the time {odd} is there twice.", "Keep one row for each time.")
    # Instruments by name and times in order: then the rows are, too.
    names = np.argsort(np.array(wide, dtype=object), kind="stable")
    block = rows.numbers[names][:, np.argsort(times.values.asi8)]
    places = np.nonzero(~np.isnan(block.T))
    found = _taken(times, np.argsort(times.values.asi8)[places[0]])
    made = np.empty((1 + spare, len(places[0])))
    made[0] = block.T[places]
    return MainRows(found, places[1].astype(np.int32), pd.Index(wide, dtype="str")[names], {}, made, (value,))

"""A table as matrices, times x instruments, that lie on disk until they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.workers.datasets.table.session_hashes import SessionHashes
from rollq.workers.datasets.table.table_rows import TableRows
from rollq.workers.tables.table import Table

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
AT_ONCE = 8  # columns that are read together


@dataclass(frozen=True)
class WideTable(Mapping[str, Values]):
    """The columns of a table, each a matrix of times x instruments, NaN where there is no value.

    It is a mapping that reads a matrix whenever it is asked for one: many columns need no more memory than few.

    Args:
        times: all times of the table's rows, sorted, but for those of sessions that are left out.
        instruments: those of the universe's list, sorted.
        present: times x instruments, where there is a row.
        levels: the categories of a column of texts, sorted; its values are their positions.
        content: a hash of the values of each session, by its date.
    """

    times: pd.DatetimeIndex
    instruments: pd.Index
    present: Flags
    levels: Mapping[str, list[str]]
    content: Mapping[str, str]
    _file: Path
    _places: Mapping[str, int] = field(repr=False)

    def __getitem__(self, name: str) -> Values:
        """The matrix of a column."""
        size = self.present.size
        found = np.fromfile(self._file, dtype=np.float64, count=size, offset=8 * size * self._places[name])
        return found.reshape(self.present.shape)

    def __iter__(self) -> Iterator[str]:
        """Names of the columns."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many columns there are."""
        return len(self._places)


def spread(
    table: Table,
    rows: TableRows,
    columns: Sequence[str],
    instruments: Collection[str] | None,
    file: Path,
    price: str | None = None,
    numbers: Collection[str] = (),
) -> WideTable:
    """The columns of a table as matrices.

    Args:
        rows: which of its rows count.
        instruments: of the universe's list; None: all.
        file: where the matrices are written.
        price: the column in which what is not above 0 is no value.
        numbers: columns that must be numbers.

    Raises:
        DataError: a column cannot be read.
    """
    index = rows.index[rows.kept]
    names = pd.Index(index.levels[1].astype(str)) if len(index) else pd.Index([], dtype=str)
    wanted = np.ones(len(names), bool) if instruments is None else names.isin(list(instruments))
    mine = wanted[index.codes[1]]
    kept = np.flatnonzero(rows.kept)[mine]
    times, time_of = _times(index, mine)
    order = np.sort(names[wanted & np.isin(np.arange(len(names)), index.codes[1])].to_numpy())
    place = pd.Index(order).get_indexer(names)[index.codes[1][mine]]
    present = np.zeros((len(times), len(order)), dtype=bool)
    present[time_of, place] = True
    levels: dict[str, list[str]] = {}
    wide, hashes = np.empty(present.shape), SessionHashes(times)
    with file.open("wb") as spilt:
        for first in range(0, len(columns), AT_ONCE):
            part = list(columns[first : first + AT_ONCE])
            frame = table.frame(part, [name for name in part if name in numbers])
            frame = frame if len(kept) == len(frame) else frame.iloc[kept]
            for name in part:
                values, found = _numbers(frame[name])
                levels.update({name: found} if found is not None else {})
                if name == price:
                    values = np.where((values > 0) & np.isfinite(values), values, np.nan)
                wide.fill(np.nan)
                wide[time_of, place] = values
                spilt.write(wide.data)
            hashes.add(frame)
    return WideTable(
        times, pd.Index(order), present, levels, hashes.found(), file, {name: at for at, name in enumerate(columns)}
    )


def _times(index: pd.MultiIndex, mine: Flags) -> tuple[pd.DatetimeIndex, npt.NDArray[np.int64]]:
    """The times that rows have, whatever the universe, and the position of the time of each row of it."""
    every = pd.DatetimeIndex(index.levels[0])
    used = np.unique(index.codes[0])
    position = np.full(len(every), -1)
    position[used] = np.arange(len(used))
    return every[used].rename("datetime"), position[index.codes[0][mine]]


def _numbers(values: pd.Series) -> tuple[Values, list[str] | None]:
    """A column as numbers, and the sorted categories that they stand for, if it is one of texts."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values.to_numpy(np.float64), None
    categories = [str(name) for name in values.cat.categories]
    levels = sorted(set(categories))
    places = {name: place for place, name in enumerate(levels)}
    position = np.array([*(places[name] for name in categories), np.nan])  # the code of a gap is -1
    return position[values.cat.codes.to_numpy()], levels

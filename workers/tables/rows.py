"""The rows of a source as they are read: float64 values, texts with their numbers, and times as they are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import CATEGORY, EMPTY, NUMBER, Codes, Texts, Values, as_numbers, kind_of
from rollq.workers.tables.files.csv_file import NOTHING

DAY = 86_400_000_000  # microseconds
Block = npt.NDArray[np.float64]  # columns x rows


@dataclass
class Rows:
    """What was read, in the order of the files.

    Attributes:
        count: of rows.
        numbers: columns x rows, in the order in which they were asked for; then those that are spare.
        texts: for each column of texts: the number of each row (-1: none), and the texts, sorted.
        times: for each column of times: as the file has it.
    """

    count: int
    numbers: Block
    texts: dict[str, tuple[Codes, pd.Index]] = field(default_factory=dict)
    times: dict[str, pa.ChunkedArray] = field(default_factory=dict)


class RowsReader:
    """Takes batches and makes rows of them.

    Args:
        numbers, texts, times: names of the columns that are read as such.
        count: rows there will be, where that is known: values are then written to their place at once.
        key: of the template, which names the source.
        spare: columns that are left free, for others to write: so a table needs one block of memory.
        both: columns of numbers that are read as text, because they are a part of a key, too.
        decimal: how numbers are written in texts.
    """

    def __init__(
        self,
        numbers: Sequence[str],
        texts: Sequence[str],
        times: Sequence[str],
        count: int | None,
        key: str,
        spare: int = 0,
        both: Collection[str] = (),
        decimal: str = ".",
    ) -> None:
        self._numbers, self._key, self._spare = list(numbers), key, spare
        self._both, self._decimal = both, decimal
        self._block = None if count is None else np.empty((len(numbers) + spare, count))
        self._blocks: list[Block] = []
        self._texts = {name: Texts() for name in texts}
        self._times: dict[str, list[pa.Array]] = {name: [] for name in times}
        self._count = 0

    def add(self, batch: pa.RecordBatch, constants: Mapping[str, str | None], file: object) -> None:
        """The next rows; ``constants`` are columns that the file's name or folder says.

        Raises:
            DataError: a column of numbers holds text.
        """
        rows = batch.num_rows
        block = self._place(rows)
        for position, name in enumerate(self._numbers):
            block[position] = self._values(batch, name, constants, file)
        for name, texts in self._texts.items():
            if name in constants or name not in batch.schema.names:
                texts.add_same(constants.get(name), rows)
            else:
                texts.add(batch.column(name))
        for name, parts in self._times.items():
            if name in constants or name not in batch.schema.names:
                parts.append(pa.repeat(pa.scalar(constants.get(name), pa.string()), rows))
            else:
                column = batch.column(name)
                parts.append(column.dictionary_decode() if pa.types.is_dictionary(column.type) else column)
        self._count += rows

    def rows(self) -> Rows:
        """All of them.

        Raises:
            DataError: files have times of different forms.
        """
        if self._block is None:
            self._block = np.empty((len(self._numbers) + self._spare, self._count))
            if self._blocks:
                np.concatenate(self._blocks, axis=1, out=self._block[: len(self._numbers)])
            self._blocks = []
        texts = {name: found.sorted() for name, found in self._texts.items()}
        times = {name: self._joined(name, parts) for name, parts in self._times.items()}
        return Rows(self._count, self._block[:, : self._count], texts, times)

    def _place(self, rows: int) -> Block:
        if self._block is not None:
            return self._block[:, self._count : self._count + rows]
        self._blocks.append(np.empty((len(self._numbers), rows)))
        return self._blocks[-1]

    def _values(
        self, batch: pa.RecordBatch, name: str, constants: Mapping[str, str | None], file: object
    ) -> Values | float:
        """The values of a column of numbers; one for all rows where the file's folder says it, or lacks it."""
        if name in constants:
            return float(constants[name] or "nan")
        if name not in batch.schema.names:
            return np.nan
        column = batch.column(name)
        if kind_of(column.type) == CATEGORY and name in self._both:
            column = _numbers_in(column, self._decimal)
        if kind_of(column.type) not in (NUMBER, EMPTY):
            shown = next((value for value in column.to_pylist() if value is not None), None)
            raise DataError(f"{self._key}: the column {name!r} of {file} holds {shown!r}, no number.", "Correct it.")
        return as_numbers(column)

    def _joined(self, name: str, parts: list[pa.Array]) -> pa.ChunkedArray:
        """The parts of a column of times; files may differ in how fine they are."""
        kinds = {part.type for part in parts}
        if len(kinds) > 1:
            naive = all((pa.types.is_timestamp(kind) and kind.tz is None) or pa.types.is_date(kind) for kind in kinds)
            zones = {getattr(kind, "tz", None) for kind in kinds}
            if not naive and (len(zones) > 1 or not all(pa.types.is_timestamp(kind) for kind in kinds)):
                said = " and ".join(sorted(str(kind) for kind in kinds))
                raise DataError(f"{self._key}: the column {name!r} is {said} in different files.", "Write them alike.")
            dates = any(pa.types.is_date(kind) for kind in kinds)
            parts = [part.cast(pa.timestamp("us", zones.copy().pop()), safe=False) for part in parts]
            if dates and any((part.cast(pa.int64()).to_numpy(zero_copy_only=False) % DAY).any() for part in parts):
                # A date that is read as its midnight would be known a day too early.
                why = f"{self._key}: the column {name!r} has dates in some files and times of day in others."
                raise DataError(why, "Write them alike.")
        return pa.chunked_array(parts, type=None if parts else pa.string())


def _numbers_in(column: pa.Array, decimal: str) -> pa.Array:
    """The numbers that texts are; the texts themselves, if one is none."""
    plain = pc.if_else(pc.is_in(column, pa.array(NOTHING)), None, column)
    try:
        return pc.replace_substring(plain, decimal, ".").cast(pa.float64())
    except pa.ArrowInvalid:
        return column


def is_value(kind: str) -> bool:
    """Whether a column of this kind can be asked for."""
    return kind in (NUMBER, CATEGORY, EMPTY)

"""Columns that are made of several: a store and its item are one instrument, a date and an hour one time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from rollq.workers.tables.arrow_columns import as_texts

YEAR = re.compile(r"year|yr|jahr", re.IGNORECASE)
# How what follows a year is written: by what its name says.
AFTER_YEAR = ((re.compile(r"week|kw", re.IGNORECASE), "-W"), (re.compile(r"quarter|qtr", re.IGNORECASE), "-Q"))


@dataclass(frozen=True)
class Composed:
    """A column that is made of others.

    ``parts``: their names. ``is_time``: they are a time: a date and an hour or a time of day; a year and a week, a
    quarter, or a month and perhaps a day. ``plain``: the texts of a time are put together as they are, because their
    format is told.
    """

    parts: tuple[str, ...]
    is_time: bool
    plain: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return (" " if self.is_time else "/").join(self.parts)

    def added(self, batch: pa.RecordBatch, constants: Mapping[str, str | None]) -> pa.RecordBatch:
        """The batch with this column, too; ``constants`` are parts that the file's name or folder says."""
        texts = [_text(batch, name, constants) for name in self.parts]
        if not self.is_time or self.plain:
            made = _joined(texts, " " if self.is_time else "/")
        elif YEAR.search(self.parts[0]):
            made = self._of_years(texts)
        else:
            minute = _padded(texts[2]) if len(texts) > 2 else pa.scalar("00")
            clock = _joined([_padded(texts[1]), minute], ":")
            told = pc.if_else(pc.match_substring(texts[1], ":"), texts[1], clock)
            made = _joined([texts[0], pc.utf8_lpad(told, _width(told), "0")], " ")
        return batch.append_column(self.name, made)

    def _of_years(self, texts: Sequence[pa.Array]) -> pa.Array:
        sign = next((sign for pattern, sign in AFTER_YEAR if pattern.search(self.parts[1])), "-")
        second = texts[1] if sign == "-Q" else _padded(texts[1])
        made = _joined([texts[0], second], sign)
        return made if len(texts) < 3 else _joined([made, _padded(texts[2])], "-")


def _text(batch: pa.RecordBatch, name: str, constants: Mapping[str, str | None]) -> pa.Array:
    """A part as text; of a timestamp the date."""
    if name in constants or name not in batch.schema.names:
        return pa.repeat(pa.scalar(constants.get(name), pa.string()), batch.num_rows)
    column = batch.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.date32(), safe=False)
    texts = pc.utf8_trim_whitespace(as_texts(column))
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _padded(texts: pa.Array) -> pa.Array:
    return pc.utf8_lpad(texts, 2, "0")


def _width(texts: pa.Array) -> int:
    """9:30 is 09:30, and 9:30:00 is 09:30:00."""
    return 8 if (pc.max(pc.utf8_length(texts)).as_py() or 0) > 5 else 5


def _joined(texts: Sequence[pa.Array | pa.Scalar], sign: str) -> pa.Array:
    return pc.binary_join_element_wise(*texts, sign, null_handling="emit_null")

"""Columns as Arrow has them become float64 values, or texts with a number for each; kinds of columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

NUMBER, CATEGORY, TIME, EMPTY, OTHER = "number", "category", "time", "empty", "other"
PERIOD = "pandas.period"


def kind_of(kind: pa.DataType) -> str:
    """The kind of a column: number (booleans too), category (text), time, empty, or other (lists and the like)."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        return NUMBER
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return CATEGORY
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or is_period(kind):
        return TIME
    return EMPTY if pa.types.is_null(kind) else OTHER


def is_period(kind: pa.DataType) -> bool:
    """Whether these are pandas' periods."""
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == PERIOD


def as_numbers(column: pa.Array) -> Values:
    """float64; NaN where there is nothing. Booleans are 0 and 1."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    values: Values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


class Texts:
    """A column of texts that is read in parts: a number for each row, and the texts in the order of their numbers.

    A row without a text has the number -1. Whole numbers are texts, too: as names of instruments, or of groups.
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._parts: list[Codes] = []

    def add(self, column: pa.Array) -> None:
        """The next rows."""
        texts = as_texts(column)
        # An empty text is none: CSV has no other way to say so.
        encoded = pc.if_else(pc.equal(texts, ""), None, texts).dictionary_encode()
        # One more at the end: a row without a text has the index -1.
        places = [self._known.setdefault(text, len(self._known)) for text in encoded.dictionary.to_pylist()]
        table = np.array([*places, -1], dtype=np.int32)
        self._parts.append(table[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])

    def add_same(self, text: str | None, rows: int) -> None:
        """The next rows, which all have one text."""
        number = -1 if text is None else self._known.setdefault(text, len(self._known))
        self._parts.append(np.full(rows, number, dtype=np.int32))

    def sorted(self) -> tuple[Codes, pd.Index]:
        """The numbers of all rows, and the texts, sorted. What was read is given away: it is asked for once."""
        codes = np.concatenate(self._parts) if self._parts else np.empty(0, dtype=np.int32)
        self._parts = []
        names = pd.Index(list(self._known), dtype="str")
        order = np.argsort(names.to_numpy(dtype=object), kind="stable")
        place = np.empty(len(names) + 1, dtype=np.int32)
        place[order], place[-1] = np.arange(len(names), dtype=np.int32), -1
        return place[codes], names[order]


def as_texts(column: pa.Array) -> pa.Array:
    """Text of each row; whole numbers without a point."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type) and pc.all(pc.equal(pc.floor(column), column)).as_py() is not False:
        column = column.cast(pa.int64(), safe=False)
    return column.cast(pa.string())


def categorical(codes: Codes, names: Sequence[str] | pd.Index) -> pd.Categorical:
    """A column of texts as pandas has it."""
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))

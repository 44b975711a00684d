"""A table as a whole: one long frame, indexed (datetime, instrument), of the columns that are asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rollq.tasks.errors import DataError
from rollq.workers.tables.table_spec import TableSpec

NUMBER, CATEGORY = "number", "category"


class Table:
    """A table that was looked at; its values are read when they are asked for.

    Attributes:
        columns: the kind of each column that can be asked for: ``number`` or ``category``.
        time, instrument: names of these two columns in the file; None: there is no such column.
    """

    def __init__(
        self, spec: TableSpec, columns: dict[str, str], time: str, instrument: str | None, sha256: str
    ) -> None:
        self.spec, self.columns, self.time, self.instrument = spec, columns, time, instrument
        self._sha256 = sha256

    def frame(self, columns: Sequence[str], numbers: Collection[str] = ()) -> pd.DataFrame:
        """Rows indexed (datetime, instrument), sorted by it; rows that are there twice stay twice.

        Args:
            columns: in this order; the name of the instrument's own column is possible, too (a category).
            numbers: those of them that must be numbers, and not all missing.

        Returns:
            float64 and category columns.

        Raises:
            DataError: there is no such column, or it holds no numbers; times or instruments are missing or unclear.
            NotYet: a file is another one by now.
        """
        path = Path(self.spec.source.path)
        wanted = [self.time, *([self.instrument] if self.instrument else []), *columns]
        raw = pq.read_table(path, columns=list(dict.fromkeys(wanted)), use_threads=False).to_pandas(
            ignore_metadata=True
        )
        names = raw[self.instrument].astype(str) if self.instrument else pd.Series(path.stem, index=raw.index)
        index = pd.MultiIndex.from_arrays([pd.DatetimeIndex(raw[self.time]), names], names=["datetime", "instrument"])
        values = {
            name: raw[name].astype(float).to_numpy() if self.columns[name] == NUMBER else raw[name].astype("category")
            for name in columns
        }
        frame = pd.DataFrame(
            {name: np.asarray(v) if isinstance(v, np.ndarray) else v.array for name, v in values.items()}
        )
        frame.index = index
        for name in numbers:
            if self.columns[name] != NUMBER:
                raise DataError(f"the column {name!r} is no number.", "Use another one.")
        return frame.sort_index(kind="stable")

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of all files, by their names relative to the source and their contents."""
        return {"sha256": self._sha256}


def read_table(spec: TableSpec) -> Table:
    """A table whose files were found and whose columns are known; no value is read yet.

    Raises:
        DataError: files are missing or no tables, or a column cannot be told; the message names key, cause and fix.
    """
    import hashlib

    path = Path(spec.source.path)
    try:
        schema = pq.read_schema(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        raise DataError(f"{spec.key}.path: {path}: {error}.", "Give a Parquet file.") from None
    time = spec.source.time or next(n for n in ("datetime", "date", "time", "timestamp", "ds") if n in schema.names)
    candidates = [n for n in ("instrument", "symbol", "ticker", "zone", "product") if n in schema.names]
    instrument = (
        spec.source.instrument if spec.source.instrument is not None else (candidates[0] if candidates else None)
    )
    instrument = instrument or None
    columns = {
        field.name: kind
        for field in schema
        if field.name not in (time, instrument) and (kind := _kind(field.type)) is not None
    }
    return Table(spec, columns, time, instrument, sha256)


def _kind(kind: pa.DataType) -> str | None:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return NUMBER
    return (
        CATEGORY if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind) else None
    )

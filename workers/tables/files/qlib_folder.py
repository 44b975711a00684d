"""Qlib's data folder: a calendar, lists of instruments, and one file of float32 for each field of an instrument.

The first value of such a file is the place of its first session in the calendar (pyqlib 0.9.7, ``qlib/data/storage``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rollq.tasks.errors import DataError
from rollq.workers.tables.files.file_hashes import opened
from rollq.workers.tables.files.source_files import SourceFile, SourceFiles

TIME, INSTRUMENT, MEMBER = "datetime", "instrument", "member"
ALL, PRESENT = "all", "close"
Floats = npt.NDArray[np.float32]


def qlib_schema(files: SourceFiles, key: str) -> pa.Schema:
    """The columns: time, instrument and the fields; and ``member``, where a market is named: 1 while it is in it.

    Raises:
        DataError: the folder has no field.
    """
    fields = sorted({_field(one) for one in files.files[2:]})
    market = [] if files.files[1].stem == ALL else [MEMBER]
    numbers = [(name, pa.float64()) for name in (*fields, *market)]
    if not fields:
        raise DataError(f"{key}: {files.base} has no fields.", "Give another freq.")
    return pa.schema([(TIME, pa.string()), (INSTRUMENT, pa.string()), *numbers])


def qlib_batches(files: SourceFiles, columns: Sequence[str], key: str) -> Iterator[pa.RecordBatch]:
    """The rows of some columns, one instrument after the other. A session without a close is no row.

    Raises:
        DataError: a file is not as Qlib writes it.
        NotYet: a file is another one by now.
    """
    calendar = np.array(_lines(files.files[0], key), dtype=object)
    spans = _spans(files.files[1], calendar, key)
    fields: dict[str, dict[str, SourceFile]] = {}
    for one in files.files[2:]:
        fields.setdefault(one.path.parent.name, {})[_field(one)] = one
    for symbol, member in spans.items():
        found = fields.get(symbol.lower(), {})
        # Which sessions are rows does not depend on what is asked for.
        present = [PRESENT] if PRESENT in found else sorted(found)
        wanted = {name for name in (*columns, *present) if name in found}
        values = {name: _values(found[name], len(calendar), key) for name in wanted}
        there = [~np.isnan(values[name]) for name in present] or [np.zeros(len(calendar), dtype=bool)]
        yield _batch(columns, symbol, calendar, member, values, np.flatnonzero(np.any(there, axis=0)))


def _batch(
    columns: Sequence[str],
    symbol: str,
    calendar: npt.NDArray[np.object_],
    member: npt.NDArray[np.bool_],
    values: dict[str, Floats],
    rows: npt.NDArray[np.intp],
) -> pa.RecordBatch:
    """The rows of one instrument."""
    nothing = np.full(len(rows), np.nan)
    made = {
        TIME: lambda _: pa.array(calendar[rows], pa.string()),
        INSTRUMENT: lambda _: pa.repeat(pa.scalar(symbol, pa.string()), len(rows)),
        MEMBER: lambda _: pa.array(member[rows].astype(float)),
    }
    arrays = [
        made.get(name, lambda name: pa.array(values[name][rows].astype(float) if name in values else nothing))(name)
        for name in columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _field(file: SourceFile) -> str:
    return file.path.name.rsplit(".", 2)[0]  # close.day.bin


def _lines(file: SourceFile, key: str) -> list[str]:
    with opened(file.path, file.sha256, key) as content:
        lines = content.read().decode().splitlines()
    return [line.strip() for line in lines if line.strip()]


def _spans(file: SourceFile, calendar: npt.NDArray[np.object_], key: str) -> dict[str, npt.NDArray[np.bool_]]:
    """When each instrument is in the market; it may leave and come back."""
    spans: dict[str, npt.NDArray[np.bool_]] = {}
    for line in _lines(file, key):
        symbol, *dates = [part.strip() for part in line.split("\t")]
        if len(dates) != 2:
            fix = "A line is a symbol, its first and its last session, with tabs between."
            raise DataError(f"{key}: {file.path} has the line {line!r}.", fix)
        # Texts of ISO dates are in order; a session of minutes is in the day that ends a span.
        inside = (calendar >= dates[0]) & (calendar <= dates[1] + "~")
        spans[symbol] = spans.get(symbol, np.zeros(len(calendar), dtype=bool)) | inside
    return spans


def _values(file: SourceFile, sessions: int, key: str) -> Floats:
    """One field of an instrument, sessions long; NaN where it has none."""
    with opened(file.path, file.sha256, key) as content:
        stored = np.frombuffer(content.read(), dtype="<f4")
    found = np.full(sessions, np.nan, dtype=np.float32)
    if not len(stored):
        return found
    start = int(stored[0]) if np.isfinite(stored[0]) else -1
    if start < 0 or start + len(stored) - 1 > sessions:
        raise DataError(f"{key}: {file.path} does not fit the calendar.", "Write the folder anew.")
    found[start : start + len(stored) - 1] = stored[1:]
    return found

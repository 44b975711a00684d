"""Frames and Series as Parquet, so that they come back as they were.

Parquet has no word for some of what pandas knows (the frequency of an index, a column of Python objects, categories
that are numbers, the name of a Series that is no text): that stands in the file's own metadata, under ``rollq``.
Other programs read the file as any Parquet.
"""

from __future__ import annotations

import io
import json
import warnings
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rollq.tasks.errors import BadInput
from rollq.tasks.tracking.artifacts.plain import from_json, to_json

NOTES = b"rollq"
OTHERWISE = ("object", "datetime64[s]", "datetime64[s, ", "timedelta64[s]")  # dtypes that Parquet gives back as others

Table: TypeAlias = pd.DataFrame | pd.Series


def frame_bytes(frame: pd.DataFrame, **more: object) -> bytes:
    """A frame as Parquet; ``more`` is noted beside it.

    Raises:
        BadInput: two columns have one name, or its attributes have no form in JSON.
        ValueError, TypeError, NotImplementedError, UserWarning: pyarrow refuses a column or a name.
    """
    if not frame.columns.is_unique:
        raise BadInput("Two columns of a frame have one name.", "Rename one of them.")
    bare = frame.copy(deep=False)
    # Attributes are noted by `to_json`, which keeps their types; pandas would write plain JSON, or fail.
    bare.attrs = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of names that would become text
        table = pa.Table.from_pandas(bare)
    notes = {**more, "attrs": to_json(frame.attrs), "index": _notes_of_index(frame.index)}
    notes["columns"] = {n: note for n in range(frame.shape[1]) if (note := _note(frame.iloc[:, n].dtype))}
    if freq := _freq(frame.columns):
        notes["freq of columns"] = freq
    metadata = {**(table.schema.metadata or {}), NOTES: json.dumps(notes).encode()}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    return buffer.getvalue()


def read_frame(content: bytes) -> pd.DataFrame:
    """The frame in a file."""
    notes = _notes(content)
    frame = pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    frame.index = _noted_index(frame.index, notes.get("index", {}))
    columns = notes.get("columns", {})
    # Read a second time only where a column of Python objects needs values as Arrow has them: pandas makes NaN of None.
    objects = pq.read_table(io.BytesIO(content)) if "object" in columns.values() else None
    for place, note in columns.items():
        n = int(place)
        if note == "object" and objects is not None:
            values: object = pd.Series(objects.column(n).to_pylist(), index=frame.index, dtype=object)
        else:
            values = frame.iloc[:, n].astype(_noted_dtype(note))
        frame.isetitem(n, values)
    frame.columns = _with_freq(frame.columns, notes.get("freq of columns"))
    frame.attrs = from_json(notes["attrs"]) if "attrs" in notes else frame.attrs
    return frame


def series_bytes(series: pd.Series) -> bytes:
    """A Series as Parquet of one column, called ``value`` if its name is no text. Raises as ``frame_bytes``."""
    names = set(map(str, series.index.names))
    # The column may not have the name of an index level, which Parquet keeps as a column, too.
    usual = type(series.name) is str and series.name not in names
    column = series.name if usual else next(name for name in ("value", "values", "rollq") if name not in names)
    return frame_bytes(series.to_frame(column), series=[to_json(series.name)])


def read_series(content: bytes) -> pd.Series:
    """The Series in a file."""
    frame, notes = read_frame(content), _notes(content)
    series = frame.iloc[:, 0]
    series.attrs = frame.attrs
    series.name = from_json(notes["series"])[0] if "series" in notes else series.name
    return series


def same_table(one: Table, other: Table) -> bool:
    """Whether two frames, or two Series, are the same in every value, type and name."""
    if type(one) is not type(other) or one.attrs != other.attrs:
        return False
    check = pd.testing.assert_frame_equal if isinstance(one, pd.DataFrame) else pd.testing.assert_series_equal
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(one, other, check_exact=True)
    except AssertionError:
        return False
    return repr(_names(one)) == repr(_names(other)) and all(
        type(a) is type(b) and (a is b or repr(a) == repr(b))
        for mine, others in zip(_objects(one), _objects(other), strict=True)
        for a, b in zip(mine, others, strict=True)
    )


def _names(table: Table) -> object:
    return table.name if isinstance(table, pd.Series) else list(table.columns)


def _objects(table: Table) -> list[pd.Series]:
    """The columns of Python objects: pandas takes None for NaN there, and True for 1."""
    columns = [table] if isinstance(table, pd.Series) else [table.iloc[:, n] for n in range(table.shape[1])]
    return [column for column in columns if column.dtype == object]


def _notes(content: bytes) -> Any:
    metadata = pq.read_schema(io.BytesIO(content)).metadata or {}
    return json.loads(metadata.get(NOTES, b"{}"))


def _note(dtype: object) -> object:
    """What must be said of a dtype; None if Parquet says it all."""
    if isinstance(dtype, pd.CategoricalDtype) and not isinstance(dtype.categories.dtype, pd.StringDtype):
        kept = dtype.categories
        return {"categories": to_json(kept.tolist()), "dtype": str(kept.dtype), "ordered": bool(dtype.ordered)}
    return str(dtype) if str(dtype).startswith(OTHERWISE) else None


def _noted_dtype(note: Any) -> object:
    if isinstance(note, str):
        return note
    return pd.CategoricalDtype(pd.Index(from_json(note["categories"]), dtype=note["dtype"]), note["ordered"])


def _notes_of_index(index: pd.Index) -> dict[str, object]:
    levels = index.levels if isinstance(index, pd.MultiIndex) else [index]
    notes = {str(n): note for n, level in enumerate(levels) if (note := _note(level.dtype))}
    return {**notes, "freq": freq} if (freq := _freq(index)) else notes


def _freq(index: pd.Index) -> str | None:
    freq = index.freq if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) else None
    return None if freq is None else str(freq.freqstr)


def _with_freq(index: pd.Index, freq: str | None) -> pd.Index:
    if freq is None:
        return index
    made = index.copy()
    made.freq = freq
    return made


def _noted_index(index: pd.Index, notes: dict[str, Any]) -> pd.Index:
    for place, note in notes.items():
        if place == "freq":
            index = _with_freq(index, note)
        elif isinstance(index, pd.MultiIndex):
            level = index.levels[int(place)].astype(_noted_dtype(note))
            index = index.set_levels(level, level=int(place), verify_integrity=False)
        else:
            index = index.astype(_noted_dtype(note))
    return index

"""Frames of a dataset, or of a model, held against what they must be, and against each other."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rollq.checking.inspection import Wrong

LEVELS = ["datetime", "instrument"]
INDEX = "Return a DataFrame (a Series of one column) with the index (datetime, instrument), each row once, sorted."


def checked_frame(value: object, what: str) -> pd.DataFrame:
    """A frame whose index is (datetime, instrument), unique and sorted.

    Args:
        what: the call that returned it.

    Raises:
        Wrong: it is something else.
    """
    if not isinstance(value, pd.DataFrame):
        raise Wrong(f"{what} is a {type(value).__name__}, not a DataFrame.", INDEX)
    index = value.index
    if list(index.names) != LEVELS:
        raise Wrong(f"{what} has the index {list(index.names)}, not {LEVELS}.", INDEX)
    if not isinstance(index.levels[0], pd.DatetimeIndex):
        raise Wrong(f"{what} has {index.levels[0].dtype} as datetime, which are no times.", "Use pd.to_datetime.")
    if not pd.api.types.is_string_dtype(index.levels[1].dtype):
        raise Wrong(f"{what} has {index.levels[1].dtype} as instrument, not text.", "Make it text: astype(str).")
    if not index.is_unique:
        twice = index[index.duplicated()]
        raise Wrong(f"{what} has {len(twice)} rows twice, such as {row_text(twice[0])}.", INDEX)
    if not index.is_monotonic_increasing:
        raise Wrong(f"{what} is not sorted by time and instrument.", "Call sort_index().")
    return value


def check_numbers(frame: pd.DataFrame, what: str) -> None:
    """Whether all values are finite numbers, or NaN.

    Raises:
        Wrong: a column holds something else.
    """
    for name, column in frame.items():
        if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind == "c":
            raise Wrong(f"{what}: {name!r} has the dtype {column.dtype}.", "Return numbers; of categories their codes.")
        infinite = np.isinf(column.to_numpy(dtype=float, na_value=np.nan))
        if infinite.any():
            first = row_text(frame.index[infinite][0])
            raise Wrong(f"{what}: {name!r} is infinite in {infinite.sum()} rows, such as {first}.", "Make it NaN.")


def difference(one: pd.DataFrame, other: pd.DataFrame, tolerance: float = 0.0) -> str:
    """The first thing in which two frames differ; empty if they are the same, to the last bit.

    Args:
        tolerance: relative, and to the largest number of a column.
    """
    if list(one.columns) != list(other.columns):
        return f"the columns are {_some(one.columns)} and {_some(other.columns)}"
    if not one.index.equals(other.index):
        strange = one.index.symmetric_difference(other.index)
        first = f", such as {row_text(strange[0])}" if len(strange) else ", in their order"
        return f"they have other rows ({len(one)} and {len(other)}{first})"
    for name in one.columns:
        left, right = (frame[name].to_numpy(dtype=float, na_value=np.nan) for frame in (one, other))
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        if tolerance:
            same |= np.abs(left - right) <= tolerance * np.nanmax(np.abs(left), initial=0.0)
        differs = ~same
        if differs.any():
            at = int(differs.argmax())
            where = f"{row_text(one.index[at])} in {name!r}"
            return f"{differs.sum()} of {len(one)} rows differ, such as {where}: {left[at]:.6g} and {right[at]:.6g}"
    return ""


def row_text(row: tuple[object, ...]) -> str:
    """A row of an index as text."""
    time = row[0]
    if isinstance(time, pd.Timestamp) and time == time.normalize() and time.tzinfo is None:
        return f"{time:%Y-%m-%d} {row[1]}"
    return f"{time} {row[1]}"


def _some(names: pd.Index) -> str:
    return ", ".join(map(str, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

"""What a model says, looked at before anything is made of it: here it is clear whose error it is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rollq.tasks.errors import PermanentError

FORM = (
    "predict(dataset, segment) returns a Series of numbers named 'score' with the index (datetime, instrument) of "
    "dataset.prepare(segment): pd.Series(scores, index=features.index, name='score')."
)
CONSTANT_FIX = (
    "It did not learn: look for early stopping at the first round, min_data_in_leaf above the rows of train, or "
    "features that are all NaN. If equal scores are meant, give SignalRecord the kwargs allow_constant: true."
)


def checked_scores(scores: object, rows: pd.Index) -> pd.Series:
    """The scores of a segment, named ``score`` and sorted, if they can be scores of it.

    A row may be left out or be NaN, which is a hole of the signals: whether they may have holes is decided when they
    are published.

    Args:
        scores: what ``predict`` returned; a frame of one column is taken for that column.
        rows: the index of the segment.

    Raises:
        PermanentError: they are no Series of real, finite numbers, have another index, or name a row twice.
    """
    if isinstance(scores, pd.DataFrame) and scores.shape[1] == 1:
        scores = scores.iloc[:, 0]
    if not isinstance(scores, pd.Series):
        raise _wrong(f"it is a {type(scores).__name__}{_shape(scores)}")
    _check_rows(scores.index, rows)
    _check_numbers(scores)
    named = scores.rename("score")
    return named if named.index.is_monotonic_increasing else named.sort_index()


def check_learned(scores: pd.Series, *, allow_constant: bool = False) -> None:
    """Whether the scores of a whole test segment say anything.

    Raises:
        PermanentError: there is none, or several instruments all have one and the same.
    """
    known = scores.dropna()
    if known.empty:
        raise _wrong("it has no score at all: every one is missing or NaN")
    # A single instrument may well have the same score on each of a few days; ranks among one say nothing anyway.
    several = known.index.get_level_values(1).nunique() > 1
    if not allow_constant and several and (known == known.iloc[0]).all():
        raise PermanentError(
            f"The model gives each of {len(known)} rows the same score, {known.iloc[0]}.", CONSTANT_FIX
        )


def _check_rows(index: pd.Index, rows: pd.Index) -> None:
    if list(index.names) != list(rows.names):
        raise _wrong(f"its index is {list(index.names)}, not {list(rows.names)}")
    if len(index) and (zone := _zone(index)) != (wanted := _zone(rows)):
        raise _wrong(f"its times have {zone}, and those of the segment {wanted}")
    if not index.is_unique:
        raise _wrong(f"it names a row twice: {_shown(index[index.duplicated()])}")
    if len(strange := index[~index.isin(rows)]):
        raise _wrong(f"{len(strange)} of its rows are not in the segment: {_shown(strange)}")


def _zone(index: pd.Index) -> str:
    """The time zone of the first level, as text."""
    times = index.levels[0] if isinstance(index, pd.MultiIndex) else index
    zone = getattr(times, "tz", None)
    return "no zone" if zone is None else f"the zone {zone}"


def _check_numbers(scores: pd.Series) -> None:
    dtype = scores.dtype
    # An empty Series has the dtype object, which says nothing about numbers.
    if scores.empty:
        return
    if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype) or dtype.kind == "c":
        raise _wrong(f"its dtype is {dtype}")
    if len(infinite := scores.index[np.isinf(scores.to_numpy("float64", na_value=np.nan))]):
        raise _wrong(f"{len(infinite)} of its scores are infinite: {_shown(infinite)}")


def _wrong(why: str) -> PermanentError:
    return PermanentError(f"What the model's predict returned cannot be used: {why}.", FORM)


def _shape(value: object) -> str:
    return f" of shape {value.shape}" if hasattr(value, "shape") else ""


def _shown(rows: pd.Index) -> str:
    first = rows[0]
    return f"{first[0]} {first[1]}" + (" and others" if len(rows) > 1 else "")

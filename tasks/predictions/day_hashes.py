"""What a model was given on each day, as a short hash: days whose data were revised since are found by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.definition import TEST
from rollq.tasks.errors import DataError
from rollq.tasks.predictions.session_days import session_days

DIGITS = 16  # hexadecimal: a revised day is missed by chance once in 2^64


def day_hashes(dataset: Dataset, segment: str = TEST) -> dict[str, str]:
    """What goes into a model on each session of ``segment``: instruments, names of the features, and their values.

    A day's hash depends on its own rows alone: not on how many days are asked for, nor on which instruments other days
    have. Where rows have times, these count, too.

    Args:
        dataset: with what its processors learned, if it has any.
        segment: its name.

    Returns:
        The head of a SHA-256 (16 hexadecimal digits) by session (YYYY-MM-DD).

    Raises:
        SegmentError: there is no such segment.
        DataError: it has no rows.
    """
    return frame_hashes(dataset.prepare(segment, "feature"))


def frame_hashes(features: pd.DataFrame) -> dict[str, str]:
    """As ``day_hashes``, of the rows themselves, indexed (datetime, instrument)."""
    days = session_days(features)
    if not days.is_monotonic_increasing:
        features = features.sort_index()
        days = session_days(features)
    names, values, times = _names(features.index), _values(features), _times(features.index)
    # Names and type are hashed once, and copied for each day.
    head = hashlib.sha256(json.dumps([[str(name) for name in features.columns], values.dtype.str]).encode())
    starts = [0, *np.flatnonzero(days[1:] != days[:-1]) + 1, len(days)]
    found: dict[str, str] = {}
    for first, end in pairwise(starts if len(days) else ()):
        day = head.copy()
        day.update(names[first:end].data)
        day.update(values[first:end].data)
        if times[first:end].any():  # rows of dates have none, and their hashes are as they ever were
            day.update(times[first:end].data)
        found[f"{days[first]:%Y-%m-%d}"] = day.hexdigest()[:DIGITS]
    return found


def changed_days(dataset: Dataset, predicted: Mapping[str, str], segment: str | None = None) -> list[str]:
    """The days that were predicted from other data than there are now, or that are gone from the data; sorted.

    Args:
        dataset: the data as they are now, with what the model's processors learned when it was trained
            (``fitted_dataset``).
        predicted: the hash of each predicted day, as ``day_hashes`` gave it then.
        segment: of ``dataset``, where these days are; None: look from the first to the last of them.

    Raises:
        DataError: the data cannot be read.
        SegmentError: there is no such segment.
    """
    if not predicted:
        return []
    now = _hashes_now(dataset, predicted, segment)
    return sorted(day for day, before in predicted.items() if now.get(day) != before)


def _hashes_now(dataset: Dataset, predicted: Mapping[str, str], segment: str | None) -> dict[str, str]:
    if segment is None:
        segment, dataset = TEST, dataset.config(segments={TEST: [min(predicted), max(predicted)]})
    _ = dataset.sessions  # data that cannot be read are an error, not days that are gone
    try:
        return day_hashes(dataset, segment)
    except DataError:  # no row is left
        return {}


def _names(index: pd.MultiIndex) -> npt.NDArray[np.uint8]:
    """SHA-256 of each row's instrument, rows x 32 bytes: names of any length cannot run into each other."""
    digests = b"".join(hashlib.sha256(str(name).encode()).digest() for name in index.levels[1])
    table: npt.NDArray[np.uint8] = np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32)
    rows: npt.NDArray[np.uint8] = table[np.asarray(index.codes[1])]
    return rows


def _times(index: pd.MultiIndex) -> npt.NDArray[np.int64]:
    """The time of each row, in nanoseconds: since midnight; of times with a zone, since 1970."""
    level = pd.DatetimeIndex(index.levels[0])
    begun = level.normalize() if level.tz is None else pd.Timestamp(0, tz="UTC")
    since = (level - begun).as_unit("ns").asi8
    return np.ascontiguousarray(since[np.asarray(index.codes[0])])


def _values(features: pd.DataFrame) -> npt.NDArray[np.generic]:
    """The values as they are, with one form of NaN and of zero; what is no number as a hash per row."""
    values = features.to_numpy()
    if values.dtype.kind not in "fiub":
        return np.asarray(pd.util.hash_pandas_object(features, index=False))
    if values.dtype.kind == "f":
        # Equal values must be equal bytes: NaN has many forms, zero two.
        values = values + values.dtype.type(0)  # a copy, in which -0.0 is 0.0
        values[np.isnan(values)] = np.nan
    return np.ascontiguousarray(values)

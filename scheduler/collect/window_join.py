"""Successive windows joined one by one, in no more memory than the result takes.

pandas joins MultiIndexes by way of Python objects, one a row and level: for a million rows that is many times the
result. Windows of one model nearly always follow each other without overlap, each unique and sorted. Then the joint
frame is their rows in a row, and its index their codes, renumbered; a window may be forgotten as soon as it was added.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rollq.scheduler.collect.values import Frame

DAY = "datetime"
SPARE = 1.25  # growth of a buffer that was too small; memory that was not written takes no room


class WindowJoin:
    """What concatenating windows, leaving out duplicates and sorting come to, where there is none and they are sorted.

    Args:
        windows: how many there will be.
    """

    def __init__(self, windows: int) -> None:
        self._windows = windows
        self._first: Frame | None = None
        self._empty: Frame | None = None
        self._last: tuple[object, ...] = ()
        self._rows = 0
        self._values = np.empty(0)
        self._levels: list[_Level] = []

    def add(self, frame: Frame) -> bool:
        """Add the next window; False, if it cannot be: pandas has to join them all.

        It cannot be if it is of another kind than the first, lacks a value in its index, is not unique and sorted, or
        does not begin after the end of the one before.
        """
        if not isinstance(frame, pd.DataFrame | pd.Series):
            return False
        if not len(frame):
            self._empty = frame if self._empty is None else self._empty
            return True
        if not _plain(frame) or not (self._first is None or _alike(self._first, frame)):
            return False
        ranks = _ranks(frame.index)
        if ranks is None or not _ascends(ranks) or not self._follows(frame.index[0]):
            return False
        if self._first is None:
            self._begin(frame)
        self._append(frame)
        self._last = frame.index[-1]
        return True

    def joined(self) -> Frame | None:
        """The frame or Series; None if no window was added."""
        if self._first is None:
            return self._empty
        codes, levels = zip(*(level.finished(self._rows) for level in self._levels), strict=True)
        # Unique and sorted by the conditions of `add`: to look again would hash every row.
        index = pd.MultiIndex(levels, codes, names=self._first.index.names, verify_integrity=False)
        # In place, without a copy; no other reference to the buffer was ever given away.
        self._values.resize((self._rows, *self._values.shape[1:]), refcheck=False)
        if isinstance(self._first, pd.Series):
            return pd.Series(self._values, index, name=self._first.name, copy=False)
        return pd.DataFrame(self._values, index, self._first.columns, copy=False)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _begin(self, frame: Frame) -> None:
        self._first = frame.iloc[:1].copy()
        room = len(frame) * self._windows
        self._values = np.empty((room, *frame.shape[1:]), dtype=_dtype(frame))
        self._levels = [_Level(room) for _ in range(frame.index.nlevels)]

    def _append(self, frame: Frame) -> None:
        end = self._rows + len(frame)
        self._values = _with_room(self._values, end)
        self._values[self._rows : end] = frame.to_numpy()
        for number, level in enumerate(self._levels):
            level.append(frame.index.levels[number], frame.index.codes[number], self._rows)
        self._rows = end

    def _follows(self, first: tuple[object, ...]) -> bool:
        try:
            return self._first is None or bool(self._last < first)
        except TypeError:  # of values that cannot be compared
            return False


class _Level:
    """A level of the joint index: its values in the order in which they came, and the code of every row."""

    def __init__(self, room: int) -> None:
        # Two bytes are enough for 32,767 instruments or sessions; `append` widens them where there are more.
        self._codes: np.ndarray = np.empty(room, dtype=np.int16)
        self._values: pd.Index | None = None
        self._seen: tuple[pd.Index, np.ndarray] | None = None  # a window's values, and where they are in the joint ones

    def append(self, values: pd.Index, codes: np.ndarray, start: int) -> None:
        """Add a window's rows from ``start`` on."""
        used = _used(values, codes)
        # Windows of one universe have the same instruments, so their places are looked up once.
        if self._seen is None or not self._seen[0].equals(values[used]):
            self._seen = (values[used], self._places(values[used]))
        if self._values is not None and len(self._values) > np.iinfo(self._codes.dtype).max:
            self._codes = self._codes.astype(np.int64)
        places = np.empty(len(values), dtype=self._codes.dtype)
        places[used] = self._seen[1]
        end = start + len(codes)
        self._codes = _with_room(self._codes, end)
        self._codes[start:end] = places[codes]

    def finished(self, rows: int) -> tuple[np.ndarray, pd.Index]:
        """The codes, and the values sorted."""
        assert self._values is not None  # noqa: S101 - a window was added
        self._codes.resize(rows, refcheck=False)
        order = self._values.argsort()
        places = np.empty(len(order), dtype=self._codes.dtype)
        places[order] = np.arange(len(order))
        self._codes[:] = places[self._codes]
        return self._codes, self._values[order]

    def _places(self, values: pd.Index) -> np.ndarray:
        if self._values is None:
            self._values = values
        new = values[self._values.get_indexer(values) < 0]
        if len(new):
            self._values = self._values.append(new).astype(values.dtype)  # pandas would guess the kind of objects
        found: np.ndarray = self._values.get_indexer(values)
        return found


def _plain(frame: Frame) -> bool:
    """Whether all values are of one of numpy's dtypes of numbers, and the index is a MultiIndex that can be sorted."""
    index = frame.index
    return (
        type(frame) in (pd.DataFrame, pd.Series)
        and not frame.attrs
        and _dtype(frame) is not None
        and isinstance(index, pd.MultiIndex)
        and DAY in index.names
        and all(level.is_unique and not isinstance(level.dtype, pd.CategoricalDtype) for level in index.levels)
        and all((codes >= 0).all() for codes in index.codes)
    )


def _alike(first: Frame, other: Frame) -> bool:
    """Whether both are Series or both are frames, with the same names and dtypes of values and index."""
    if type(other) is not type(first) or _dtype(other) != _dtype(first):
        return False
    if isinstance(first, pd.Series):
        names = other.name == first.name
    else:
        names = other.columns.equals(first.columns) and other.columns.names == first.columns.names
    dtypes = [[level.dtype for level in frame.index.levels] for frame in (first, other)]
    return bool(names) and list(other.index.names) == list(first.index.names) and dtypes[0] == dtypes[1]


def _dtype(frame: Frame) -> np.dtype | None:
    """The dtype of all values, if it is one of numpy's numbers."""
    dtypes = {frame.dtype} if isinstance(frame, pd.Series) else set(frame.dtypes)
    found = dtypes.pop() if len(dtypes) == 1 else None
    return found if isinstance(found, np.dtype) and found.kind in "fiub" else None


def _used(values: pd.Index, codes: np.ndarray) -> np.ndarray:
    """Which values some row has: a slice of a long frame keeps the levels of the whole."""
    used = np.zeros(len(values), dtype=bool)
    used[codes] = True
    return used


def _ranks(index: pd.MultiIndex) -> list[np.ndarray] | None:
    """For each level, the rank of each row's value; None if values cannot be compared."""
    found = []
    for values, codes in zip(index.levels, index.codes, strict=True):
        used = np.flatnonzero(_used(values, codes))
        ranks = np.zeros(len(values), dtype=np.int64)
        try:
            ranks[used[values[used].argsort()]] = np.arange(len(used))
        except TypeError:
            return None
        found.append(ranks[codes])
    return found


def _ascends(ranks: list[np.ndarray]) -> bool:
    """Whether every row stands after the one before it: at the first level where they differ, its rank is higher."""
    after = np.zeros(len(ranks[0]) - 1, dtype=bool)
    equal = np.ones(len(ranks[0]) - 1, dtype=bool)
    for rank in ranks:
        step = np.diff(rank)
        after |= equal & (step > 0)
        equal &= step == 0
    return bool(after.all())


def _with_room(buffer: np.ndarray, rows: int) -> np.ndarray:
    if len(buffer) < rows:
        buffer.resize((int(rows * SPARE), *buffer.shape[1:]), refcheck=False)
    return buffer

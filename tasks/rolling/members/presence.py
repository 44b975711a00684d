"""On which sessions a member has rows: a value of a column may appear late, and end early."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.definition import TEST, TRAIN, Definition, segments_of
from rollq.tasks.errors import DataError
from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.rolling.members.per import Per

Days = npt.NDArray[np.datetime64]


class Presence:
    """The rows of a dataset that is reduced to one value of a column.

    Args:
        dataset: of the member; its data are read once.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self._labels)

    def on(self, days: Sequence[str]) -> tuple[str, ...]:
        """Those of some sessions on which there are rows."""
        there = np.isin(np.array(days, dtype="datetime64[D]"), self._with_rows)
        return tuple(day for day, is_there in zip(days, there, strict=True) if is_there)

    def last(self, until: str) -> str:
        """The last session with rows up to a session; empty if there is none."""
        found = self._with_rows[: self._with_rows.searchsorted(np.datetime64(until), "right")]
        return str(found[-1]) if len(found) else ""

    def learned(self, window: Definition) -> tuple[int, int]:
        """On how many sessions of train there is a label, and how many sessions train has."""
        start, end = segments_of(window)[TRAIN]
        sessions = self._dataset.sessions.to_numpy("datetime64[D]")
        return _between(self._with_label, start, end), _between(sessions, start, end)

    def fits(self, window: Definition, per: Per, known: str | None = None) -> bool:
        """Whether the member has a model in a window: enough labels in train, and rows in every other segment.

        Args:
            known: no later session is looked at; None: whatever the day.
        """
        segments = segments_of(window)
        if TRAIN in segments:
            labelled, sessions = self.learned(window)
            if labelled < max(1, min(per.sessions, sessions)):
                return False
        for name, (start, end) in segments.items():
            last = min(filter(None, (end, known)), default=None) if name == TEST else end
            if name != TRAIN and not _between(self._with_rows, start, last):
                return False
        return True

    @cached_property
    def _labels(self) -> pd.Series:
        days = self._dataset.sessions
        whole = self._dataset.config(segments={TEST: [f"{days[0]:%Y-%m-%d}", f"{days[-1]:%Y-%m-%d}"]})
        try:
            return whole.prepare(TEST, "raw")["label"]
        except DataError:  # of a value that has no row any more
            return pd.Series([], index=pd.DatetimeIndex([], name="datetime"), dtype=float)

    @cached_property
    def _with_rows(self) -> Days:
        return _distinct(self._labels.index)

    @cached_property
    def _with_label(self) -> Days:
        return _distinct(self._labels.index[self._labels.notna()])


def _distinct(rows: pd.Index) -> Days:
    found: Days = np.unique(session_days(rows).to_numpy("datetime64[D]"))
    return found


def _between(days: Days, start: str | None, end: str | None) -> int:
    first = 0 if start is None else days.searchsorted(np.datetime64(start), "left")
    last = len(days) if end is None else days.searchsorted(np.datetime64(end), "right")
    return max(int(last) - int(first), 0)

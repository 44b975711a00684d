"""What a dataset is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import pandas as pd


class Dataset(ABC):
    """Features and labels of the segments of one window."""

    segments: Mapping[str, Any]

    @abstractmethod
    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        """Rows of a segment, indexed (datetime, instrument) and sorted.

        Args:
            columns: ``feature``, ``label`` or ``raw`` (the label before it was normalised).

        Raises:
            SegmentError: there is no such segment.
            DataError: it has no rows.
        """

    @abstractmethod
    def config(self, segments: Mapping[str, Any]) -> Self:
        """A copy with other segments."""

    @abstractmethod
    def to_config(self) -> dict[str, Any]:
        """JSON-able: the kwargs and the state that was fitted on train."""

    @abstractmethod
    def check(self) -> None:
        """Look at the data before anything is enqueued.

        Raises:
            DataError: it cannot be used.
        """

    @abstractmethod
    def fingerprint(self) -> dict[str, str]:
        """What identifies the data: another value makes another task."""

    @property
    @abstractmethod
    def sessions(self) -> pd.DatetimeIndex:
        """The trading days of the data."""

    @property
    @abstractmethod
    def label_lookahead(self) -> int:
        """Sessions that the label looks ahead."""

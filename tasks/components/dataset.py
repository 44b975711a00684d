"""What a dataset is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rollq.tasks.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

LABEL_KINDS = ("return", "value", "count", "binary", "class", "relevance")


@dataclass(frozen=True)
class Finding:
    """What is odd about a session.

    ``left_out``: the session counts as not there. What is not left out is named only. ``accepted``: the template says
    that it is right.
    """

    session: str
    check: str
    what: str
    left_out: bool
    accepted: bool = False

    def __str__(self) -> str:
        return f"{self.session} ({self.check}): {self.what}"


class Dataset(ABC):
    """Features and labels of the segments of one window."""

    segments: Mapping[str, Sequence[object]]

    @abstractmethod
    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        """Rows of a segment, indexed (datetime, instrument) and sorted.

        Args:
            segment: its name: ``train``, ``valid``, ``test``.
            columns: ``feature``, ``label`` or ``raw`` (the label before it was normalised). Where ``weighted``,
                ``weight``; and ``info:NAME`` for each of ``info_columns``: a column of the data as it is.

        Raises:
            SegmentError: there is no such segment.
            DataError: it has no rows.
        """

    @abstractmethod
    def config(self, segments: Mapping[str, Sequence[object]]) -> Self:
        """A copy with other segments."""

    @abstractmethod
    def to_config(self) -> dict[str, object]:
        """JSON-able: the kwargs and the state that was fitted on train."""

    @abstractmethod
    def check(self) -> None:
        """Look at the data before anything is enqueued.

        Raises:
            DataError: it cannot be used.
        """

    def findings(self) -> Sequence[Finding]:
        """What is odd about the sessions of its data; a dataset that looks at nothing has none."""
        return ()

    @abstractmethod
    def fingerprint(self) -> dict[str, str]:
        """What identifies all of the data, such as a SHA-256 of the file.

        Unless ``session_hashes`` says more, another value makes every window another task.
        """

    def session_hashes(self) -> Mapping[str, str] | None:
        """A hash of what the data hold on each session (``YYYY-MM-DD``), so that a window depends on what it sees.

        A window sees the sessions of its segments, ``feature_lookback`` sessions before them, ``feature_lookahead``
        sessions after them and, but for test, ``label_lookahead``. ``rollq.frame_hashes`` makes such hashes of a frame.

        Returns:
            None: it is not known; a window depends on ``fingerprint()``, so that one new row makes all windows new.
        """
        return None

    @property
    def feature_lookback(self) -> int:
        """Sessions before t that the features of t are made from; 0 if ``session_hashes`` are of the features."""
        return 0

    @property
    def feature_lookahead(self) -> int:
        """Sessions after t whose values, known in advance, are features of t: a forecast of the weather, say."""
        return 0

    @property
    def categorical(self) -> Sequence[str]:
        """Names of the features whose values are codes of categories; a negative code, or NaN, is an unknown one."""
        return ()

    @property
    def label_kind(self) -> str:
        """What the label is: one of ``LABEL_KINDS``. Records and their metrics are chosen by it."""
        return "return"

    @property
    def label_span(self) -> str:
        """How far the label looks ahead: rows (``12``), a span (``24h``, ``7d``) or both (``1 + 24h``).

        Empty: it is known in sessions only, as ``label_lookahead``.
        """
        return ""

    @property
    def weighted(self) -> bool:
        """Whether rows have weights: ``prepare(segment, "weight")`` gives them, one column, none negative."""
        return False

    @property
    def sessions_ahead(self) -> int:
        """How many sessions after today are meant to be there, because features of theirs are known in advance."""
        return 0

    @property
    def info_columns(self) -> Sequence[str]:
        """Columns of the data that ``prepare(segment, "info:NAME")`` gives as they are, for records."""
        return ()

    def groups(self, column: str) -> list[str]:
        """The values of a column, sorted, so that each can have a model of its own.

        Raises:
            DataError: the dataset cannot be divided by this column.
        """
        fix = "Leave it out, or use a dataset that has groups, such as TableDataset."
        raise DataError(f"{type(self).__name__} has no groups by {column!r}.", fix)

    @property
    @abstractmethod
    def sessions(self) -> pd.DatetimeIndex:
        """The trading days of the data."""

    @property
    @abstractmethod
    def label_lookahead(self) -> int:
        """Sessions that the label looks ahead."""

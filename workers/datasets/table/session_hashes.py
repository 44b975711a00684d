"""What rows hold on each session, as a hash."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.predictions.day_hashes import DIGITS, frame_hashes
from rollq.tasks.predictions.session_days import session_days

Values = npt.NDArray[np.float64]
CATEGORY_BYTES = 6  # of the hash of a category: so many fit into a float64 exactly


class SessionHashes:
    """A hash of each session, of columns that come in parts."""

    def __init__(self, times: pd.DatetimeIndex) -> None:
        """``times``: of all rows of the table."""
        self._parts: dict[str, list[str]] = {}
        # A session's rows are hashed in their order; where it has several times, these count, too.
        self._timed = len(session_days(times).unique()) < len(times)

    def add(self, frame: pd.DataFrame) -> None:
        """Further columns of the same rows."""
        plain = pd.DataFrame({name: _plain(frame[name]) for name in frame}, index=frame.index)
        if self._timed:
            stamps = pd.DatetimeIndex(frame.index.get_level_values(0))
            plain.insert(0, "time", stamps.as_unit("s").asi8.astype(np.float64), allow_duplicates=True)
        for day, found in frame_hashes(plain).items():
            self._parts.setdefault(day, []).append(found)

    def found(self) -> dict[str, str]:
        """By date."""
        return {
            day: hashlib.sha256(" ".join(parts).encode()).hexdigest()[:DIGITS] for day, parts in self._parts.items()
        }


def _plain(values: pd.Series) -> pd.Series | Values:
    """Numbers as they are; for each category one that depends on its name alone, not on which others there are."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values
    digests = (hashlib.sha256(str(name).encode()).digest()[:CATEGORY_BYTES] for name in values.cat.categories)
    table = np.array([*(float(int.from_bytes(digest, "big")) for digest in digests), np.nan])
    found: Values = table[values.cat.codes.to_numpy()]
    return found

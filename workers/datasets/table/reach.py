"""How far expressions look, in sessions: what a window sees is counted in sessions, whatever the times of the rows."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.predictions.session_days import session_days
from rollq.workers.expressions.expression import Expression
from rollq.workers.expressions.span import Span, latest

Places = npt.NDArray[np.int64]
FEWEST_HOURS = 23  # of a day on which clocks change


class Reach:
    """Sessions that expressions look back and ahead on the times of a table.

    It is the most that is found on these times, or that their usual number in a session makes likely: a day on which
    clocks change, which comes later, should change nothing.

    Args:
        times: of the grid, sorted.
    """

    def __init__(self, times: pd.DatetimeIndex) -> None:
        days = session_days(times)
        starts = np.flatnonzero(~days.duplicated())
        self._times = times
        self._session: Places = np.cumsum(~days.duplicated()) - 1
        counts = np.diff([*starts, len(times)])
        self._usual = int(np.median(counts)) if len(counts) else 1
        self._clocks_change = _clocks_change(times)

    def lookback(self, expressions: Iterable[Expression]) -> int:
        """Sessions before its own that a row looks back, at most."""
        return max((self._back(one) for one in expressions), default=0)

    def lookahead(self, expressions: Iterable[Expression]) -> int:
        """Sessions after its own that a row looks ahead, at most."""
        return max((self._ahead(one) for one in expressions), default=0)

    def lookahead_of(self, span: Span) -> int:
        """The same of a span."""
        if not span:
            return 0
        there = latest(self._times, np.arange(len(self._times)), span)
        return max(self._most(there, 1), self._likely(span))

    def ahead_of(self, span: Span) -> int:
        """Whole sessions after its own that the last row of a session usually looks ahead: 24 hours are one, though
        they are two where clocks change; one hour is none.
        """
        if not span:
            return 0
        lasts = np.flatnonzero(np.diff(self._session, append=self._session[-1:] + 1))
        # Of the first half: near the end of the table there is less to look at.
        first = lasts[: max(len(lasts) // 2, 1)]
        there = np.minimum(latest(self._times, first, span), len(self._times) - 1)
        whole = np.searchsorted(lasts, there, side="right") - 1
        return int(np.ceil(np.median(whole - self._session[first]))) if len(first) else 0

    def _back(self, expression: Expression) -> int:
        span = expression.lookback
        return max(self._most(expression.first_seen(self._times), -1), self._likely(span)) if span else 0

    def _ahead(self, expression: Expression) -> int:
        span = expression.lookahead
        return max(self._most(expression.last_seen(self._times), 1), self._likely(span)) if span else 0

    def _most(self, seen: Places, sign: int) -> int:
        """The most sessions between the times and those that they see, of those that lie within the times."""
        inside = (seen >= 0) & (seen < len(self._times))
        apart = sign * (self._session[seen[inside]] - self._session[inside])
        return int(apart.max(initial=0))

    def _likely(self, span: Span) -> int:
        """Sessions of a span where each has as few times as is usual."""
        fewest = self._usual - (math.ceil(self._usual / 24) if self._clocks_change and self._usual > 1 else 0)
        found = math.ceil(span.steps / max(1, fewest))
        hours = FEWEST_HOURS if self._clocks_change else 24
        return found + math.ceil(span.time.total_seconds() / (hours * 3600))


def _clocks_change(times: pd.DatetimeIndex) -> bool:
    """Whether the zone of the times has summer and winter."""
    if times.tz is None or not len(times):
        return False
    year = pd.date_range(f"{times[0].year}-01-01", periods=12, freq="MS", tz=times.tz)
    return len({time.utcoffset() for time in year}) > 1

"""How far an expression looks: so many steps of the grid, days of the local clock, and hours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

Positions = npt.NDArray[np.int64]
SPAN = re.compile(r"(\d+)(min|h|d|w)")
ZERO = timedelta(0)
MINUTES = {"min": 1, "h": 60, "d": 24 * 60, "w": 7 * 24 * 60}
DAYS_MOST = 36_525  # a hundred years: dates that are moved so far can still be written
STEPS_MOST = 1_000_000


@dataclass(frozen=True)
class Span:
    """A distance in time: the sum of its parts. A negative one lies in the past.

    Args:
        steps: distinct times of the grid.
        days: the same time of the local clock so many days away.
        time: an absolute duration.
    """

    steps: int = 0
    days: int = 0
    time: timedelta = ZERO

    @classmethod
    def of(cls, value: int | str) -> Self:
        """``5``: steps; ``"24h"`` or ``"30min"``: a duration; ``"7d"`` or ``"2w"``: days of the local clock.

        Raises:
            ValueError: it is none of them, or is too far.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > STEPS_MOST:
                raise ValueError(f"{value} is more than {STEPS_MOST} steps.")
            return cls(steps=value)
        found = SPAN.fullmatch(str(value).strip())
        if found is None:
            raise ValueError(f"{value!r} is neither a number of steps nor a span such as 24h, 7d or 2w.")
        number, unit = int(found[1]), found[2]
        if number * MINUTES[unit] > DAYS_MOST * MINUTES["d"]:
            raise ValueError(f"{value} is more than a hundred years.")
        if unit == "min":
            return cls(time=timedelta(minutes=number))
        if unit == "h":
            return cls(time=timedelta(hours=number))
        return cls(days=number * (7 if unit == "w" else 1))

    def __add__(self, other: Span) -> Span:
        """Both, one after the other."""
        return Span(self.steps + other.steps, self.days + other.days, self.time + other.time)

    def __mul__(self, count: int) -> Span:
        """So many of it, one after the other."""
        return Span(self.steps * count, self.days * count, self.time * count)

    def __neg__(self) -> Span:
        """As far the other way."""
        return Span(-self.steps, -self.days, -self.time)

    def __bool__(self) -> bool:
        """Whether it is any distance at all."""
        return self != Span()

    def __str__(self) -> str:
        """As a template has it: ``5``, ``7d``, ``24h``; a sum with +."""
        minutes = int(self.time.total_seconds() // 60)
        parts = [str(self.steps)] if self.steps else []
        parts += [f"{self.days}d"] if self.days else []
        if minutes:
            parts.append(f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}min")
        return " + ".join(parts) or "0"

    def farthest(self, other: Span) -> Span:
        """The greater of each part: at least as far as either."""
        return Span(max(self.steps, other.steps), max(self.days, other.days), max(self.time, other.time))

    def nearest(self, other: Span) -> Span:
        """The smaller of each part."""
        return -(-self).farthest(-other)

    @property
    def forward(self) -> Span:
        """What of it lies ahead."""
        return self.farthest(Span())

    def within(self, other: Span) -> bool:
        """Whether each part is at most as far as that of ``other``."""
        return self.farthest(other) == other

    @property
    def is_too_long(self) -> bool:
        """Whether it is more than a hundred years, which a sum of spans may be."""
        return abs(self.days) + abs(self.time) / timedelta(days=1) > DAYS_MOST

    @property
    def is_steps(self) -> bool:
        """Whether it counts steps of the grid alone."""
        return not self.days and not self.time


def moved(times: pd.DatetimeIndex, span: Span) -> pd.DatetimeIndex:
    """``times`` moved by the days and the duration of a span; its steps do not matter here.

    Days keep the time of the local clock. NaT where that time does not exist on its day; of an hour that there is
    twice, the first.
    """
    if span.days:
        zone = times.tz
        local = times.tz_localize(None) + pd.Timedelta(days=span.days)
        times = (
            local if zone is None else local.tz_localize(zone, ambiguous=np.ones(len(local), bool), nonexistent="NaT")
        )
    return times + span.time if span.time else times


def exact_positions(times: pd.DatetimeIndex, span: Span) -> Positions:
    """For each time the position of the time that lies exactly a span away; -1 where there is none."""
    if not span.is_steps:
        found = times.get_indexer(moved(times, span))
        return np.asarray(found, dtype=np.int64)
    found = np.arange(len(times)) + span.steps
    return np.where((found >= 0) & (found < len(times)), found, -1)


def window_begins(times: pd.DatetimeIndex, span: Span) -> Positions:
    """For each time t the position of the first time of the window (t - span, t].

    It is below 0 where the window begins before the times do.
    """
    if span.is_steps:
        return np.arange(len(times)) - span.steps + 1
    cut = existing(times, -span)
    begins = times.searchsorted(cut, side="right").astype(np.int64)
    # A time at or before the cut shows that the window is whole.
    return np.where(begins == 0, -1, begins)


def latest(times: pd.DatetimeIndex, positions: Positions, span: Span) -> Positions:
    """The position of the last time at or before what lies a span away from the times at ``positions``.

    Beyond the last time, steps count on; below 0 there is no such time. What looks back by a span needs this row at
    most: it shows that there are no others between.
    """
    if not span.is_steps and len(times):
        inside = np.clip(positions, 0, len(times) - 1)
        found = times.searchsorted(existing(times, span), side="right").astype(np.int64) - 1
        positions = found[inside] + (positions - inside)
    return positions + span.steps


def existing(times: pd.DatetimeIndex, span: Span) -> pd.DatetimeIndex:
    """Times moved by a span; where the local clock jumps over one, the next that exists."""
    if not span.days or times.tz is None:
        return moved(times, span)
    local = times.tz_localize(None) + pd.Timedelta(days=span.days)
    there = local.tz_localize(times.tz, ambiguous=np.ones(len(local), bool), nonexistent="shift_forward")
    return there + span.time if span.time else there

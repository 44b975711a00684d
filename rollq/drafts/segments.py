"""Segments of a first template: from the span of the data, with enough sessions in each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from rollq.tasks.errors import DataError

FEWEST = 16  # sessions that are left when the first ones are taken for looking back
WITH_VALID = 60
STEPS = {"daily": 20, "weekly": 13, "monthly": 12, "quarterly": 4, "yearly": 1}
WINDOWS = 6  # at least so many, where there are sessions enough


@dataclass(frozen=True)
class Segments:
    """The segments, (first, last) of each as text, and the step in sessions."""

    train: tuple[str, str]
    valid: tuple[str, str] | None
    test: str
    step: int
    windows: int


def segments_for(sessions: pd.DatetimeIndex, lookback: int, lookahead: int, frequency: str) -> Segments:
    """Train is what is left of a fifth for test and an eighth for valid.

    Args:
        sessions: of the table, in order.
        lookback: how many of the first are needed to look back.
        lookahead: how many sessions the label looks ahead.
        frequency: its name.

    Raises:
        DataError: there are too few sessions.
    """
    usable = sessions[lookback:]
    if len(usable) < FEWEST + 2 * lookahead:
        need = FEWEST + 2 * lookahead + lookback
        raise DataError(f"There are {len(sessions)} sessions only.", f"Give a longer history: at least {need}.")
    test = max(len(usable) // 5, 2)
    valid = len(usable) // 8 if len(usable) >= WITH_VALID else 0
    step = max(1, min(STEPS.get(frequency, 7), test // WINDOWS))
    days = [f"{day:%Y-%m-%d}" for day in usable]
    end = len(days) - test - valid
    return Segments(
        (days[0], days[end - 1]),
        (days[end], days[end + valid - 1]) if valid else None,
        days[end + valid],
        step,
        -(-test // step),
    )

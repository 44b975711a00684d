"""Newly predicted sessions take the place of old ones."""

from __future__ import annotations

from typing import TypeVar

import pandas as pd

from rollq.tasks.predictions.session_days import session_days

Frame = TypeVar("Frame", pd.DataFrame, pd.Series)


def replace_range(old: Frame, new: Frame) -> Frame:
    """``old`` without any row between the first and the last session of ``new``, joined with ``new``.

    A row that ``new`` no longer has is gone on those sessions; a session in between that ``new`` lacks is, too.

    Args:
        old: indexed by (datetime, instrument).
        new: the same; if it is empty, nothing is replaced.

    Returns:
        A new frame, unique and sorted by its index; on duplicates the last row stays.
    """
    days, new_days = session_days(old), session_days(new)
    # Of an empty frame min and max are NaT, with which nothing compares: then all of it is kept.
    kept = old[~((days >= new_days.min()) & (days <= new_days.max()))]
    joined = pd.concat([kept, new])
    return joined[~joined.index.duplicated(keep="last")].sort_index()

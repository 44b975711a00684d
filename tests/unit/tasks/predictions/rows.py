"""Rows to measure: scores and labels by (datetime, instrument)."""

from __future__ import annotations

import numpy as np
import pandas as pd


def random_pairs(days: int = 30, instruments: int = 12, seed: int = 1) -> pd.DataFrame:
    """Columns ``score`` and ``label``: zeros, negative labels and ties are among them."""
    random = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=days), [f"S{number:02d}" for number in range(instruments)]],
        names=["datetime", "instrument"],
    )
    label = np.round(random.normal(2, 3, len(index)))
    return pd.DataFrame({"score": label + np.round(random.normal(0, 2, len(index)), 1), "label": label}, index)


def halves(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of two windows of unequal length."""
    return frame.iloc[: len(frame) // 3], frame.iloc[len(frame) // 3 :]

"""Scores and prices of some sessions."""

from __future__ import annotations

import numpy as np
import pandas as pd


def made(
    sessions: int = 40, instruments: int = 12, seed: int = 1, holes: float = 0.0
) -> tuple[pd.Series, pd.DataFrame]:
    """Scores, and a market of prices; a share of both is missing."""
    random = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=sessions), [f"S{number:02d}" for number in range(instruments)]],
        names=["datetime", "instrument"],
    )
    steps = random.normal(0.0005, 0.02, (sessions, instruments))
    price = pd.Series(50 * np.exp(steps.cumsum(axis=0)).ravel(), index, name="price")
    score = pd.Series(random.normal(size=len(index)), index, name="score")
    if holes:
        score[random.random(len(index)) < holes] = np.nan
        price[random.random(len(index)) < holes] = np.nan
    return score, price.to_frame()

"""Grids of random values with gaps, for the tests of expressions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rollq.workers.expressions.evaluation import evaluate
from rollq.workers.expressions.expression import LABEL, parse
from rollq.workers.expressions.grid import Grid, Values

CATEGORIES = {"sector", "g", "h"}
COLUMNS = ("open", "high", "low", "close", "volume", "sector")


def made_grid(rows: int = 90, width: int = 4, seed: int = 0, missing: float = 0.05, freq: str = "B") -> Grid:
    """Prices around 10 and volumes, of which a share is missing; sectors 0 to 2."""
    random = np.random.default_rng(seed)
    close = 10 * np.exp(np.cumsum(random.normal(0, 0.02, (rows, width)), axis=0))
    opened = close * (1 + random.normal(0, 0.01, (rows, width)))
    fields = {
        "open": opened,
        "high": np.maximum(opened, close) * (1 + random.uniform(0, 0.01, (rows, width))),
        "low": np.minimum(opened, close) * (1 - random.uniform(0, 0.01, (rows, width))),
        "close": close,
        "volume": np.round(1e6 * np.exp(random.normal(0, 0.5, (rows, width)))),
        "sector": np.broadcast_to(np.arange(width) % 3, (rows, width)).astype(np.float64),
    }
    gone = random.uniform(size=(rows, width)) < missing
    fields = {name: np.where(gone, np.nan, one) for name, one in fields.items()}
    times = pd.date_range("2020-03-02", periods=rows, freq=freq)
    return Grid(times, pd.Index([f"I{number}" for number in range(width)]), fields)


def values(text: str, grid: Grid) -> Values:
    """The values of one expression."""
    return several({"it": text}, grid)["it"]


def several(texts: Mapping[str, str], grid: Grid) -> dict[str, Values]:
    """The values of several expressions."""
    kinds = {name: "category" if name in CATEGORIES else "number" for name in grid.fields}
    parsed = {name: parse(text, columns=kinds, lead=LABEL) for name, text in texts.items()}
    return dict(evaluate(parsed, grid))

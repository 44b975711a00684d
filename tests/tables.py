"""Tables made up for tests: daily bars with sectors, hours of zones where clocks change, one monthly series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rollq.workers.datasets.table.dataset import TableDataset

SEGMENTS = {"train": ["2020-03-02", "2020-10-30"], "test": ["2020-11-16", "2021-01-29"]}


def bars(sessions: int = 300, instruments: int = 12, seed: int = 1) -> pd.DataFrame:
    """Daily bars, long: date, symbol, open, high, low, close, volume, sector, from 2020-01-01 on."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=sessions, name="date")
    names = pd.Index([f"S{number:02d}" for number in range(instruments)], name="symbol")
    close = 50 * np.exp(rng.normal(0, 0.02, (sessions, instruments)).cumsum(axis=0))
    frame = pd.DataFrame(index=pd.MultiIndex.from_product([days, names])).reset_index()
    frame["close"] = close.ravel()
    frame["open"] = frame["close"] * rng.uniform(0.99, 1.01, len(frame))
    frame["high"] = frame[["open", "close"]].max(axis=1) * rng.uniform(1, 1.01, len(frame))
    frame["low"] = frame[["open", "close"]].min(axis=1) * rng.uniform(0.99, 1, len(frame))
    frame["volume"] = rng.integers(1, 1000, len(frame)).astype(float)
    sectors = np.array(["tech", "oil", "bank"])[np.arange(instruments) % 3]
    frame["sector"] = np.tile(sectors, sessions)
    return frame


def hours(
    days: int = 120, zones: tuple[str, ...] = ("north", "south", "west"), start: str = "2021-01-01"
) -> pd.DataFrame:
    """Hourly load of zones in Berlin's time, with the temperature: time, zone, load, temperature."""
    times = pd.date_range(start, periods=24 * days, freq="h", tz="Europe/Berlin", name="time")
    rng = np.random.default_rng(2)
    parts = []
    for number, zone in enumerate(zones):
        warmth = 10 + 8 * np.sin(np.arange(len(times)) / 900 + number) + rng.normal(0, 1, len(times))
        load = 500 + 60 * number + 80 * np.sin(times.hour / 24 * 2 * np.pi) - 5 * warmth + rng.normal(0, 5, len(times))
        parts.append(pd.DataFrame({"time": times, "zone": zone, "load": load, "temperature": warmth}))
    return pd.concat(parts, ignore_index=True)


def months(count: int = 120) -> pd.DataFrame:
    """One monthly series without an instrument: month, sales; zero and negative values are data."""
    first = pd.date_range("2010-01-01", periods=count, freq="MS")
    sales = np.random.default_rng(3).normal(0, 3, count).round() + 5 * np.sin(np.arange(count) / 12 * 2 * np.pi)
    return pd.DataFrame({"month": first, "sales": sales.round(1)})


def write(frame: pd.DataFrame, folder: Path, name: str = "table.parquet") -> str:
    """Path of the written file."""
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / name)
    return str(folder / name)


def table(folder: Path, frame: pd.DataFrame | None = None, **changes: Any) -> TableDataset:
    """A dataset of ``bars()``, or of ``frame``, with a cache of its own."""
    kwargs: dict[str, Any] = {
        "path": write(bars() if frame is None else frame, folder),
        "features": ["close / lag(close, 5) - 1", {"turnover": "log(volume * close)"}, "mean(close, 20) / close - 1"],
        "label": "lead(close, 6) / lead(close, 1) - 1",
        "segments": SEGMENTS,
        "cache_dir": str(folder / "cache"),
    }
    return TableDataset(**{**kwargs, **changes})

"""Signals as Parquet files: the same signals are the same bytes, so a SHA-256 tells whether they are the same."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO, Literal, TypedDict

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rollq.tasks.predictions.row_times import time_texts
from rollq.tasks.predictions.session_days import session_days


def write_signals(signals: pd.DataFrame, path: Path) -> str:
    """Write signals as Parquet, byte for byte the same for the same signals; returns the file's SHA-256 (hex)."""
    flat = signals.reset_index()
    times = pd.DatetimeIndex(flat["datetime"])
    table = pa.table(
        {
            # Types are given one by one: what pandas infers depends on its version, and the same signals must be the
            # same bytes.
            "datetime": pa.array(times.as_unit(_unit(times))),
            "instrument": pa.array(flat["instrument"].astype(object), pa.string()),
            # The score; of models that serve together, that of each, too.
            **{str(name): pa.array(values.to_numpy("float64")) for name, values in signals.items()},
        }
    )
    pq.write_table(table, path, compression="zstd")
    return file_sha256(path)


def write_csv(signals: pd.DataFrame, path: Path) -> None:
    """Write signals as CSV; times with a zone have their offset (``time_texts``)."""
    level = signals.index.names.index("datetime")
    times = pd.DatetimeIndex(signals.index.levels[level])
    signals.set_axis(signals.index.set_levels(time_texts(times), level=level, verify_integrity=False)).to_csv(path)


def read_signals(source: Path | BinaryIO) -> pd.DataFrame:
    """The signals in a Parquet file: column ``score``, indexed (datetime, instrument).

    Those of models that serve together have a column for each of them, too.
    """
    flat = pq.read_table(source).to_pandas()
    if str(flat["datetime"].dt.tz) == "UTC":  # Arrow has another object for it than pandas
        flat["datetime"] = flat["datetime"].dt.tz_convert("UTC")
    return flat.set_index(["datetime", "instrument"]).sort_index()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class SignalSpan(TypedDict):
    """How many rows signals have; their first and their last session, ``YYYY-MM-DD``."""

    rows: int
    start: str
    end: str


def summary(signals: pd.DataFrame) -> SignalSpan:
    """``{rows, start, end}`` of signals."""
    days = session_days(signals)
    return {"rows": len(signals), "start": f"{days.min():%Y-%m-%d}", "end": f"{days.max():%Y-%m-%d}"}


def _unit(times: pd.DatetimeIndex) -> Literal["ms", "us", "ns"]:
    """Milliseconds, as for dates; finer ones where a time would lose digits."""
    units: tuple[Literal["ms", "us"], ...] = ("ms", "us")
    return next((unit for unit in units if times.as_unit(unit).equals(times)), "ns")

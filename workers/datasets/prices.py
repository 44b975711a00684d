"""Price files: long Parquet tables (datetime, instrument, close), read into a wide frame after every check."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.errors import DataError

KEY = "dataset.kwargs.path"
UNIVERSE_KEY = "dataset.kwargs.universe"
COLUMNS = ("datetime", "instrument", "close")


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file; read again only when it changed.

    Raises:
        DataError: there is no such file.
    """
    try:
        stat = path.stat()
        return _file_sha256(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DataError(f"{KEY}: the file {path} {reason}.", "Give a Parquet file, relative to the template.") from None


def read_closes(path: Path, universe: Sequence[str] | None) -> pd.DataFrame:
    """Closes as a wide float64 frame, sessions x instruments, NaN where there is none.

    Its sessions are all the days of the file, whatever the universe: windows count sessions.

    Raises:
        DataError: the file is no price table, or the universe is empty or names what is not in the file.
    """
    prices = _read(path)
    _check_sessions(prices["datetime"], path)
    _check_closes(prices, path)
    wide = prices.pivot(index="datetime", columns="instrument", values="close")
    wide = wide.loc[:, wide.notna().any()]
    return wide if universe is None else wide[_members(universe, wide.columns)]


@cache
def _file_sha256(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> pd.DataFrame:
    expected = file_sha256(path)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise DataError(f"{KEY}: {path} changed while it was read.", "Replace a file in one move, then try again.")
    try:
        prices = pd.read_parquet(BytesIO(content)).reset_index()
    except (OSError, ValueError, TypeError) as error:  # pyarrow's errors are of these kinds
        raise DataError(f"{KEY}: {path} is not a Parquet file: {error}.", "Give a Parquet file.") from None
    if missing := [name for name in COLUMNS if name not in prices.columns]:
        raise DataError(f"{KEY}: {path} has no column {missing[0]!r}.", "It needs datetime, instrument and close.")
    if not pd.api.types.is_numeric_dtype(prices["close"]):
        raise DataError(f"{KEY}: the column 'close' of {path} is not numeric.", "Store closes as float32 or float64.")
    columns = {
        "datetime": _as_days(prices["datetime"], path),
        "instrument": prices["instrument"].astype("str"),
        "close": prices["close"].astype(float),
    }
    return pd.DataFrame(columns)


def _as_days(column: pd.Series, path: Path) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):  # 20240102 would be read as nanoseconds
        raise DataError(f"{KEY}: the column 'datetime' of {path} holds numbers.", "Store dates.")
    try:
        return pd.to_datetime(column, format="ISO8601" if pd.api.types.is_string_dtype(column) else None)
    except (ValueError, TypeError) as error:
        raise DataError(f"{KEY}: the column 'datetime' of {path} has no dates: {error}.", "Store dates.") from None


def _check_sessions(days: pd.Series, path: Path) -> None:
    if days.isna().any():
        raise DataError(f"{KEY}: {path} has rows without a date.", "Remove them.")
    if days.dt.tz is not None or not (days == days.dt.normalize()).all():
        raise DataError(
            f"{KEY}: the column 'datetime' of {path} has times of day or a time zone.",
            "Store the session's date: one row per instrument and day.",
        )


def _check_closes(prices: pd.DataFrame, path: Path) -> None:
    close = prices["close"]
    if prices["instrument"].isna().any():
        raise DataError(f"{KEY}: {path} has rows without an instrument.", "Remove them.")
    if not close.notna().any():
        raise DataError(f"{KEY}: {path} has no close at all.", "Give a file with prices.")
    impossible = (close <= 0) | np.isinf(close)
    if impossible.any():
        first = prices[impossible].iloc[0]
        raise DataError(
            f"{KEY}: the close of {first['instrument']} on {first['datetime']:%Y-%m-%d} is {first['close']}; "
            f"{int(impossible.sum())} in all are not above 0 and finite.",
            "Remove these rows: a missing close is a gap.",
        )
    doubled = prices.duplicated(["datetime", "instrument"])
    if doubled.any():
        first = prices[doubled].iloc[0]
        raise DataError(
            f"{KEY}: {path} has two closes of {first['instrument']} on {first['datetime']:%Y-%m-%d}.", "Keep one."
        )


def _members(universe: Sequence[str], known: pd.Index) -> list[str]:
    if not universe:
        raise DataError(
            f"{UNIVERSE_KEY}: the universe is empty.", "Name instruments of the price file, or leave it out."
        )
    if unknown := sorted(set(universe) - set(known)):
        raise DataError(
            f"{UNIVERSE_KEY}: {unknown[0]!r} has no close in the price file ({len(unknown)} of {len(universe)}).",
            "Name instruments as the file does.",
        )
    return sorted(set(universe))

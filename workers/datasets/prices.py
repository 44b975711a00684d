"""Price files: long Parquet tables (datetime, instrument, close), read into a wide frame after every check."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from rollq.tasks.errors import DataError
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.workers.datasets.session_checks import usable_closes
from rollq.workers.tables.files import file_hashes

KEY = "dataset.kwargs.path"
UNIVERSE_KEY = "dataset.kwargs.universe"
COLUMNS = ("datetime", "instrument", "close")
BAR_COLUMNS = ("open", "high", "low")  # that are looked at, where a file has them


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a price file. Raises as ``file_hashes.file_sha256``."""
    return file_hashes.file_sha256(path, KEY)


def read_closes(
    path: Path, universe: Sequence[str] | None, checks: DataChecks, out: Collection[str] = (), sha256: str | None = None
) -> pd.DataFrame:
    """Closes as a wide float64 frame, sessions x instruments, NaN where there is none.

    Its sessions are the days of the file, whatever the universe: windows count sessions.

    Args:
        out: sessions that are left out.
        sha256: of the file that is meant.

    Raises:
        DataError: the file is no price table, or the universe is empty or names what is not in the file.
        NotYet: it is another file by now.
    """
    wide = usable_closes(read_prices(path, sha256), checks, out)
    wide = wide.loc[:, wide.notna().any()]
    return wide if universe is None else wide[_members(universe, wide.columns)]


def read_prices(path: Path, sha256: str | None = None) -> pd.DataFrame:
    """A price file as a long frame: datetime, instrument, close; and open, high, low if they are there.

    Args:
        sha256: of the file that is meant.

    Raises:
        DataError: the file is missing, or is no price table.
        NotYet: it is another file by now.
    """
    prices = _read(path, sha256 or file_sha256(path))
    _check_sessions(prices["datetime"], path)
    if prices["instrument"].isna().any():
        raise DataError(f"{KEY}: {path} has rows without an instrument.", "Remove them.")
    if not prices["close"].notna().any():
        raise DataError(f"{KEY}: {path} has no close at all.", "Give a file with prices.")
    return prices


def _read(path: Path, expected: str) -> pd.DataFrame:
    """The price table whose bytes have the hash ``expected``: its columns by type, and nothing else of it."""
    with file_hashes.opened(path, expected, KEY) as content:
        try:
            prices = pd.read_parquet(content).reset_index()
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
    bars = {name: prices[name].astype(float) for name in BAR_COLUMNS if _is_number(prices.get(name))}
    return pd.DataFrame({**columns, **bars})


def _is_number(column: pd.Series | None) -> bool:
    return column is not None and pd.api.types.is_numeric_dtype(column)


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


def _members(universe: Sequence[str], known: pd.Index) -> list[str]:
    """The instruments of a universe, sorted and without repetition; each must have a close somewhere in the file."""
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

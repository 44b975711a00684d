"""Small files for the tests of tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rollq.workers.tables.table import Table, read_table
from rollq.workers.tables.table_spec import TableSpec


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def table(path: Path | str, **kwargs: object) -> Table:
    return read_table(TableSpec.of({"path": str(path), **kwargs}))


def frame(path: Path | str, *columns: str, **kwargs: object) -> pd.DataFrame:
    """The asked columns, or all."""
    found = table(path, **kwargs)
    return found.frame(list(columns or found.columns))


def cells(found: pd.DataFrame) -> list[tuple[object, ...]]:
    """(time, instrument, values ...) of each row, times as text."""
    return [
        (str(time.isoformat(sep=" ")).removesuffix(" 00:00:00"), name, *values)
        for (time, name), values in zip(found.index, found.to_numpy(dtype=object).tolist(), strict=True)
    ]

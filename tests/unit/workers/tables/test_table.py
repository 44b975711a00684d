"""A table of any form is one long frame, indexed (datetime, instrument)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rollq.workers.tables.table import read_table
from rollq.workers.tables.table_spec import TableSpec


def test_one_file_becomes_a_long_frame_in_order(tmp_path: Path) -> None:
    days = pd.to_datetime(["2024-01-03", "2024-01-02", "2024-01-02"])
    rows = {"date": days, "symbol": ["a", "b", "a"], "close": [3, 2, 1], "sector": ["x", "y", "x"]}
    pd.DataFrame(rows).to_parquet(tmp_path / "bars.parquet")
    table = read_table(TableSpec.of({"path": str(tmp_path / "bars.parquet")}))
    assert table.columns == {"close": "number", "sector": "category"}
    frame = table.frame(["close", "sector"])
    assert frame.index.names == ["datetime", "instrument"]
    assert frame["close"].tolist() == [1.0, 2.0, 3.0]
    assert frame["sector"].tolist() == ["x", "y", "x"]

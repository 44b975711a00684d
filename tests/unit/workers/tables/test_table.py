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


def test_columns_are_in_the_order_in_which_they_are_asked_for(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=4)
    names = [f"c{number}" for number in range(6)]
    main = pd.DataFrame({"date": days[::-1], **{name: float(number) for number, name in enumerate(names)}, "s": "x"})
    main.to_parquet(tmp_path / "main.parquet")
    other = pd.DataFrame({"date": days, **{f"d{number}": 10.0 + number for number in range(4)}})
    other.to_csv(tmp_path / "other.csv", index=False)
    spec = TableSpec.of({"path": str(tmp_path / "main.parquet"), "join": [{"path": str(tmp_path / "other.csv")}]})
    for order in (["d3", "c5", "s", "c0", "d1", "c2"], ["c1"], ["d2", "d0"], ["s"], []):
        found = read_table(spec).frame(order)
        assert list(found.columns) == order
        expected = [float(name[1:]) + 10 * (name[0] == "d") if name != "s" else "x" for name in order]
        assert found.iloc[2].tolist() == expected

"""Times and instruments that are in several columns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rollq.tasks.errors import DataError, TemplateError
from tests.unit.workers.tables.made import cells, frame, table, write


@pytest.mark.parametrize(
    ("header", "rows", "time", "expected"),
    [
        ("date,hour", ("2024-01-02,0", "2024-01-02,9"), ["date", "hour"], ("2024-01-02", "2024-01-02 09:00:00")),
        (
            "date,time",
            ("2024-01-02,9:30", "2024-01-02,10:00"),
            ["date", "time"],
            ("2024-01-02 09:30:00", "2024-01-02 10:00:00"),
        ),
        (
            "day,time",
            ("20240102,09:30:15", "20240102,10:00:00"),
            ["day", "time"],
            ("2024-01-02 09:30:15", "2024-01-02 10:00:00"),
        ),
        (
            "day,h,m",
            ("2024-01-02,9,5", "2024-01-02,10,0"),
            ["day", "h", "m"],
            ("2024-01-02 09:05:00", "2024-01-02 10:00:00"),
        ),
        ("year,month", ("2024,2", "2024,11"), ["year", "month"], ("2024-02-01", "2024-11-01")),
        ("Year,Month,Day", ("2024,2,3", "2024,11,30"), ["Year", "Month", "Day"], ("2024-02-03", "2024-11-30")),
        ("year,week", ("2024,5", "2024,52"), ["year", "week"], ("2024-01-29", "2024-12-23")),
        ("year,quarter", ("2024,1", "2024,4"), ["year", "quarter"], ("2024-01-01", "2024-10-01")),
    ],
)
def test_times_of_several_columns(
    tmp_path: Path, header: str, rows: tuple[str, ...], time: list[str], expected: tuple[str, ...]
) -> None:
    path = write(tmp_path / "a.csv", f"{header},x\n" + "".join(f"{row},1\n" for row in rows))
    assert tuple(row[0] for row in cells(frame(path, "x", time=time))) == expected
    pd.read_csv(path).to_parquet(tmp_path / "a.parquet")
    assert tuple(row[0] for row in cells(frame(tmp_path / "a.parquet", "x", time=time))) == expected


def test_a_format_of_two_columns_and_a_date_with_an_hour_in_a_zone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "d,t,x\n31.12.2023,18.30,1\n")
    found = frame(path, "x", time=["d", "t"], time_format="%d.%m.%Y %H.%M")
    assert cells(found) == [("2023-12-31 18:30:00", "a", 1.0)]
    hours = pd.date_range("2024-10-27", periods=25, freq="h", tz="Europe/Berlin")
    dates = pd.DataFrame({"date": hours.tz_localize(None).normalize(), "hour": hours.hour, "x": 1.0})
    dates.to_parquet(tmp_path / "b.parquet")
    found = frame(tmp_path / "b.parquet", "x", time=["date", "hour"], zone="Europe/Berlin")
    assert (found.index.get_level_values(0) == hours).all()


def test_instruments_of_several_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "date,store,item,x\n2024-01-02,2,a,1\n2024-01-02,1,b,2\n2024-01-02,1,a,3\n")
    found = table(path, instrument=["store", "item"])
    assert found.columns == {"store": "number", "item": "category", "x": "number"}
    assert cells(found.frame(["x"])) == [
        ("2024-01-02", "1/a", 3.0),
        ("2024-01-02", "1/b", 2.0),
        ("2024-01-02", "2/a", 1.0),
    ]
    prices = write(tmp_path / "p.csv", "store,item,price\n1,a,10\n2,a,20\n1,b,30\n")
    both = {"path": prices, "instrument": ["store", "item"]}
    assert frame(path, "price", instrument=["store", "item"], join=[both])["price"].tolist() == [10, 30, 20]
    assert frame(path, "price", instrument=["store", "item"], join=[{"path": prices, "on": ["store", "item"]}])[
        "price"
    ].tolist() == [10, 30, 20]


def test_what_is_wrong_with_several_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "date,hour,x\n2024-01-02,24,1\n")
    with pytest.raises(DataError, match=r"time: there is no column 'hours'.*Did you mean 'hour'"):
        table(path, time=["date", "hours"])
    with pytest.raises(DataError, match=r"time: a text is no time: Time data 2024-01-02 24:00"):
        frame(path, "x", time=["date", "hour"])
    with pytest.raises(DataError, match=r"time: 1 of 1 rows have no time"):
        frame(write(tmp_path / "b.csv", "date,hour,x\n2024-01-02,,1\n"), "x", time=["date", "hour"])
    with pytest.raises(TemplateError, match=r"instrument: \['a'\] are not several columns"):
        table(path, instrument=["a"])
    with pytest.raises(TemplateError, match=r"time: 3 is no text"):
        table(path, time=["a", 3])

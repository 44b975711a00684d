"""Files of every form, and which of their columns is what."""

from __future__ import annotations

import gzip
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rollq.tasks.errors import DataError, NotYet
from rollq.workers.tables.table import read_table
from rollq.workers.tables.table_spec import TableSpec
from tests.unit.workers.tables.made import cells, frame, table, write

LONG = pd.DataFrame(
    {
        "date": pd.to_datetime(["2024-01-02", "2024-01-02", "2024-01-03"]),
        "symbol": ["A", "B", "A"],
        "close": [1.0, 0.0, -3.0],
    }
)
ROWS = [("2024-01-02", "A", 1.0), ("2024-01-02", "B", 0.0), ("2024-01-03", "A", -3.0)]


def test_one_file_of_each_form(tmp_path: Path) -> None:
    LONG.to_parquet(tmp_path / "a.parquet")
    LONG.set_index(["date", "symbol"]).to_parquet(tmp_path / "index.parquet")
    LONG.to_csv(tmp_path / "a.csv", index=False)
    LONG.to_csv(tmp_path / "semi.txt", index=False, sep=";", decimal=",")
    LONG.to_csv(tmp_path / "tab.tsv", index=False, sep="\t")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    for name in ("a.parquet", "index.parquet", "a.csv", "tab.tsv", "a.csv.gz"):
        assert cells(frame(tmp_path / name)) == ROWS, name
    assert cells(frame(tmp_path / "semi.txt", decimal=",")) == ROWS
    with pytest.raises(DataError, match=r"the column 'close' of .*semi.txt holds text such as '1,0'.*decimal: ','"):
        table(tmp_path / "semi.txt").frame(["close"], numbers=["close"])


def test_a_folder_of_a_file_per_instrument_per_day_and_with_partitions(tmp_path: Path) -> None:
    for name, rows in LONG.groupby("symbol"):
        rows.drop(columns="symbol").to_parquet(_made(tmp_path / "bars" / f"{name}.parquet"))
        rows.drop(columns="symbol").to_csv(_made(tmp_path / "hive" / f"symbol={name}" / "part-0.csv"), index=False)
    for day, rows in LONG.groupby("date"):
        rows.drop(columns="date").to_csv(_made(tmp_path / "days" / f"bars_{day:%Y%m%d}.csv"), index=False)
    for name in ("bars", "hive", "days", "bars/*.parquet", "hive/*/*.csv", "hive/**/*.csv"):
        assert cells(frame(tmp_path / name)) == ROWS, name
    (tmp_path / "link").symlink_to(tmp_path / "bars")
    assert cells(frame(tmp_path / "link")) == ROWS


def test_a_folder_and_its_file_say_one_thing(tmp_path: Path) -> None:
    for folder, symbol, month in (("symbol=A/month=01", "A", 1), ("symbol=B/month=02", "ZB", 2)):
        rows = pd.DataFrame({"date": ["2024-01-02"], "symbol": [symbol], "month": [month], "x": [1.0]})
        rows.to_parquet(_made(tmp_path / "hive" / folder / "part.parquet"))
        rows.to_csv(_made(tmp_path / "csv" / folder / "part.csv"), index=False)
    for name in ("hive", "csv"):
        with pytest.raises(DataError, match="says symbol=B, and its column 'symbol' 'ZB'"):
            frame(tmp_path / name, "x")
        assert frame(tmp_path / name / "symbol=A", "month", instrument="symbol")["month"].tolist() == [1]


def test_a_link_that_leads_to_nothing_is_named(tmp_path: Path) -> None:
    LONG[["date", "close"]][::2].to_parquet(_made(tmp_path / "bars" / "A.parquet"))
    (tmp_path / "bars" / "B.parquet").symlink_to(tmp_path / "gone.parquet")
    for name in ("bars", "bars/*.parquet"):
        with pytest.raises(DataError, match=r"path: the link .*B.parquet leads to nothing"):
            table(tmp_path / name)


def test_files_may_lack_columns_and_differ_in_what_a_column_happens_to_hold(tmp_path: Path) -> None:
    write(tmp_path / "f" / "A.csv", "date,kind,x\n2024-01-02,007,1\n")
    write(tmp_path / "f" / "B.csv", "date,kind,y\n20240102,x1,true\n")
    assert cells(frame(tmp_path / "f")) == [
        ("2024-01-02", "A", "007", 1.0, pytest.approx(float("nan"), nan_ok=True)),
        ("2024-01-02", "B", "x1", pytest.approx(float("nan"), nan_ok=True), 1.0),
    ]
    pd.DataFrame({"date": ["2024-01-02"], "x": [1]}).to_parquet(_made(tmp_path / "p" / "A.parquet"))
    pd.DataFrame({"date": ["2024-01-02"], "x": ["a"]}).to_parquet(tmp_path / "p" / "B.parquet")
    with pytest.raises(DataError, match="the column 'x' is category and number in different files"):
        table(tmp_path / "p")


def test_one_series_is_called_as_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "sales.csv", "month,sales\n2024-01,1\n2024-02,2\n")
    assert cells(frame(path)) == [("2024-01-01", "sales", 1.0), ("2024-02-01", "sales", 2.0)]
    named = write(tmp_path / "zones.csv", "month,zone,sales\n2024-01,a,1\n")
    assert cells(frame(named, instrument=None)) == [("2024-01-01", "zones", "a", 1.0)]
    for year in (2023, 2024):
        write(tmp_path / "load" / f"{year}.csv", f"date,x\n{year}-01-02,1\n")
    assert cells(frame(tmp_path / "load")) == [("2023-01-02", "load", 1.0), ("2024-01-02", "load", 1.0)]


def test_a_wide_table_is_made_long(tmp_path: Path) -> None:
    wide = LONG.pivot(index="date", columns="symbol", values="close")
    wide[::-1].to_parquet(tmp_path / "wide.parquet")
    assert cells(frame(tmp_path / "wide.parquet", wide="close")) == ROWS
    assert [*table(tmp_path / "wide.parquet", wide=True).columns] == ["value"]
    write(tmp_path / "bad.csv", "date,A,B\n2024-01-02,1,x\n")
    with pytest.raises(DataError, match=r"wide: the column 'B' of .* holds text such as 'x'"):
        table(tmp_path / "bad.csv", wide=True)


def test_columns_of_several_levels_are_refused_with_the_way_out(tmp_path: Path) -> None:
    wide = LONG.pivot(index="date", columns="symbol", values="close")
    wide.columns = pd.MultiIndex.from_product([["close"], wide.columns], names=["field", "symbol"])
    wide.to_parquet(tmp_path / "wide.parquet")
    with pytest.raises(DataError, match=r"have several levels, such as \('close', 'A'\)\..*stack"):
        table(tmp_path / "wide.parquet")
    long = wide.stack().dropna().rename_axis(["date", "symbol"]).reset_index()
    long.to_parquet(tmp_path / "long.parquet")
    assert cells(frame(tmp_path / "long.parquet")) == ROWS


def test_qlibs_folder(tmp_path: Path) -> None:
    write(tmp_path / "calendars" / "day.txt", "2024-01-02\n2024-01-03\n2024-01-04\n")
    write(tmp_path / "instruments" / "all.txt", "A\t2024-01-02\t2024-01-04\nB\t2024-01-02\t2024-01-02\n")
    write(tmp_path / "instruments" / "top.txt", "A\t2024-01-03\t2024-01-03\n")
    for name, values in {"a": [0, 1, -3, np.nan], "b": [1, 5]}.items():
        for field in ("close", "volume"):
            np.array(values, "<f4").tofile(_made(tmp_path / "features" / name / f"{field}.day.bin"))
    found = frame(tmp_path, "close")
    assert cells(found) == [("2024-01-02", "A", 1.0), ("2024-01-03", "A", -3.0), ("2024-01-03", "B", 5.0)]
    assert cells(frame(tmp_path, "member", market="top")) == [("2024-01-02", "A", 0.0), ("2024-01-03", "A", 1.0)]
    with pytest.raises(DataError, match=r"has no instruments/csi300.txt. There are: all, top"):
        table(tmp_path, market="csi300")
    np.array([2, 1, 2], "<f4").tofile(tmp_path / "features" / "a" / "close.day.bin")
    with pytest.raises(DataError, match="does not fit the calendar"):
        frame(tmp_path, "close")


@pytest.mark.parametrize("kind", ["int64", "float32", "bool", "decimal", "dictionary", "large_string"])
def test_types_of_columns(tmp_path: Path, kind: str) -> None:
    texts = pa.array(["x", None, "x"])
    column = {
        "int64": pa.array([1, 0, -3]),
        "float32": pa.array([1.0, None, -3.0], pa.float32()),
        "bool": pa.array([True, False, None]),
        "decimal": pa.array([Decimal("1.00"), Decimal(0), None], pa.decimal128(20, 2)),
        "dictionary": texts.dictionary_encode(),
        "large_string": texts.cast(pa.large_string()),
    }[kind]
    pq.write_table(pa.table({"date": LONG["date"], "symbol": LONG["symbol"], "x": column}), tmp_path / "a.parquet")
    found = frame(tmp_path / "a.parquet")["x"]
    if kind in ("dictionary", "large_string"):
        assert found.dtype == "category"
        assert found.astype(object).where(found.notna(), None).tolist() == ["x", None, "x"]
    else:
        assert found.dtype == "float64"
        expected = [None if value is None else float(value) for value in column.to_pylist()]
        assert [None if np.isnan(value) else value for value in found] == expected


@pytest.mark.parametrize(
    ("text", "kwargs", "error"),
    [
        ("date,symbol,x\n2024-01-02,A,\n2024-01-03,A,\n", {}, "the column 'x' is missing in every row"),
        ("date,symbol,x\n2024-01-02,A,b\n", {}, "the column 'x' of .* holds text such as 'b'"),
        ('date,symbol,x\n2024-01-02,A,"1,234.5"\n', {}, "holds text such as '1,234.5'.*without marks of thousands"),
        ("date,symbol,x\n2024-01-02,A,5 %\n", {}, "holds text such as '5 %'.*without marks of thousands"),
        ("date,symbol,x\n2024-01-02,,1\n", {}, "instrument: 1 rows have no 'symbol'"),
        (
            "date,symbol,ticker,x\n2024-01-02,A,A,1\n",
            {},
            "whether symbol and ticker is the instrument.*instrument: symbol",
        ),
        ("start,end,x\n2024-01-02,2024-01-02,1\n", {}, "time: it cannot be told which column is the time"),
        ("a,x\n1,1\n", {}, "time: no column of .* looks like a time.*Columns: a, x"),
        (
            "date,laden,x\n2024-01-02,A,1\n2024-01-02,B,1\n",
            {},
            "instrument: 1 rows have a time that others have.*laden",
        ),
        ("date,symbol,x\n2024-01-02,A,1\n", {"instrument": "sybol"}, "instrument: .*'sybol'.*Did you mean 'symbol'"),
        ("date,x,x\n2024-01-02,A,1\n", {}, "has two columns 'x'"),
        ("date,symbol,x\n2024-01-02,A\n", {}, "is no CSV table"),
        ("date;symbol;x\n2024-01-02;A;1\n", {"separator": ","}, "one column, 'date;symbol;x'.*separator: ';'"),
        ("", {}, "is empty"),
        ("date,x\n", {}, "has no rows"),
    ],
)
def test_what_cannot_be_used_names_key_cause_and_fix(
    tmp_path: Path, text: str, kwargs: dict[str, object], error: str
) -> None:
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(DataError, match=error) as caught:
        table(path, **kwargs).frame(["x"], numbers=["x"])
    assert caught.value.message.startswith("dataset.kwargs")
    assert caught.value.fix


@pytest.mark.parametrize("path", ["nope.csv", "nope/*.csv", "", "a.xlsx"])
def test_files_that_are_missing_or_of_another_form(tmp_path: Path, path: str) -> None:
    write(tmp_path / "a.xlsx", "PK")
    with pytest.raises(DataError, match=r"dataset\.kwargs\.path: "):
        table(tmp_path / path)


def test_a_file_that_is_replaced_while_it_is_read_is_not_read_yet(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.csv"):
        path = tmp_path / name
        save = LONG.to_parquet if path.suffix == ".parquet" else LONG.assign(close=1.5).to_csv
        save(path)
        found = table(path, time="date", instrument="symbol")
        before = found.fingerprint()
        path.write_bytes(path.read_bytes()[:-3] + b"xxx")
        with pytest.raises(NotYet, match="changed while it was read"):
            found.frame(["close"])
        save(path)
        assert found.frame(["close"]).shape == (3, 1)
        assert table(path, time="date", instrument="symbol").fingerprint() == before


def test_a_file_that_is_overwritten_with_its_size_and_its_time_is_read_again(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.csv", "date,x\n2024-01-02,1\n"))
    state = path.stat()
    assert frame(path)["x"].tolist() == [1]
    path.write_text("date,x\n2024-01-02,2\n")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert frame(path)["x"].tolist() == [2]


def test_the_fingerprint_is_of_contents_and_of_names_that_mean_something(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        for name in ("A", "B"):
            LONG[["date", "close"]][::2].to_parquet(_made(tmp_path / folder / f"{name}.parquet"))
    one = table(tmp_path / "one").fingerprint()
    assert table(tmp_path / "two").fingerprint() == one
    (tmp_path / "two" / "A.parquet").rename(tmp_path / "two" / "C.parquet")
    assert table(tmp_path / "two").fingerprint() != one
    LONG.to_parquet(tmp_path / "x.parquet")
    LONG.to_parquet(tmp_path / "y.parquet")
    assert table(tmp_path / "x.parquet").fingerprint() == table(tmp_path / "y.parquet").fingerprint()


def test_a_spec_is_json_and_says_all(tmp_path: Path) -> None:
    spec = TableSpec.of({"path": "a.csv", "instrument": None, "join": [{"path": "b.csv", "known": "p"}]})
    assert spec.to_dict()["source"]["instrument"] == ""
    assert spec.to_dict()["joins"][0]["known"] == "p"
    with pytest.raises(DataError):
        read_table(spec)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

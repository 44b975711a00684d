"""Joins: by time, by publication, by other keys; nothing is known before it was published."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.tasks.errors import DataError, TemplateError
from tests.unit.workers.tables.made import frame, table, write

BARS = (
    "date,symbol,zone,close\n2024-01-02,A,n,1\n2024-01-02,B,s,2\n2024-01-03,A,n,3\n2024-01-03,B,s,4\n2024-01-05,A,n,5\n"
)


@pytest.fixture
def bars(tmp_path: Path) -> str:
    return write(tmp_path / "bars.csv", BARS)


def joined(tmp_path: Path, bars: str, text: str, column: str = "x", **kwargs: object) -> list[object]:
    path = write(tmp_path / "other.csv", text)
    values = frame(bars, column, join=[{"path": path, **kwargs}])[column]
    return [None if pd.isna(value) else value for value in values]


def test_a_row_of_the_same_time_and_instrument(tmp_path: Path, bars: str) -> None:
    text = "symbol,date,x\nB,2024-01-02,20\nA,2024-01-05,50\nC,2024-01-05,9\n"
    assert joined(tmp_path, bars, text) == [None, 20, None, None, 50]


def test_a_table_without_instruments_is_for_all(tmp_path: Path, bars: str) -> None:
    assert joined(tmp_path, bars, "date,x\n2024-01-02,1\n2024-01-03,2\n") == [1, 1, 2, 2, None]


def test_other_keys(tmp_path: Path, bars: str) -> None:
    text = "date,zone,x\n2024-01-02,n,1\n2024-01-02,s,2\n2024-01-05,n,3\n"
    assert joined(tmp_path, bars, text, on=["zone"]) == [1, 2, None, None, 3]


def test_what_has_no_time_holds_at_any_time(tmp_path: Path, bars: str) -> None:
    assert joined(tmp_path, bars, "symbol,sector\nA,tech\nB,bank\n", "sector") == [
        "tech",
        "bank",
        "tech",
        "bank",
        "tech",
    ]


def test_a_day_of_publication_is_known_from_the_next_session_on(tmp_path: Path, bars: str) -> None:
    text = "published,symbol,x\n2024-01-02,A,1\n2024-01-04,A,2\n2024-01-05,B,3\n"
    assert joined(tmp_path, bars, text, known="published") == [None, None, 1, None, 2]
    assert joined(tmp_path, bars, text, known="published", same_session=True) == [1, None, 1, None, 2]


def test_a_late_revision_of_an_old_period_takes_no_newer_ones_place(tmp_path: Path, bars: str) -> None:
    rows = ["2023-01-01,2022Q4,A,1", "2023-05-01,2023Q1,A,2", "2024-01-02,2022Q4,A,11", "2024-01-04,2023Q1,A,22"]
    text = "\n".join(["published,period,symbol,x", *rows, ""])
    assert joined(tmp_path, bars, text, known="published") == [2, None, 2, None, 22]


def test_a_period_is_known_when_it_has_ended(tmp_path: Path) -> None:
    days = "\n".join(f"{day:%Y-%m-%d},A,0" for day in pd.date_range("2024-01-30", "2024-03-02"))
    bars = write(tmp_path / "days.csv", f"date,symbol,close\n{days}\n")
    text = "month,index\n2024-01,1\n2024-02,2\n"
    found = joined(tmp_path, bars, text, "index", known="month")
    assert found == [None, None, *[1.0] * 29, 2.0, 2.0]
    as_written = "month,index\n01/2024,1\n02/2024,2\n"
    assert joined(tmp_path, bars, as_written, "index", known="month", time_format="%m/%Y") == found
    # The control: by its time alone it would be used on the first day of the month that it is about.
    with pytest.raises(DataError, match=r"join\[0\]: it has weeks, months or the like.*known:"):
        joined(tmp_path, bars, text, "index")
    firsts = joined(tmp_path, bars, "date,index\n2024-02-01,2\n2024-03-01,3\n", "index")
    assert firsts != found
    assert firsts[2] == 2.0


@pytest.mark.parametrize(
    ("main", "other", "ends"),
    [
        (("2024-01", "2024-02", "2024-04"), ("2024Q1", "2024Q2"), "2024-03-31.*2024-01-31"),
        (("2023-12", "2024-01"), ("2024", "2025"), "2024-12-31.*2024-01-31"),
        (("2024-W01", "2024-W02"), ("2024-01", "2024-02"), "2024-01-31.*2024-01-07"),
    ],
)
def test_a_period_that_ends_later_is_not_known_at_its_beginning(
    tmp_path: Path, main: tuple[str, ...], other: tuple[str, ...], ends: str
) -> None:
    rows = write(tmp_path / "rows.csv", "month,symbol,close\n" + "".join(f"{one},A,0\n" for one in main))
    text = "period,symbol,index\n" + "".join(f"{one},A,{number}\n" for number, one in enumerate(other))
    with pytest.raises(DataError, match=rf"join\[0\]: its period .*{ends}.*known:"):
        joined(tmp_path, rows, text, "index", time="period")
    # Rows of the same periods, and of shorter ones, are joined by their time.
    same = "month,symbol,index\n" + "".join(f"{one},A,{number}\n" for number, one in enumerate(main))
    assert joined(tmp_path, rows, same, "index") == [*range(len(main))]
    first = pd.Period(main[1], "M").start_time if "W" not in main[1] else pd.Timestamp("2024-01-08")
    assert joined(tmp_path, rows, f"date,symbol,index\n{first:%Y-%m-%d},A,1\n", "index")[1] == 1


def test_dates_among_times_of_publication_are_refused(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-15", periods=72, freq="h")
    pd.DataFrame({"time": hours, "load": 0.0}).to_parquet(tmp_path / "load.parquet")
    texts = ["2024-01-15", "2024-01-16 10:00"]
    write(tmp_path / "reports.csv", "published,x\n" + "".join(f"{text},1\n" for text in texts))
    join = {"path": str(tmp_path / "reports.csv"), "known": "published"}
    with pytest.raises(DataError, match=r"join\[0\].known: some texts .* are dates, such as '2024-01-15'"):
        frame(tmp_path / "load.parquet", "x", join=[join])
    (tmp_path / "reports").mkdir()
    for name, published in (("1", pd.Timestamp("2024-01-15").date()), ("2", pd.Timestamp(texts[1]))):
        pd.DataFrame({"published": [published], "x": [1.0]}).to_parquet(tmp_path / "reports" / f"{name}.parquet")
    join["path"] = str(tmp_path / "reports")
    with pytest.raises(DataError, match=r"'published' has dates in some files and times of day in others"):
        frame(tmp_path / "load.parquet", "x", join=[join])


@pytest.mark.parametrize("aware", [False, True])
def test_the_day_of_a_publication_is_that_of_the_main_tables_zone(tmp_path: Path, aware: bool) -> None:
    days = pd.date_range("2024-01-08", periods=5, freq="D")
    dates = days.tz_localize("Asia/Tokyo") if aware else days
    pd.DataFrame({"date": dates, "close": 0.0}).to_parquet(tmp_path / "bars.parquet")
    # 16:00 of January 10 in Tokyo, after its close; January 9 in Los Angeles.
    published = pd.DatetimeIndex(["2024-01-09 23:00"], tz="America/Los_Angeles")
    pd.DataFrame({"published": published, "x": 1.0}).to_parquet(tmp_path / "reports.parquet")
    join = {"path": str(tmp_path / "reports.parquet"), "known": "published"}
    zone = {} if aware else {"zone": "Asia/Tokyo"}
    assert frame(tmp_path / "bars.parquet", "x", join=[join], **zone)["x"].fillna(0).tolist() == [0, 0, 0, 1, 1]
    if not aware:
        with pytest.raises(DataError, match=r"join\[0\].known: it has times with a zone.*zone: of the main table"):
            frame(tmp_path / "bars.parquet", "x", join=[join])


def test_a_day_of_publication_ends_in_its_own_zone(tmp_path: Path) -> None:
    published = pd.DatetimeIndex(["2024-01-09"], tz="America/New_York")  # it ends on January 10 at 14:00 in Tokyo
    pd.DataFrame({"published": published, "x": 1.0}).to_parquet(tmp_path / "reports.parquet")
    join = {"path": str(tmp_path / "reports.parquet"), "known": "published"}
    days = pd.date_range("2024-01-09", periods=3, freq="D", tz="Asia/Tokyo")
    pd.DataFrame({"date": days, "close": 0.0}).to_parquet(tmp_path / "bars.parquet")
    assert frame(tmp_path / "bars.parquet", "x", join=[join])["x"].fillna(0).tolist() == [0, 0, 1]
    hours = pd.date_range("2024-01-10 12:00", periods=4, freq="h", tz="Asia/Tokyo")
    pd.DataFrame({"time": hours, "load": 0.0}).to_parquet(tmp_path / "load.parquet")
    assert frame(tmp_path / "load.parquet", "x", join=[join])["x"].fillna(0).tolist() == [0, 0, 1, 1]


def test_times_of_publication_with_zones(tmp_path: Path) -> None:
    hours = pd.date_range("2024-03-31", periods=4, freq="h", tz="Europe/Berlin")
    main = pd.DataFrame({"time": hours, "zone": "n", "load": 0.0})
    main.to_parquet(tmp_path / "load.parquet")
    other = pd.DataFrame({"issued": hours.tz_convert("UTC")[1:3], "x": [1.0, 2.0]})
    other.to_parquet(tmp_path / "weather.parquet")
    join = {"path": str(tmp_path / "weather.parquet"), "known": "issued"}
    found = frame(tmp_path / "load.parquet", "x", instrument="zone", join=[join])["x"]
    assert found.fillna(-1).tolist() == [-1, 1, 2, 2]


def test_a_daily_table_beside_hours(tmp_path: Path) -> None:
    hours = pd.date_range("2024-03-30 22:00", periods=5, freq="h", tz="Europe/Berlin")
    pd.DataFrame({"time": hours, "load": 0.0}).to_parquet(tmp_path / "load.parquet")
    path = write(tmp_path / "days.csv", "date,promo\n2024-03-30,1\n2024-03-31,2\n")

    def found(**kwargs: object) -> list[float]:
        return frame(tmp_path / "load.parquet", "promo", join=[{"path": path, **kwargs}])["promo"].fillna(-1).tolist()

    assert found(same_session=True) == [1, 1, 2, 2, 2]
    assert found(known="date") == [-1, -1, 1, 1, 1]
    assert found(known="date", same_session=True) == [1, 1, 2, 2, 2]
    with pytest.raises(DataError, match=r"join\[0\]: it has one row a day.*same_session"):
        found()


def test_the_instrument_may_be_a_key_by_its_name(tmp_path: Path) -> None:
    bars = write(tmp_path / "load.csv", "time,zone,load\n2024-01-02,n,1\n2024-01-02,s,2\n")
    path = write(tmp_path / "weather.csv", "time,zone,wind\n2024-01-02,n,7\n2024-01-02,s,8\n")
    assert frame(bars, "wind", join=[{"path": path, "on": ["zone"]}])["wind"].tolist() == [7, 8]
    assert frame(bars, "zone")["zone"].tolist() == ["n", "s"]


def test_names_are_chosen_and_prefixed(tmp_path: Path, bars: str) -> None:
    path = write(tmp_path / "other.csv", "date,symbol,close,f1,f2,g\n2024-01-02,A,9,1,2,3\n")
    with pytest.raises(DataError, match=r"join\[0\]: another column is called 'close'.*prefix"):
        table(bars, join=[{"path": path}])
    assert [*table(bars, join=[{"path": path, "columns": ["f*"]}]).columns] == ["zone", "close", "f1", "f2"]
    chosen = table(bars, join=[{"path": path, "columns": ["g", "close"], "prefix": "o_"}])
    assert [*chosen.columns] == ["zone", "close", "o_g", "o_close"]
    assert chosen.frame(["o_close"])["o_close"].tolist()[0] == 9
    with pytest.raises(DataError, match=r"join\[0\].columns: there is no column 'h\*'"):
        table(bars, join=[{"path": path, "columns": "h*"}])


@pytest.mark.parametrize(
    ("text", "kwargs", "error"),
    [
        ("date,symbol,x\n2024-01-02,A,1\n2024-01-02,A,2\n", {}, r"join\[0\]: 1 rows have a key that others have"),
        ("symbol,x\nA,1\nA,2\n", {}, r"join\[0\].path: 1 rows have a key that others have.*known"),
        ("date,symbol,x\n2024-01-02,ZZ,1\n", {}, r"join\[0\]: no value of 'symbol' is in both tables: 'ZZ' there, 'A'"),
        ("date,symbol,x\n2025-01-02,A,1\n", {}, r"join\[0\]: no row of the main table has a row there"),
        ("date,symbol,x\n2024-01-02 09:00,A,1\n", {}, r"join\[0\]: it has times of day.*known"),
        ("date,zone,x\n2024-01-02,n,1\n", {"on": ["region"]}, r"join\[0\]: .* has no column 'region'"),
        ("date,region,x\n2024-01-02,n,1\n", {"on": ["region"]}, r"join\[0\].on: the main table has no column 'region'"),
        ("date,symbol,x\n2024-01-02,A,1\n", {"known": "published"}, r"join\[0\]: .* has no column 'published'"),
        ("a,x\nq,1\n", {}, r"join\[0\]: it has neither a time nor an instrument"),
        ("published,symbol,x\n2024-01-02,A,1\n2024-01-02,A,2\n", {"known": "published"}, r"are published at one time"),
        ("published,symbol,x\n,A,1\n2024-01-02,A,2\n", {"known": "published"}, r"join\[0\].known: 1 of 2 rows"),
    ],
)
def test_bad_joins_name_the_key_and_the_fix(
    tmp_path: Path, bars: str, text: str, kwargs: dict[str, object], error: str
) -> None:
    with pytest.raises(DataError, match=error) as caught:
        joined(tmp_path, bars, text, **kwargs)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ("factors.parquet", "a join is a mapping"),
        ({"path": "a", "colums": ["x"]}, r"join\[0\].colums: unknown key 'colums'"),
        ({"path": ""}, r"join\[0\].path: '' is no path"),
        ({"path": "a", "same_session": "yes"}, r"join\[0\].same_session: 'yes' is neither"),
        ({"path": "a", "columns": [1]}, r"join\[0\].columns: \[1\] is no list of names"),
        ({"path": "a", "zone": "Europe/Berlni"}, r"join\[0\].zone: there is no zone 'Europe/Berlni'"),
        ({"path": "a", "unit": "secs"}, r"join\[0\].unit: 'secs' is unknown"),
    ],
)
def test_bad_entries_are_refused_before_anything_is_read(entry: object, error: str) -> None:
    with pytest.raises(TemplateError, match=error):
        table("bars.csv", join=[entry])


PUBLISHED = st.tuples(st.integers(0, 9), st.integers(0, 4), st.sampled_from("AB"), st.integers(1, 99))


@settings(max_examples=40)
@given(
    reports=st.lists(PUBLISHED, min_size=1, max_size=12, unique_by=lambda row: row[:3]),
    same=st.booleans(),
    dated=st.booleans(),
)
def test_as_of_is_what_a_slow_look_finds_and_later_rows_change_nothing(
    reports: list[tuple[int, int, str, int]], same: bool, dated: bool
) -> None:
    start, step = pd.Timestamp("2024-01-01 00:00"), pd.Timedelta(days=1) if dated else pd.Timedelta(hours=1)
    times = [start + step * number + (pd.Timedelta(0) if dated else pd.Timedelta(minutes=7)) for number in range(11)]
    main = pd.DataFrame([(time, name, 0.0) for time in times for name in "AB"], columns=["time", "symbol", "y"])
    rows = [(times[at], f"2023-0{period + 1}", name, float(x)) for at, period, name, x in reports]
    other = pd.DataFrame(rows, columns=["published", "month", "symbol", "x"])
    with tempfile.TemporaryDirectory() as folder:
        found = as_of(Path(folder), main, other, same)
        twin = [slow(time, name, rows, dated, same) for time, name in zip(main["time"], main["symbol"], strict=True)]
        np.testing.assert_array_equal(found, twin)
        cut = times[5]
        scrambled = other.assign(x=np.where(other["published"] > cut, -other["x"], other["x"]))
        if not (scrambled["published"] <= cut).any():
            return
        np.testing.assert_array_equal(as_of(Path(folder), main, scrambled, same)[:12], found[:12])


def as_of(folder: Path, main: pd.DataFrame, other: pd.DataFrame, same: bool) -> list[float]:
    main.to_parquet(folder / "main.parquet")
    other.to_parquet(folder / "other.parquet")
    join = {"path": str(folder / "other.parquet"), "known": "published", "same_session": same}
    try:
        return frame(folder / "main.parquet", "x", join=[join])["x"].tolist()
    except DataError as error:
        assert "no row of the main table" in error.message  # noqa: PT017 - nothing was published in time
        return [np.nan] * len(main)


def slow(time: pd.Timestamp, name: str, rows: list[tuple[object, ...]], dated: bool, same: bool) -> float:
    """The value known at a time, looked for row by row."""
    best: tuple[object, object] | None = None
    value = np.nan
    for published, month, symbol, x in rows:
        known = published <= time if same or not dated else published < time
        if symbol == name and known and (best is None or (month, published) >= best):
            best, value = (month, published), x
    return value


def test_a_list_of_members_is_a_flag(tmp_path: Path, bars: str) -> None:
    text = "date,symbol\n2024-01-02,A\n2024-01-05,A\n2024-01-05,C\n"
    assert joined(tmp_path, bars, text, "member", flag="member") == [1, 0, 0, 0, 1]
    with pytest.raises(DataError, match=r"join\[0\]: .* has no columns beside its keys.*flag: member"):
        joined(tmp_path, bars, text, "close")
    both = frame(bars, "x", "in", join=[{"path": write(tmp_path / "b.csv", "symbol,x\nB,7\n"), "flag": "in"}])
    assert both["in"].tolist() == [0, 1, 0, 1, 0]
    assert both["x"].dropna().tolist() == [7, 7]


def test_midnights_of_another_zone_are_not_the_day_before(tmp_path: Path, bars: str) -> None:
    text = "published,symbol,x\n2024-01-02T00:00:00Z,A,1\n2024-01-03T00:00:00Z,A,2\n"
    with pytest.raises(DataError, match=r"join\[0\]\.zone: all times are midnight in UTC; in America/New_York"):
        joined(tmp_path, bars, text, known="published", zone="America/New_York")


def test_a_later_date_beside_the_time_of_a_join_and_few_partners_are_named(tmp_path: Path, bars: str) -> None:
    text = "period_end,announced,symbol,x\n2024-01-02,2024-02-20,A,1\n2024-01-03,2024-02-21,B,2\n"
    path = write(tmp_path / "other.csv", text)
    by_time = table(bars, join=[{"path": path, "time": "period_end"}])
    (said,) = by_time.remarks(["x", "close"])
    assert "join[0]: it is joined by 'period_end', and 'announced' is later (40% of the rows" in said
    assert "write known: announced" in said
    assert by_time.remarks(["close"]) == []
    dense = "date,symbol,x\n2024-01-02,A,1\n2024-01-02,B,2\n2024-01-03,A,1\n"
    assert table(bars, join=[{"path": write(tmp_path / "dense.csv", dense)}]).remarks(["x"]) == []
    sparse = write(tmp_path / "sparse.csv", "date,symbol,x\n2024-01-05,A,1\n")
    (few,) = table(bars, join=[{"path": sparse}]).remarks(["x"])
    assert "join[0]: 20% of the rows have a row there" in few
    assert table(bars, join=[{"path": sparse, "flag": "there"}]).remarks(["there"]) == []

"""Times of every form become one kind of index, and local ones are right when clocks change."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.tasks.errors import DataError
from rollq.workers.tables.clock.local_times import localized
from rollq.workers.tables.source_spec import SourceSpec
from tests.unit.workers.tables.made import cells, frame, write

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "America/Santiago", "Asia/Tehran")


def times(path: Path | str, **kwargs: object) -> pd.DatetimeIndex:
    return frame(path, **kwargs).index.get_level_values("datetime")


@pytest.mark.parametrize(
    ("texts", "kwargs", "expected"),
    [
        (("2024-01-02", "2024-01-03"), {}, ("2024-01-02", "2024-01-03")),
        (("20240102", "20240103"), {}, ("2024-01-02", "2024-01-03")),
        (("2024-01-02 09:30", "2024-01-02T10:00"), {}, ("2024-01-02 09:30", "2024-01-02 10:00")),
        (("2024-W05", "2024-W52"), {}, ("2024-01-29", "2024-12-23")),
        (("2024-03", "2024-04"), {}, ("2024-03-01", "2024-04-01")),
        (("2024Q1", "2024-Q4"), {}, ("2024-01-01", "2024-10-01")),
        (("02.01.2024", "03.01.2024"), {"time": "date", "time_format": "%d.%m.%Y"}, ("2024-01-02", "2024-01-03")),
        (("2024-01-02 00:00:00", "2024-01-03 00:00:00"), {"zone": "Asia/Tokyo"}, ("2024-01-02", "2024-01-03")),
        (("2023", "2024"), {"time": "date"}, ("2023-01-01", "2024-01-01")),
    ],
)
def test_dates_and_times_without_a_zone(
    tmp_path: Path, texts: tuple[str, ...], kwargs: dict[str, object], expected: tuple[str, ...]
) -> None:
    path = write(tmp_path / "a.csv", "date,x\n" + "".join(f"{text},1\n" for text in texts))
    found = times(path, **kwargs)
    assert found.tz is None
    assert found.tolist() == [pd.Timestamp(time) for time in expected]


@pytest.mark.parametrize(
    ("texts", "kwargs", "zone", "first"),
    [
        (("2024-07-01T00:00Z", "2024-07-01T01:00Z"), {}, "UTC", "2024-07-01 00:00"),
        (("2024-07-01T00:00Z", "2024-07-01T01:00Z"), {"zone": "Asia/Tokyo"}, "Asia/Tokyo", "2024-07-01 09:00"),
        (("2024-07-01T00:00+02:00", "2024-12-01T00:00+01:00"), {"zone": "UTC"}, "UTC", "2024-06-30 22:00"),
        (("2024-07-01 05:00", "2024-07-01 06:00"), {"zone": "Asia/Kolkata"}, "Asia/Kolkata", "2024-07-01 05:00"),
        (("1719792000", "1719795600"), {"time": "date", "unit": "s"}, "UTC", "2024-07-01 00:00"),
        (("1719792000000", "1719795600000"), {"time": "date", "unit": "ms", "zone": "UTC"}, "UTC", "2024-07-01 00:00"),
    ],
)
def test_times_with_a_zone(
    tmp_path: Path, texts: tuple[str, ...], kwargs: dict[str, object], zone: str, first: str
) -> None:
    path = write(tmp_path / "a.csv", "date,x\n" + "".join(f"{text},1\n" for text in texts))
    found = times(path, **kwargs)
    assert str(found.tz) == zone
    assert found[0] == pd.Timestamp(first, tz=zone)


def test_columns_with_a_zone_keep_it_or_take_that_of_the_template(tmp_path: Path) -> None:
    hours = pd.date_range("2024-10-27", periods=5, freq="h", tz="Europe/Berlin")
    pd.DataFrame({"time": hours, "x": 1.0}).to_parquet(tmp_path / "a.parquet")
    assert (times(tmp_path / "a.parquet") == hours).all()
    assert str(times(tmp_path / "a.parquet").tz) == "Europe/Berlin"
    assert str(times(tmp_path / "a.parquet", zone="Asia/Tokyo").tz) == "Asia/Tokyo"


@pytest.mark.parametrize(("values", "fix"), [((1950, 1951), "Write time: date, if"), ((200901, 200902), "'%Y%m', if")])
def test_years_and_months_that_are_whole_numbers(tmp_path: Path, values: tuple[int, int], fix: str) -> None:
    pd.DataFrame({"date": values, "x": 1.0}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=fix):
        times(tmp_path / "a.parquet")
    form = {"time_format": "%Y%m"} if values[0] > 9999 else {}
    found = times(tmp_path / "a.parquet", time="date", **form)
    assert found.tolist() == [pd.Timestamp(f"{value}"[:4] + f"-{f'{value}'[4:] or '01'}-01") for value in values]


def test_midnights_of_a_zone_are_dates(tmp_path: Path) -> None:
    days = pd.date_range("2024-03-29", periods=4, freq="D", tz="America/New_York").tz_convert("UTC")
    pd.DataFrame({"Date": days, "x": 1.0}).to_parquet(tmp_path / "a.parquet")
    found = times(tmp_path / "a.parquet", zone="America/New_York")
    assert found.tz is None
    assert found[0] == pd.Timestamp("2024-03-29")


def test_periods_of_pandas(tmp_path: Path) -> None:
    months = pd.PeriodIndex(["2024-01", "2024-02"], freq="M", name="month")
    pd.DataFrame({"x": [1.0, 2.0]}, index=months).to_parquet(tmp_path / "a.parquet")
    assert times(tmp_path / "a.parquet").tolist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01")]


@pytest.mark.parametrize(
    ("texts", "kwargs", "error"),
    [
        (("1719792000",), {"time": "date"}, r"time: the column holds numbers such as 1719792000.*unit: s"),
        (("20241301",), {"time": "date"}, "numbers such as 20241301"),
        (("31.12.2024",), {"time": "date"}, r"'31.12.2024' is no time.*time_format"),
        (("31.12.2024",), {}, r"the column 'date' of .* holds '31.12.2024'.*time_format"),
        (("2024-01-02T00:00+01:00", "2024-07-02T00:00+02:00"), {}, r"differ in their distance from UTC.*zone:"),
        (("2024-01-02T00:00Z", "2024-07-02T00:00"), {}, "some times have a zone and some have none"),
        (("2024-01-02", ""), {}, "1 of 2 rows have no time"),
        (("2024-02-30",), {}, "a text is no time"),
        (("2024-W54",), {}, "a text is no week"),
        (("2015-W53", "2016-W53"), {}, "a text is no week: '2016-W53', as 2016 has no week 53"),
        (("2024-12", "2024-13"), {}, "a text is no month: '2024-13'"),
        (("200901", "200902"), {"time": "date"}, "numbers such as 200901.*time_format: '%Y%m'"),
        (("2024-01-02", "2024-01-03 10:00"), {}, "some texts have a time of day and some are dates"),
        (("x",), {"time": "when"}, r"time: there is no column 'when'"),
        (("2024-01-02",), {"unit": "s", "time": "date"}, r"holds texts such as '2024-01-02'.*unit"),
        (("17197920000",), {"unit": "h", "time": "date"}, "in h is the year|is no time in h"),
    ],
)
def test_what_cannot_be_told_is_an_error_with_the_fix(
    tmp_path: Path, texts: tuple[str, ...], kwargs: dict[str, object], error: str
) -> None:
    path = write(tmp_path / "a.csv", "date,x\n" + "".join(f"{text},1\n" for text in texts))
    with pytest.raises(DataError, match=error) as caught:
        times(path, **kwargs)
    assert caught.value.message.startswith("dataset.kwargs.time: ")
    assert caught.value.fix


@settings(max_examples=40)
@given(
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2015, 1, 1), date(2022, 12, 31)),
    minutes=st.sampled_from((15, 30, 60)),
    falling=st.booleans(),
)
def test_local_times_in_order_are_told_apart(zone: str, day: date, minutes: int, falling: bool) -> None:
    if zone == "Australia/Lord_Howe":
        minutes = 30  # by which its clocks change
    # Half a year from any day on: clocks change at least once where they do.
    true = pd.date_range(pd.Timestamp(day), periods=190 * 24 * 60 // minutes, freq=f"{minutes}min", tz="UTC")
    true = true.as_unit("us").tz_convert(zone)[:: -1 if falling else 1]
    both = true.append(true)
    series = np.repeat(np.arange(2, dtype=np.int32), len(true))
    found = localized(both.tz_localize(None), SourceSpec("a", zone=zone), "key", series)
    assert (found == both).all()


@pytest.mark.parametrize("series", [1, 2])
def test_a_doubled_hour_in_rows_of_no_order_is_refused(series: int) -> None:
    true = pd.date_range("2024-10-01", periods=24 * 40, freq="h", tz="Europe/Berlin").as_unit("us")
    codes = np.repeat(np.arange(series, dtype=np.int32), len(true))
    places = np.random.default_rng(0).permutation(len(codes))
    naive = true.tz_localize(None)[places % len(true)]
    spec = SourceSpec("a", zone="Europe/Berlin")
    with pytest.raises(DataError, match=r"key: 2024-10-27 02:00 occur twice .* rows in no order of time on that day"):
        localized(naive, spec, "key", codes[places])
    # Whole days may be in any order: files of months are.
    days = np.concatenate([np.flatnonzero(true.day == day) for day in (30, 27, 2)])
    assert (localized(true.tz_localize(None)[days], spec, "key") == true[days]).all()


def test_the_doubled_hour_in_rows_that_are_sorted_by_local_time(tmp_path: Path) -> None:
    rows = [f"2024-10-27 02:{minute:02},{half}" for minute in (0, 30) for half in (0, 1)]
    path = write(tmp_path / "a.csv", "time,x\n" + "\n".join(rows) + "\n")
    found = frame(path, zone="Europe/Berlin")
    assert found["x"].tolist() == [0, 0, 1, 1]
    assert [f"{time:%H:%M %z}" for time, _ in found.index] == [
        "02:00 +0200",
        "02:30 +0200",
        "02:00 +0100",
        "02:30 +0100",
    ]


def test_one_row_of_a_doubled_hour_and_a_missing_hour(tmp_path: Path) -> None:
    once = write(tmp_path / "once.csv", "time,x\n2024-10-27 01:00,1\n2024-10-27 02:00,2\n2024-10-27 03:00,3\n")
    with pytest.raises(DataError, match=r"time: 2024-10-27 02:00 occur twice in Europe/Berlin.*ambiguous: first"):
        times(once, zone="Europe/Berlin")
    assert f"{times(once, zone='Europe/Berlin', ambiguous='first')[1]:%z}" == "+0200"
    assert f"{times(once, zone='Europe/Berlin', ambiguous='second')[1]:%z}" == "+0100"
    gap = write(tmp_path / "gap.csv", "time,x\n2024-03-31 01:00,1\n2024-03-31 02:30,2\n")
    with pytest.raises(DataError, match=r"time: 2024-03-31 02:30 do not exist in Europe/Berlin.*\(1 rows\)"):
        times(gap, zone="Europe/Berlin")
    assert f"{times(gap, zone='Europe/Berlin', nonexistent='shift')[1]:%H:%M %z}" == "03:00 +0200"


def test_midnights_in_utc_are_no_evenings_before(tmp_path: Path) -> None:
    for text in ("2024-01-02T00:00:00Z", "2024-01-02 02:00+02:00"):
        path = write(tmp_path / "utc.csv", f"date,symbol,x\n{text},A,1\n")
        with pytest.raises(DataError, match=r"kwargs\.zone: .*midnight in UTC.*America/New_York.*Leave zone out"):
            frame(path, "x", zone="America/New_York")
        assert cells(frame(path, "x"))[0][0] in ("2024-01-02", "2024-01-02 02:00:00+02:00")
        assert len(frame(path, "x", zone="Asia/Manila")) == 1  # eight in the morning of the same day
    path = write(tmp_path / "hours.csv", "date,symbol,x\n2024-01-02T00:00:00Z,A,1\n2024-01-02T01:00:00Z,A,1\n")
    assert len(frame(path, "x", zone="America/New_York")) == 2

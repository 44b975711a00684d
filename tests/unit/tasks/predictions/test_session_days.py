"""The session of a row is its local date, whatever its time, its zone, and what the clocks do."""

from __future__ import annotations

import pandas as pd
import pytest

from rollq.tasks.predictions.session_days import session_days

NAMES = ["datetime", "instrument"]


def texts(rows: pd.Index | pd.DataFrame | pd.Series) -> list[str]:
    found = session_days(rows)
    assert found.tz is None
    assert found.equals(found.normalize())
    return found.strftime("%Y-%m-%d").tolist()


def hours(start: str, end: str, zone: str) -> pd.DatetimeIndex:
    return pd.date_range(pd.Timestamp(start, tz=zone), pd.Timestamp(end, tz=zone), freq="h")


def test_a_date_is_its_own_session() -> None:
    days = pd.DatetimeIndex(["2024-03-01", "2024-02-29", "2024-03-01"])
    assert session_days(days).equals(days)
    assert session_days(days).name == "session"


def test_a_time_belongs_to_the_session_of_its_day() -> None:
    times = pd.DatetimeIndex(["2024-02-29 00:00", "2024-02-29 23:59:59.999999", "2024-03-01 00:00"])
    assert texts(times) == ["2024-02-29", "2024-02-29", "2024-03-01"]


@pytest.mark.parametrize(
    ("zone", "session"),
    [
        ("UTC", "2024-06-30"),
        ("Asia/Tokyo", "2024-07-01"),
        ("America/New_York", "2024-06-30"),
        ("Asia/Kolkata", "2024-07-01"),
        ("Pacific/Kiritimati", "2024-07-01"),
    ],
)
def test_a_time_with_a_zone_belongs_to_the_day_that_it_was_there(zone: str, session: str) -> None:
    evening = pd.DatetimeIndex(["2024-06-30 20:00"], tz="UTC")
    assert texts(evening.tz_convert(zone)) == [session]


@pytest.mark.parametrize(
    ("zone", "day", "after", "number"),
    [
        ("Europe/Berlin", "2024-03-31", "2024-04-01", 23),  # 02:00 is missing
        ("Europe/Berlin", "2024-10-27", "2024-10-28", 25),  # 02:00 is there twice
        ("America/New_York", "2024-03-10", "2024-03-11", 23),
        ("America/New_York", "2024-11-03", "2024-11-04", 25),
        ("America/Santiago", "2024-09-08", "2024-09-09", 23),  # midnight is missing: the day begins at one
        ("America/Santiago", "2024-04-06", "2024-04-07", 25),  # 23:00 is there twice
        ("Asia/Beirut", "2024-03-31", "2024-04-01", 23),  # midnight is missing
        ("America/Havana", "2024-11-03", "2024-11-04", 25),  # midnight is there twice
    ],
)
def test_a_day_on_which_clocks_change_is_one_session(zone: str, day: str, after: str, number: int) -> None:
    begin = pd.Timestamp(f"{day} 12:00", tz="UTC") - pd.Timedelta(days=2)
    times = pd.date_range(begin, periods=24 * 5, freq="h").tz_convert(zone)
    found = texts(times)
    assert found.count(day) == number
    assert after in found
    assert found == sorted(found)


def test_a_session_of_many_minutes_in_a_zone_far_away_is_one() -> None:
    times = pd.date_range("2024-05-01", "2024-05-01 23:59", freq="min", tz="Australia/Lord_Howe")
    assert set(texts(times)) == {"2024-05-01"}


def test_frames_series_and_their_indexes_have_a_session_per_row_in_their_order() -> None:
    times = hours("2024-10-26 23:00", "2024-10-27 03:00", "Europe/Berlin")
    index = pd.MultiIndex.from_product([times, ["a", "b"]], names=NAMES)[::-1]
    frame = pd.DataFrame({"x": range(len(index))}, index)
    expected = [f"{time:%Y-%m-%d}" for time in index.get_level_values(0)]
    assert texts(frame) == texts(frame["x"]) == texts(index) == expected
    assert texts(frame[frame["x"] > 2]) == expected[3:]


def test_the_level_is_found_by_its_name_or_else_the_first() -> None:
    times = pd.DatetimeIndex(["2024-01-02 10:00", "2024-01-03 11:00"])
    other = pd.MultiIndex.from_arrays([["a", "b"], times], names=["instrument", "datetime"])
    nameless = pd.MultiIndex.from_arrays([times, ["a", "b"]])
    assert texts(other) == texts(nameless) == ["2024-01-02", "2024-01-03"]


def test_nothing_has_no_session_and_a_missing_time_a_missing_one() -> None:
    none = pd.MultiIndex.from_arrays([[], []], names=NAMES)
    assert texts(none) == texts(pd.DatetimeIndex([], tz="UTC")) == []
    lacking = pd.MultiIndex.from_arrays([pd.DatetimeIndex([pd.NaT, "2024-01-02 05:00"]), ["a", "b"]], names=NAMES)
    assert session_days(lacking).isna().tolist() == [True, False]

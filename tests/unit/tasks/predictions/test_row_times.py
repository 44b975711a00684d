"""Times of rows as text: nothing is lost, and dates stay dates."""

from __future__ import annotations

import pandas as pd

from rollq.tasks.predictions.row_times import are_dates, time_texts


def test_dates_are_dates_and_times_are_iso_8601() -> None:
    dates = pd.DatetimeIndex(["2024-10-27", "2024-10-28"], name="datetime")
    assert list(time_texts(dates)) == ["2024-10-27", "2024-10-28"]
    times = dates + pd.to_timedelta(["0h", "90min"])
    assert list(time_texts(times)) == ["2024-10-27T00:00:00", "2024-10-28T01:30:00"]
    zoned = dates.tz_localize("Europe/Berlin")
    assert list(time_texts(zoned)) == ["2024-10-27T00:00:00+02:00", "2024-10-28T00:00:00+01:00"]
    assert time_texts(dates).name == "datetime"
    assert [are_dates(found) for found in (dates, times, zoned, dates[:0])] == [True, False, False, True]


def test_the_hour_that_is_there_twice_is_told_apart_and_every_text_reads_back() -> None:
    times = pd.date_range("2024-10-26 22:00", periods=26, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    texts = time_texts(times)
    assert texts.is_unique
    assert [text for text in texts if "T02:" in text] == ["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"]
    assert pd.DatetimeIndex(pd.to_datetime(texts, utc=True)).equals(times.tz_convert("UTC"))

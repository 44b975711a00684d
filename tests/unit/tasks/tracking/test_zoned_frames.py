"""Frames with times in a zone come back as they were, whatever the zone and the unit."""

from __future__ import annotations

from datetime import timedelta, timezone, tzinfo

import pandas as pd
import pytest

from rollq.tasks.tracking.artifacts.codecs import codec_of
from rollq.tasks.tracking.artifacts.frames import same_table

ZONES = ["Europe/Berlin", "UTC", "Asia/Kolkata", timezone(timedelta(hours=-3, minutes=-30)), None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_an_index_of_hours_comes_back(zone: str | tzinfo | None, unit: str) -> None:
    times = pd.date_range("2024-10-26 22:00", periods=30, freq="h", tz="UTC").as_unit(unit)  # type: ignore[arg-type]
    times = times.tz_localize(None) if zone is None else times.tz_convert(zone)
    index = pd.MultiIndex.from_product([times, ["a", "b"]], names=["datetime", "instrument"])
    frame = pd.DataFrame({"score": range(60)}, index)
    for value in (frame, frame["score"], frame.xs("a", level=1), frame.reset_index(), frame.iloc[:0]):
        codec = codec_of(value)
        back = codec.decode(codec.encode(value))
        assert isinstance(back, pd.DataFrame | pd.Series)
        assert same_table(back, value)
        assert back.index.equals(value.index)

"""A file that nothing is known of is looked at: how it can be read, and what it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import DataError
from rollq.workers.tables.profile.profile import profile
from tests.tables import bars, hours, months
from tests.unit.workers.tables.made import write


def test_bars(tmp_path: Path) -> None:
    frame = bars()
    frame.loc[frame.index[5], "close"] = np.nan
    frame["in_index"] = (frame["volume"] > 300).astype(int)
    frame[frame["date"] != pd.Timestamp("2020-03-05")].to_parquet(tmp_path / "bars.parquet")
    found = profile(str(tmp_path / "bars.parquet"))
    assert (found.time, found.instrument, found.zone, found.dates, found.keys) == ("date", "symbol", None, True, {})
    assert (found.rows, found.doubled, len(found.sessions)) == (299 * 12, 0, 299)
    assert (found.frequency.name, found.frequency.weekdays) == ("daily", (0, 1, 2, 3, 4))
    assert [one.rows for one in found.instruments] == [299] * 12
    assert found.instruments[0].first == pd.Timestamp("2020-01-01")
    roles = {one.name: one.role for one in found.columns}
    same = ("open", "high", "low", "close", "volume")
    assert roles == {**{name: name for name in same}, "sector": "category", "in_index": "member"}
    assert found.column("close").missing == pytest.approx(1 / (299 * 12))
    assert found.column("sector").distinct == 3


def test_hours_with_a_zone_and_a_gap(tmp_path: Path) -> None:
    frame = hours()
    kept = frame[(frame["time"] < "2021-02-01") | (frame["time"] >= "2021-02-03")]
    kept.to_parquet(tmp_path / "load.parquet")
    found = profile(str(tmp_path / "load.parquet"))
    assert (found.time, found.instrument, found.zone, found.dates) == ("time", "zone", "Europe/Berlin", False)
    assert (found.frequency.name, found.frequency.a_day, found.frequency.missing) == ("hourly", 24, 48)
    assert [f"{start:%m-%d %H} {end:%m-%d %H}" for start, end in found.frequency.gaps] == ["01-31 23 02-03 00"]
    assert found.roles["target"] == "load"


def test_local_hours_are_given_the_zone_whose_changes_they_show(tmp_path: Path) -> None:
    times = pd.date_range("2021-10-01", periods=24 * 60, freq="h", tz="America/New_York").tz_localize(None)
    pd.DataFrame({"time": times, "load": 1.5}).to_csv(tmp_path / "load.csv", index=False)
    found = profile(str(tmp_path / "load.csv"))
    assert found.zone == "America/New_York"
    assert found.keys == {"zone": "America/New_York"}
    assert found.doubled == 0
    assert "guess" in found.said["zone"]


@pytest.mark.parametrize(
    ("text", "keys", "first"),
    [
        (
            "datum;preis\n31.01.2024;1,5\n01.02.2024;2,5\n",
            {"decimal": ",", "time": "datum", "time_format": "%d.%m.%Y"},
            "2024-01-31",
        ),
        (
            "date,x\n01/02/2024,1\n01/03/2024,2\n01/31/2024,3\n",
            {"time": "date", "time_format": "%m/%d/%Y"},
            "2024-01-02",
        ),
        ("ts,x\n1704067200,1\n1704153600,2\n", {"time": "ts", "unit": "s"}, "2024-01-01"),
        ("when,x\n1704067200000,1\n1704153600000,2\n", {"time": "when", "unit": "ms"}, "2024-01-01"),
        ("start,end,x\n2024-01-01,2024-01-02,1\n2024-01-02,2024-01-03,2\n", {"time": "start"}, "2024-01-01"),
        ("date,laden,x\n2024-01-01,a,1\n2024-01-01,b,2\n2024-01-02,a,1\n", {"instrument": "laden"}, "2024-01-01"),
        ("date,shop_1,shop_2,shop_3\n2024-01-01,1,2,3\n2024-01-02,1,2,3\n", {"wide": "value"}, "2024-01-01"),
        ("date,AAPL,MSFT,GE\n2024-01-01,1.5,2.5,3.5\n2024-01-02,1.5,2.5,3.5\n", {"wide": "close"}, "2024-01-01"),
        ("year,month,x\n2024,1,5\n2024,2,6\n", {"time": ["year", "month"]}, "2024-01-01"),
        ("date,hour,x\n2024-01-01,0,5\n2024-01-01,1,6\n2024-01-01,2,6\n", {"time": ["date", "hour"]}, "2024-01-01"),
        (
            "date,store,item,x\n2024-01-01,1,a,5\n2024-01-01,1,b,6\n2024-01-01,2,a,6\n2024-01-01,2,b,6\n",
            {"instrument": ["store", "item"]},
            "2024-01-01",
        ),
        ("date,load,temp,wind\n2024-01-01,1,2,3\n2024-01-02,1,2,3\n", {}, "2024-01-01"),
    ],
)
def test_the_keys_of_odd_forms_are_found(tmp_path: Path, text: str, keys: dict[str, object], first: str) -> None:
    found = profile(write(tmp_path / "a.csv", text))
    assert found.keys == keys
    assert f"{found.sessions[0]:%Y-%m-%d}" == first


def test_one_series_by_month(tmp_path: Path) -> None:
    months().to_csv(tmp_path / "sales.csv", index=False)
    found = profile(str(tmp_path / "sales.csv"))
    assert (found.frequency.name, found.frequency.missing, found.instrument) == ("monthly", 0, None)
    assert [one.name for one in found.instruments] == ["sales"]
    assert found.column("sales").negative > 0


def test_what_cannot_be_read_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"FILE.time: no column of .* looks like a time"):
        profile(write(tmp_path / "a.csv", "a,b\nx,1\ny,2\n"))

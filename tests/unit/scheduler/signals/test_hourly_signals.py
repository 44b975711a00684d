"""Signals with times: covered hour by hour, joined without losing the zone, and written so that it comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rollq import CoverageError, EnsembleError
from rollq.scheduler.collect.ensembles import AverageEnsemble, RollingEnsemble
from rollq.scheduler.collect.window_join import WindowJoin
from rollq.scheduler.signals.coverage import WindowPrediction, holes_in, join_windows
from rollq.scheduler.signals.files import read_signals, summary, write_csv, write_signals

ZONE = "Europe/Berlin"
DAYS = ["2024-10-26", "2024-10-27", "2024-10-28"]  # the second one has 25 hours
HOURS = pd.date_range("2024-10-26", "2024-10-29", freq="h", tz=ZONE, inclusive="left")
NAMES = ["datetime", "instrument"]


def signals(times: pd.DatetimeIndex = HOURS) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([times, ["a", "b"]], names=NAMES)
    return pd.DataFrame({"score": np.arange(len(index), dtype=float) % 7}, index)


def window(day: str, frame: pd.DataFrame, expected: pd.DataFrame | None = None) -> WindowPrediction:
    rows = frame.loc[day]
    return WindowPrediction((day, day), rows, (rows if expected is None else expected.loc[day]).index)


def test_windows_of_hours_are_joined() -> None:
    whole = signals()
    joined = join_windows([window(day, whole) for day in reversed(DAYS)], DAYS)
    pd.testing.assert_frame_equal(joined, whole, check_freq=False)
    assert joined.index.levels[0].dtype == HOURS.dtype


def test_every_hour_is_covered_exactly_once() -> None:
    whole = signals()
    lost = whole.drop((pd.Timestamp("2024-10-27 02:00+01:00").tz_convert(ZONE), "b"))
    with pytest.raises(CoverageError, match=r"no score for 1 rows: 2024-10-27T02:00:00\+01:00 b\."):
        join_windows([window(day, lost, whole) for day in DAYS], DAYS)
    with pytest.raises(CoverageError, match="an instrument twice at one time"):
        join_windows([window(day, pd.concat([whole, whole.iloc[60:61]]).sort_index()) for day in DAYS], DAYS)
    with pytest.raises(CoverageError, match="no prediction for 2024-10-28"):
        join_windows([*(window(day, whole) for day in DAYS[:2]), WindowPrediction((DAYS[2], DAYS[2]), whole[:0])], DAYS)
    late = WindowPrediction((DAYS[1], DAYS[1]), whole.loc[DAYS[1] : DAYS[2]])
    with pytest.raises(CoverageError, match="not its own: 2024-10-28"):
        join_windows([late], DAYS[1:2])


def test_a_hole_at_midnight_is_a_row_of_a_table_with_hours_and_a_day_of_one_with_dates() -> None:
    hours, dates = signals(HOURS.tz_localize(None).unique()), signals(pd.DatetimeIndex(DAYS))
    assert holes_in(hours.iloc[1:], hours.index) == ["2024-10-26T00:00:00 a"]
    assert holes_in(dates.iloc[1:], dates.index) == ["2024-10-26 a"]
    assert holes_in(hours, hours.index[:0]) == []


def test_long_windows_are_joined_one_by_one_with_their_zone() -> None:
    whole, join = signals(), WindowJoin(3)
    assert all(join.add(whole.loc[day]) for day in DAYS)
    joined = join.joined()
    pd.testing.assert_frame_equal(joined, whole, check_freq=False)  # type: ignore[arg-type]
    assert RollingEnsemble()({n: whole.loc[day] for n, day in enumerate(reversed(DAYS))}).equals(whole)


def test_models_are_averaged_hour_by_hour() -> None:
    whole = signals()
    averaged = AverageEnsemble()({"one": whole, "other": whole * 3})
    assert averaged.index.equals(whole.index)
    by_hour = averaged.groupby(level="datetime").mean()
    assert np.allclose(by_hour.dropna(), 0)


@pytest.mark.parametrize("ensemble", [AverageEnsemble(), RollingEnsemble()])
def test_two_zones_are_not_joined(ensemble: AverageEnsemble | RollingEnsemble) -> None:
    whole, dates = signals(), signals(pd.DatetimeIndex(DAYS))
    for other in (signals(HOURS.tz_convert("UTC")), signals(HOURS.tz_localize(None).unique()), dates):
        with pytest.raises(EnsembleError, match=r"different zones: Europe/Berlin, (UTC|no zone)\."):
            ensemble({"one": whole, "other": other})
    assert ensemble({"one": whole, "nothing": dates[:0]}).index.equals(whole.index)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize(
    "times", [HOURS, HOURS.tz_localize(None).unique(), HOURS.tz_convert("UTC")], ids=["zone", "naive", "UTC"]
)
def test_what_is_written_is_read(tmp_path: Path, times: pd.DatetimeIndex, unit: str) -> None:
    path = tmp_path / "signals.parquet"
    made = signals(times.as_unit(unit))  # type: ignore[arg-type]
    first = write_signals(made, path)
    back = read_signals(path)
    assert back.index.equals(made.index)
    assert str(back.index.levels[0].tz) == str(times.tz)
    assert write_signals(back, path) == first, "the same signals are the same bytes"
    first_day = "2024-10-25" if str(times.tz) == "UTC" else DAYS[0]
    assert summary(back) == {"rows": len(made), "start": first_day, "end": DAYS[2]}


def test_dates_are_written_as_they_always_were(tmp_path: Path) -> None:
    write_signals(signals(pd.DatetimeIndex(DAYS)), tmp_path / "signals.parquet")
    field = pq.read_schema(tmp_path / "signals.parquet").field("datetime")
    assert str(field.type) == "timestamp[ms]"


def test_no_digit_of_a_time_is_lost(tmp_path: Path) -> None:
    made = signals(pd.DatetimeIndex(["2024-01-02 10:00:00.123456789", "2024-01-02 10:00:00.123456790"]))
    write_signals(made, tmp_path / "signals.parquet")
    assert read_signals(tmp_path / "signals.parquet").index.equals(made.index)


def test_csv_has_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "signals.csv"
    write_csv(signals(), path)
    lines = path.read_text().splitlines()
    assert lines[0] == "datetime,instrument,score"
    assert [line[:25] for line in lines if "27T02:" in line] == ["2024-10-27T02:00:00+02:00"] * 2 + [
        "2024-10-27T02:00:00+01:00"
    ] * 2
    write_csv(signals(pd.DatetimeIndex(DAYS)), path)
    assert path.read_text().splitlines()[1] == "2024-10-26,a,0.0"

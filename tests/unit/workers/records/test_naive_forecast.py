"""The naive forecast that was possible, against a twin that looks row by row at what was known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import BadInput
from rollq.workers.expressions.span import Span
from rollq.workers.records.naive_forecast import lagged, look_ahead, natural_season, possible_lag, read_season

DAILY = pd.date_range("2024-01-01", periods=200)
HOURLY = pd.date_range("2024-01-01", periods=24 * 30, freq="h")
BERLIN = pd.date_range("2024-03-01", "2024-11-30", freq="h", tz="Europe/Berlin")
CHANGES = BERLIN[(BERLIN.month == 3) | (BERLIN.month == 10)]  # the clocks change in both
WEEKDAYS = pd.bdate_range("2024-01-01", periods=200)
SIX_DAYS = DAILY[DAILY.day_of_week != 5]
BARS = pd.DatetimeIndex([day + pd.Timedelta(minutes=m) for day in WEEKDAYS[:30] for m in range(570, 960, 30)])


def span(text: str) -> Span:
    return Span.of(int(text) if text.isdigit() else text)


@pytest.mark.parametrize(
    ("times", "season"),
    [
        (DAILY, Span.of("7d")),
        (DAILY.delete([50, 90]), Span.of("7d")),  # two days are missing
        (HOURLY, Span.of("24h")),
        (BERLIN, Span.of("24h")),
        (pd.date_range("2024-01-01", periods=900, freq="15min"), Span.of("24h")),
        (WEEKDAYS, None),
        (SIX_DAYS, None),
        (BARS, None),
        (pd.date_range("2024-01-05", periods=60, freq="W-FRI"), None),
        (pd.date_range("2024-01-31", periods=60, freq="ME"), None),
        (pd.date_range("2024-01-01", periods=60, freq="7h"), None),
        (DAILY[:2], None),
    ],
)
def test_the_season_of_times_that_are_plain(times: pd.DatetimeIndex, season: Span | None) -> None:
    assert natural_season(times) == season


@pytest.mark.parametrize(
    ("times", "ahead", "season", "lag"),
    [
        (DAILY, "1", None, "7d"),
        (DAILY, "7", None, "7d"),
        (DAILY, "12", None, "14d"),
        (DAILY, "8d", None, "14d"),
        (HOURLY, "1h", None, "24h"),
        (HOURLY, "24", None, "24h"),
        (BERLIN, "24h", None, "24h"),
        (HOURLY, "36h", None, "48h"),
        (SIX_DAYS, "12", None, "12"),
        (WEEKDAYS, "5", None, "5"),
        (HOURLY, "24h", "168h", "168h"),
        (HOURLY, "24h", "1", "24"),
        (DAILY, "12", "7", "14"),
        (WEEKDAYS, "6", "5", "10"),
        (WEEKDAYS, "6", "7d", "14d"),  # six of them are eight days or more
        (BARS, "5", "1d", "1d"),
    ],
)
def test_the_lag_is_whole_seasons_and_at_least_the_look_ahead(
    times: pd.DatetimeIndex, ahead: str, season: str | None, lag: str
) -> None:
    assert possible_lag(times, span(ahead), span(season) if season else None) == span(lag)


@pytest.mark.parametrize(("times", "lag"), [(SIX_DAYS, "12"), (DAILY, "14d"), (CHANGES, "24h"), (CHANGES, "2d")])
def test_a_twin_that_looks_row_by_row(times: pd.DatetimeIndex, lag: str) -> None:
    index = pd.MultiIndex.from_product([times, ["A", "B"]], names=["datetime", "instrument"])
    label = pd.Series(np.random.default_rng(1).normal(size=len(index)), index).drop([(times[60], "B")])
    found = lagged(label.sample(frac=1, random_state=1), span(lag))
    assert found.index.equals(label.sort_index().index)
    for name, own in label.groupby(level="instrument"):
        values = own.droplevel("instrument")
        for place, time in enumerate(values.index):
            if lag.isdigit():
                known = values.iloc[place - int(lag)] if place >= int(lag) else np.nan
            elif lag.endswith("h"):
                known = values.get(time - pd.Timedelta(lag), np.nan)
            else:
                local = time.tz_localize(None) - pd.Timedelta(days=int(lag[:-1]))
                if time.tz is not None:
                    local = local.tz_localize(time.tz, ambiguous=True, nonexistent="NaT")
                known = values.get(local, np.nan) if local is not pd.NaT else np.nan
            assert found[(time, name)] == pytest.approx(known, nan_ok=True), (time, name)


def test_the_look_ahead_is_that_of_the_label() -> None:
    def of(text: str, sessions: int = 0) -> Any:
        return SimpleNamespace(label_span=text, label_lookahead=sessions)

    assert look_ahead(of("24h"), HOURLY) == Span.of("24h")
    assert look_ahead(of("1 + 24h"), HOURLY) == Span.of(1) + Span.of("24h")
    assert look_ahead(of("", 2), HOURLY) == Span.of(48)
    assert look_ahead(of("", 6), DAILY) == Span.of(6)
    assert look_ahead(of("0"), DAILY) == look_ahead(of(""), DAILY) == Span.of(1)


@pytest.mark.parametrize("season", [0, -1, 1.5, True, "often", "0h"])
def test_a_season_is_a_number_of_rows_or_a_span(season: object) -> None:
    with pytest.raises(BadInput, match="season"):
        read_season(season)

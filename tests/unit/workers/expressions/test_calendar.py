"""What the time of a row says: by the local clock, the same for all instruments."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.expression import parse
from rollq.workers.expressions.functions import calendar
from rollq.workers.expressions.grid import Grid
from rollq.workers.expressions.node import ALSO_FUNCTIONS
from tests.unit.workers.expressions.grids import made_grid, values

HOURS = pd.date_range("2023-12-29 22:30", periods=1500, freq="5h7min", tz="America/New_York")
ONE = dt.timedelta(days=1)


def day_share(time: dt.datetime) -> float:
    return (time.hour * 60 + time.minute) / 1440


def year_share(time: dt.datetime) -> float:
    days = (dt.date(time.year + 1, 1, 1) - dt.date(time.year, 1, 1)).days
    return (time.timetuple().tm_yday - 1 + day_share(time)) / days


def quarter(time: dt.datetime) -> int:
    return (time.month + 2) // 3


TWINS: dict[str, Callable[[dt.datetime], float]] = {
    "minute": lambda time: time.minute,
    "hour": lambda time: time.hour,
    "weekday": lambda time: time.weekday(),
    "day": lambda time: time.day,
    "day_of_year": lambda time: time.timetuple().tm_yday,
    "week": lambda time: time.isocalendar().week,
    "month": lambda time: time.month,
    "quarter": quarter,
    "year": lambda time: time.year,
    "month_start": lambda time: time.day == 1,
    "month_end": lambda time: (time + ONE).month != time.month,
    "quarter_end": lambda time: quarter(time + ONE) != quarter(time),
    "year_end": lambda time: (time + ONE).year != time.year,
    "days_left": lambda time: sum((time + ONE * days).month == time.month for days in range(1, 32)),
    "day_sin": lambda time: math.sin(2 * math.pi * day_share(time)),
    "day_cos": lambda time: math.cos(2 * math.pi * day_share(time)),
    "week_sin": lambda time: math.sin(2 * math.pi * (time.weekday() + day_share(time)) / 7),
    "week_cos": lambda time: math.cos(2 * math.pi * (time.weekday() + day_share(time)) / 7),
    "year_sin": lambda time: math.sin(2 * math.pi * year_share(time)),
    "year_cos": lambda time: math.cos(2 * math.pi * year_share(time)),
}


@pytest.mark.parametrize("name", TWINS)
def test_it_is_what_the_local_clock_says(name: str) -> None:
    for times in (HOURS, pd.bdate_range("2023-01-02", periods=400)):
        grid = Grid(times, pd.Index(["a", "b"]), {})
        wanted = [float(TWINS[name](time.to_pydatetime().replace(tzinfo=None))) for time in times]
        np.testing.assert_allclose(values(name, grid), np.column_stack([wanted, wanted]), atol=1e-12)


def test_every_function_has_a_twin() -> None:
    assert {one.name for one in calendar.FUNCTIONS} == {*TWINS, "holiday"}
    assert set(TWINS) == ALSO_FUNCTIONS  # a column of such a name has a text of its own


@pytest.mark.parametrize(
    ("place", "days"),
    [
        ("DE", ["2024-05-01", "2024-10-03"]),
        ("DE-BY", ["2024-05-01", "2024-05-30", "2024-10-03"]),
        ("XNYS", ["2024-07-04"]),
    ],
)
def test_holidays(place: str, days: list[str]) -> None:
    times = pd.date_range("2024-05-01", "2024-10-31")
    found = values(f'holiday("{place}")', Grid(times, pd.Index(["a"]), {}))[:, 0]
    assert set(days) <= set(times[found == 1].strftime("%Y-%m-%d"))
    assert found.sum() < 8


@pytest.mark.parametrize(("place", "says"), [("GERMANY", "unknown"), ("DE-XX", "has no part 'XX'"), ("", "unknown")])
def test_a_place_that_is_unknown_is_named(place: str, says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        values(f'holiday("{place}")', made_grid())


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(TemplateError, match=r"rollq\[holidays\]"):
        values('holiday("FR")', made_grid())


def test_a_name_is_a_column_where_there_is_one() -> None:
    assert parse("hour", columns=["hour"], lead=None).columns == ("hour",)
    assert parse("hour", columns=["load"], lead=None).columns == ()
    assert parse("hour()", columns=["hour"], lead=None).columns == ()
    found = parse("`hour` + col('a`b')", columns=None, lead=None)
    assert found.columns == ("a`b", "hour")
    assert parse(found.text, columns=None, lead=None) == found


def test_the_calendar_is_known_ahead_without_a_row_there() -> None:
    times = pd.date_range("2024-03-29 12:00", periods=30, freq="h", tz="Europe/Berlin")
    grid = Grid(times, pd.Index(["a"]), {})
    for text in ("lead(weekday, 24h)", "weekday(ahead=24h)"):
        found = parse(text, columns=["load"], lead=None)
        assert (found.text, str(found.lookahead)) == ("weekday(ahead=24h)", "0")
    later = times + pd.Timedelta(hours=24)
    np.testing.assert_array_equal(values("lead(weekday, 24h)", grid)[:, 0], later.day_of_week)
    np.testing.assert_array_equal(values("lead(hour == 3, 24h)", grid)[:, 0], later.hour == 3)
    # The hour of the next day by the clock; where the clock jumps over it, the next that there is.
    np.testing.assert_array_equal(values("lead(hour, 1d)", grid)[:3, 0], [12, 13, 14])
    assert values("lead(hour, 1d)", grid)[14, 0] == 3
    assert values('lead(holiday("DE"), 3d)', grid)[0, 0] == 1


@pytest.mark.parametrize("text", ["lead(weekday, 1)", "lead(weekday + load, 24h)", "lead(mean(hour, 2), 24h)"])
def test_other_calendars_ahead_are_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        parse(text, columns=["load"], lead=None)

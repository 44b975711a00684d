"""Odd sessions: each check finds what it is for, leaves everything else alone, and hurts no other session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq import DataError, TemplateError
from rollq.tasks.components.dataset import Finding
from rollq.tasks.rolling.data_checks import DataChecks, left_out, with_accepted
from rollq.workers.datasets.session_checks import find, usable_closes
from rollq.workers.datasets.session_dates import find_future
from tests.synthetic import closes, long, panel

DAYS = [f"{day:%Y-%m-%d}" for day in closes().index]
DAY, NEXT = DAYS[200], DAYS[201]  # 2020-10-07, a Wednesday, and the day after it
PRICES = long(closes())


def rows(day: str, count: int = 12, close: Any = None) -> pd.DataFrame:
    """Rows of the first ``count`` instruments on a day, with closes of their own."""
    names = [f"S{number:02d}" for number in range(count)]
    values = np.linspace(40, 60, count) if close is None else close
    return pd.DataFrame({"datetime": pd.Timestamp(day), "instrument": names, "close": values})


def with_rows(more: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([PRICES, more], ignore_index=True)


def on(day: str, change: Callable[[pd.DataFrame], Any], column: str = "close") -> pd.DataFrame:
    """The prices, with one column of one day changed."""
    made = PRICES.copy()
    chosen = made["datetime"] == day
    made.loc[chosen, column] = change(made[chosen])
    return made


def times(number: float, instruments: int) -> Callable[[pd.DataFrame], Any]:
    return lambda day: day["close"] * np.where(np.arange(len(day)) < instruments, number, 1.0)


def without(day: str, instruments: int) -> pd.DataFrame:
    """Without all but so many instruments of a day."""
    gone = (PRICES["datetime"] == day) & (PRICES["instrument"] >= f"S{instruments:02d}")
    return PRICES[~gone]


def bars(day: str, instruments: int) -> pd.DataFrame:
    """With high and low, which are the wrong way round for some instruments of a day."""
    made = PRICES.assign(high=PRICES["close"] * 1.01, low=PRICES["close"] * 0.99)
    wrong = (made["datetime"] == day) & (made["instrument"] < f"S{instruments:02d}")
    made.loc[wrong, ["high", "low"]] = made.loc[wrong, ["low", "high"]].to_numpy()
    return made


BEFORE = PRICES.loc[PRICES["datetime"] == DAYS[199], "close"].to_numpy()
SATURDAY = "2020-10-10"
ODD: dict[str, tuple[pd.DataFrame, str, str, str]] = {
    "weekend of one": (with_rows(rows(SATURDAY, 1)), SATURDAY, "weekend", "it is a Saturday"),
    "weekend of all": (with_rows(rows("2020-10-11")), "2020-10-11", "weekend", "it is a Sunday"),
    "thin": (without(DAY, 2), DAY, "thin", "2 of 12 instruments have a close"),
    "placeholders": (on(DAY, lambda day: np.nan), DAY, "thin", "0 of 12"),
    "stale": (on(DAY, lambda day: BEFORE), DAY, "stale", "12 of 12"),
    "jump": (on(DAY, times(5.0, 1)), DAY, "jump", "1 of 12 instruments jump: S00 went from"),
    "fall": (on(DAY, times(0.2, 1)), DAY, "jump", "1 of 12"),
    "zero": (on(DAY, times(0.0, 1)), DAY, "price", "S00 is 0"),
    "below zero": (on(DAY, times(-1.0, 2)), DAY, "price", "2 of 12"),
    "infinite": (on(DAY, times(np.inf, 1)), DAY, "price", "S00 is inf"),
    "twice": (with_rows(rows(DAY, 1)), DAY, "duplicate", "2 rows are there twice: S00 has"),
    "blank": (with_rows(rows(DAY, 1).assign(instrument="S00 ")), DAY, "name", "'S00 '"),
    "case": (on(DAY, lambda day: day["instrument"].str.lower(), "instrument"), DAY, "name", "12 of 12"),
    "invisible": (with_rows(rows(DAY, 1).assign(instrument="S\u200b00")), DAY, "name", "1 of 12"),
    "far": (with_rows(rows("1970-01-01")), "1970-01-01", "far", "more than 366 days"),
    "bars": (bars(DAY, 7), DAY, "bar", "7 of 12"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_session_is_named_and_left_out_and_hurts_no_other(tmp_path: Path, name: str) -> None:
    prices, day, check, what = ODD[name]
    found = find(prices, DataChecks())
    assert left_out(found).keys() == {day}
    (finding,) = [one for one in found if one.check == check]
    assert (finding.session, finding.left_out) == (day, True)
    assert what in finding.what
    expected = closes().drop(index=[pd.Timestamp(day)], errors="ignore")
    kept = usable_closes(prices, DataChecks(), left_out(found))
    pd.testing.assert_frame_equal(kept, expected, check_freq=False, check_index_type=False, check_column_type=False)
    made = panel(tmp_path, prices)
    assert pd.Timestamp(day) not in made.sessions
    assert made.findings() == tuple(found)
    assert made.findings() == tuple(found)  # as it was kept


@pytest.mark.parametrize("name", ODD)
def test_what_is_accepted_by_name_stays(tmp_path: Path, name: str) -> None:
    prices, day, _, _ = ODD[name]
    every = {one.check for one in find(prices, DataChecks())}
    for accept in ([day], [f"{day}:{one}" for one in every]):
        made = panel(tmp_path, prices, data_checks={"accept": accept})
        assert pd.Timestamp(day) in made.sessions
        assert all(one.accepted and not one.left_out for one in made.findings() if one.session == day)
    other = panel(tmp_path, prices, data_checks={"accept": [f"{day}:gone", DAYS[3]]})
    assert pd.Timestamp(day) not in other.sessions


def respelt(since: str) -> pd.DataFrame:
    """With another spelling of one instrument from a day on."""
    later = (PRICES["datetime"] >= since) & (PRICES["instrument"] == "S00")
    return PRICES.assign(instrument=PRICES["instrument"].mask(later, "s00"))


WEEKENDS = pd.date_range("2020-04-04", "2021-06-26", freq="W-SAT")
LATER = {name: prices for name, (prices, _, _, _) in ODD.items()} | {
    "a weekend day that becomes usual": with_rows(pd.concat([rows(f"{day:%Y-%m-%d}") for day in WEEKENDS])),
    "a spelling that becomes the usual one": respelt(DAYS[150]),
}


@pytest.mark.parametrize("name", LATER)
def test_what_comes_later_decides_nothing(name: str) -> None:
    prices = LATER[name]
    whole = find(prices, DataChecks())
    for last in (DAYS[100], DAY, NEXT, DAYS[320]):
        known = prices[prices["datetime"] <= last]
        assert find(known, DataChecks()) == [one for one in whole if one.session <= last]
    shown = [one.session for one in whole]
    assert shown
    assert shown[-1] < DAYS[320]  # what has become usual is odd no more


def test_good_data_have_no_finding_and_single_rows_of_many_are_only_named() -> None:
    assert find(PRICES, DataChecks()) == []
    many = long(closes(sessions=60, instruments=80))
    many.loc[many.index[80 * 40], "close"] *= 5
    many.loc[many.index[80 * 50], "close"] = 0.0
    found = find(many, DataChecks())
    assert [(one.check, one.left_out) for one in found] == [("jump", False), ("jump", False), ("price", False)]
    assert usable_closes(many, DataChecks(), ()).isna().sum().sum() == 1  # the zero: a gap, like any missing close


def test_a_wrong_price_costs_one_session_but_what_stays_jumped_waits() -> None:
    moved = PRICES.copy()
    moved.loc[(moved["instrument"] == "S00") & (moved["datetime"] >= DAYS[398]), "close"] *= 10
    assert list(left_out(find(moved, DataChecks()))) == DAYS[398:]
    assert left_out(find(moved, DataChecks(accept=(DAYS[398],)))) == {}  # from there on it is compared with the new one


@pytest.mark.parametrize("kind", [str, dt.date.fromisoformat, np.datetime64])
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1066-10-14"])
def test_a_date_that_cannot_be_is_named_as_it_is(tmp_path: Path, day: str, kind: Callable[[str], Any]) -> None:
    prices = pd.concat([PRICES, rows(DAY, 1).assign(datetime=pd.NaT)], ignore_index=True)
    days = [*(f"{one:%Y-%m-%d}" for one in PRICES["datetime"]), day]
    values: Any = np.array(days, dtype="datetime64[s]") if kind is np.datetime64 else [kind(one) for one in days]
    made = panel(tmp_path, prices.assign(datetime=values), data_checks={"accept": [day]})
    assert [f"{one:%Y-%m-%d}" for one in made.sessions] == DAYS
    assert day in {one.session for one in made.findings() if one.check == "far"}
    made.check()


def test_tomorrow_depends_on_where_the_exchange_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one.session for one in find_future(DAYS, DataChecks(), DAYS[398])] == [DAYS[399]]
    assert find_future(DAYS, DataChecks(future=False), DAYS[0]) == []
    assert find_future(DAYS, DataChecks(accept=(DAYS[399],)), DAYS[398])[0].accepted

    class Late(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Late:
            return cls(2021, 3, 1, 20, tzinfo=dt.UTC).astimezone(tz)

    monkeypatch.setattr("rollq.tasks.rolling.data_checks.datetime", Late)
    today = {zone: DataChecks.of({"timezone": zone}).today() for zone in (None, "America/New_York", "Asia/Manila")}
    assert today == {None: "2021-03-02", "America/New_York": "2021-03-01", "Asia/Manila": "2021-03-02"}


def test_sessions_ahead_may_be_meant() -> None:
    def odd(**options: Any) -> list[str]:
        ahead = options.pop("ahead", 0)
        return [one.session for one in find_future(DAYS, DataChecks.of(options), DAYS[390], ahead)]

    assert odd() == DAYS[391:]
    assert odd(future=1) == DAYS[392:]
    assert odd(ahead=3) == odd(future=1, ahead=3) == DAYS[394:]
    assert odd(future="7d") == [day for day in DAYS if day > f"{pd.Timestamp(DAYS[390]) + pd.Timedelta(days=7):%F}"]
    assert odd(future=99) == odd(future=False) == []
    counts = [DataChecks.of({"future": value}).sessions_ahead(DAYS, 1) for value in (True, False, 3, "7d", "1w")]
    assert counts == [1, 1, 3, 5, 5]
    (first, *_) = find_future(DAYS, DataChecks(future=2), DAYS[390])
    assert f"and after {DAYS[392]}, the last that is meant to be ahead" in first.what


@pytest.mark.parametrize("value", [0, -1, "36h", "soon", 1.5, "1"])
def test_what_is_no_number_of_sessions_ahead_is_named(value: object) -> None:
    with pytest.raises(TemplateError, match=r"data_checks.future: .*how many sessions after today are meant: 1, or 2d"):
        DataChecks.of({"future": value})


def test_only_the_universe_is_looked_at_but_thin_and_stale_sessions_are_so_for_all(tmp_path: Path) -> None:
    jumped = on(DAY, times(9.0, 1))
    assert pd.Timestamp(DAY) in panel(tmp_path, jumped, universe=["S01", "S02"]).sessions
    assert pd.Timestamp(DAY) not in panel(tmp_path, jumped, universe=["S00", "S02"]).sessions
    assert pd.Timestamp(DAY) not in panel(tmp_path, without(DAY, 2), universe=["S00", "S01"]).sessions
    assert pd.Timestamp(DAY) not in panel(tmp_path, on(DAY, lambda day: BEFORE), universe=["S00", "S01"]).sessions


@pytest.mark.parametrize("off", [False, {"thin": None}, {"thin": False}, {"thin": 0.1}])
def test_a_check_can_be_switched_off(off: Any) -> None:
    assert find(without(DAY, 2), DataChecks.of(off)) == []
    assert with_accepted(False, ["2020-01-02"]) is False


def test_where_too_much_is_odd_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"of 400 sessions are odd: .*thin") as caught:
        panel(tmp_path, PRICES[(PRICES["datetime"] < DAYS[300]) | (PRICES["instrument"] < "S03")]).check()
    assert "data_checks" in caught.value.fix
    with pytest.raises(DataError, match="no session of"):
        panel(tmp_path, rows("9999-12-31")).check()


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"thinn": 0.5}, "unknown key 'thinn'"),
        ({"thin": 1.5}, "data_checks.thin"),
        ({"jump": "3"}, "data_checks.jump"),
        ({"jump": -1}, "data_checks.jump"),
        ({"jump": float("nan")}, "data_checks.jump"),
        ({"far": 1.5}, "data_checks.far"),
        ({"weekend": "no"}, "neither true nor false"),
        ({"timezone": "Mars/Base"}, "no time zone"),
        ({"accept": "2019-07-06"}, "a list of sessions"),
        ({"accept": ["20190706"]}, "no session"),
        ({"accept": ["2019-07-06:jumps"]}, "no check 'jumps'"),
        ([], "it is a mapping"),
    ],
)
def test_what_a_template_may_not_say(section: Any, says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        DataChecks.of(section)


def test_what_it_may_say_comes_back() -> None:
    checks = DataChecks.of({"thin": 0.3, "accept": [dt.date(2019, 7, 6), "2019-07-09:jump"], "jump": None})
    assert DataChecks.of(checks.to_dict()) == checks
    assert checks.accepts("2019-07-06", "thin")
    assert checks.accepts("2019-07-09", "jump")
    assert not checks.accepts("2019-07-09", "thin")
    assert with_accepted({"thin": 0.3}, ["2019-07-06"]) == {"thin": 0.3, "accept": ["2019-07-06"]}
    assert str(Finding("2019-07-06", "thin", "2 of 20", True)) == "2019-07-06 (thin): 2 of 20"

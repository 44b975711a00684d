"""TimeAdjuster against the reference's cases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq import CalendarError, SegmentError, TimeAdjuster
from rollq.tasks.rolling.calendar import default_calendar, set_default_calendar
from tests.golden_cases import adjuster, cases, plain

# What rollq does where the reference raises by accident or answers with a negative index.
DEFECTS = {
    "time_adjuster:15": CalendarError,  # get(-1): the last session
    "time_adjuster:17": CalendarError,  # get(-31): IndexError
    "time_adjuster:24": CalendarError,  # an end before the calendar: the last session
    "time_adjuster:42": CalendarError,  # a start past the calendar: IndexError
    "time_adjuster:49": CalendarError,  # an unknown tp_type: NotImplementedError
    "time_adjuster:50": CalendarError,
    "time_adjuster:63": SegmentError,  # a bare date as segment: NotImplementedError
    "time_adjuster:68": SegmentError,  # nothing is left: AssertionError
    "time_adjuster:78": SegmentError,  # past the calendar: KeyError
    # Not marked as a defect, but the same wrap-around: the start becomes a session five weeks later.
    "time_adjuster:74": CalendarError,
}
END_TIMES = {"time_adjuster:20": "2020-01-15"}  # made after set_end_time


def number(case: dict[str, Any]) -> str:
    return ":".join(case["id"].split(":")[:2])


@pytest.mark.parametrize("case", cases("time_adjuster"))
def test_reference(case: dict[str, Any]) -> None:
    calendar = adjuster(case["calendar"], case["future"])
    assert case["reference_defect"] <= (number(case) in DEFECTS)
    if number(case) in END_TIMES:
        calendar = TimeAdjuster(calendar.cals)
        calendar.set_end_time(END_TIMES[number(case)])
    method = getattr(calendar, case["method"])
    if number(case) in DEFECTS:
        with pytest.raises(CalendarError) as raised:
            method(*case["args"], **case["kwargs"])
        assert type(raised.value) is DEFECTS[number(case)]
        assert raised.value.fix
        return
    assert plain(method(*case["args"], **case["kwargs"])) == case["output"]


@pytest.mark.parametrize("kind", [str, date.fromisoformat, pd.Timestamp, np.datetime64])
def test_any_kind_of_date(kind: Any) -> None:
    calendar = TimeAdjuster([kind("2020-01-01"), kind("2020-01-02"), kind("2020-01-06")])
    assert calendar.align_seg([kind("2020-01-03"), kind("2020-01-05")]) == (calendar.get(2), calendar.get(1))
    assert isinstance(calendar.max(), pd.Timestamp)


def test_sessions_may_come_in_any_order_and_twice() -> None:
    calendar = TimeAdjuster(["2020-01-03", "2020-01-01", "2020-01-02", "2020-01-02"])
    assert [calendar.get(position) for position in range(4)] == [
        *map(pd.Timestamp, ("20200101", "20200102", "20200103")),
        None,
    ]
    assert calendar.max() == pd.Timestamp("2020-01-03")


@pytest.mark.parametrize(
    "sessions", [[], ["not a date"], [None], [20200101], [True], [pd.NaT], [""], ["2020-01-01T00:00Z"]]
)
def test_bad_sessions_are_refused(sessions: list[Any]) -> None:
    with pytest.raises(CalendarError) as raised:
        TimeAdjuster(sessions)
    assert raised.value.fix


def test_future_sessions_must_hold_the_known_ones() -> None:
    known = ["2020-01-01", "2020-01-02"]
    assert TimeAdjuster(known, [*known, "2020-01-03"]).max() == pd.Timestamp("2020-01-03")
    assert TimeAdjuster(known, [*known, "2020-01-03"]).last_known == pd.Timestamp("2020-01-02")
    assert TimeAdjuster(known, []).max() == pd.Timestamp("2020-01-02")  # none published
    with pytest.raises(CalendarError, match="2020-01-01"):
        TimeAdjuster(known, ["2020-01-03"])


def test_end_time_can_be_set_and_lifted() -> None:
    calendar = TimeAdjuster(["2020-01-01", "2020-01-02", "2020-01-06"])
    calendar.set_end_time("2020-01-05")
    assert calendar.max() == pd.Timestamp("2020-01-02")
    calendar.set_end_time()
    assert calendar.max() == pd.Timestamp("2020-01-06")
    with pytest.raises(CalendarError):
        calendar.set_end_time("2019-12-31")


@pytest.mark.parametrize("method", ["shift", "truncate"])
def test_lists_are_segments_too(method: str) -> None:
    calendar = adjuster("biz30")
    rest: tuple[Any, ...] = (2,) if method == "shift" else ("2020-01-22", 3)
    pair = ("2020-01-02", "2020-01-10")
    assert getattr(calendar, method)(list(pair), *rest) == getattr(calendar, method)(pair, *rest)


@pytest.mark.parametrize("segment", [slice("2020-01-01", "2020-01-03"), ("2020-01-01",), None, "20", 5, {1, 2}])
def test_what_is_no_segment(segment: Any) -> None:
    with pytest.raises(SegmentError):
        adjuster("biz30").align_seg(segment)


def test_open_bounds() -> None:
    calendar = adjuster("biz30")
    assert calendar.align_seg((None, None)) == (None, None)
    assert calendar.shift((None, None), 3) == (None, None)
    # An open end reaches into the test segment: it is cut. The reference raises TypeError on either.
    assert plain(calendar.truncate((None, None), "2020-01-22", 3)) == [None, "2020-01-17"]
    with pytest.raises(CalendarError):
        calendar.cal_interval(None, "2020-01-22")
    with pytest.raises(SegmentError):
        calendar.truncate(("2020-01-02", "2020-01-10"), None, 3)
    with pytest.raises(SegmentError, match="unknown"):
        calendar.shift(("2020-01-02", "2020-01-10"), 1, "round")


def test_a_segment_may_start_one_session_past_the_calendar() -> None:
    last = ("2020-02-11", "2020-02-11")
    assert adjuster("biz30").shift(last, 1) == (None, None)
    with pytest.raises(SegmentError):
        adjuster("biz30").shift(last, 2)


@pytest.fixture
def of_the_process() -> Iterator[TimeAdjuster]:
    """The calendar that ``rollq.init`` would find: ten sessions, of which the last two have no data yet."""
    days = pd.bdate_range("2020-01-01", periods=10)
    calendar = TimeAdjuster(days[:8], days)
    before = default_calendar()
    set_default_calendar(calendar)
    yield calendar
    set_default_calendar(before)


def test_without_sessions_it_is_the_calendar_of_the_process(of_the_process: TimeAdjuster) -> None:
    of_the_process.set_end_time("2020-01-03")  # of another object
    assert TimeAdjuster().max() == pd.Timestamp("2020-01-14")
    assert TimeAdjuster().last_known == TimeAdjuster(future=False).max() == pd.Timestamp("2020-01-10")
    shorter = TimeAdjuster(end_time="2020-01-08")
    assert shorter.max() == pd.Timestamp("2020-01-08")
    shorter.set_end_time()
    assert shorter.max() == pd.Timestamp("2020-01-14")


@pytest.mark.usefixtures("of_the_process")
def test_what_is_no_list_of_sessions_is_refused() -> None:
    with pytest.raises(CalendarError, match="by name"):
        TimeAdjuster(True)  # type: ignore[arg-type]


def test_without_sessions_and_without_a_calendar_it_says_what_to_do() -> None:
    before = default_calendar()
    set_default_calendar(None)
    try:
        with pytest.raises(CalendarError, match=r"rollq\.init"):
            TimeAdjuster()
    finally:
        set_default_calendar(before)


def test_an_interval_by_name() -> None:
    days = TimeAdjuster(pd.bdate_range("2020-01-01", periods=10))
    assert days.cal_interval(time_point_A="2020-01-06", time_point_B="2020-01-02") == 2

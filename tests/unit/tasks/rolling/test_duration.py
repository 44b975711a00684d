"""Durations: what is accepted, where they lead, and that nothing that looks so far ahead is kept."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from rollq import RollingGen, SegmentError, TemplateError, TimeAdjuster
from rollq.tasks.rolling.duration import Duration, distance, following_test, sessions_before, step_of

KEY = "rolling.kwargs.purge"
DAY = pd.Timedelta(days=1)


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


@pytest.mark.parametrize("text", ["7d", "2w", "24h", "90min", "1M"])
def test_a_duration_reads_as_it_is_written(text: str) -> None:
    assert str(distance(text, KEY, 0)) == text
    assert distance(5, KEY, 0) == 5


@pytest.mark.parametrize(
    "value", ["7", "0d", "-7d", "7 d", "1.5d", "7D", "1m", "1y", "", "d", True, 1.5, None, [7], -1]
)
def test_what_is_neither_a_number_nor_a_duration_is_named(value: object) -> None:
    with pytest.raises(TemplateError, match=r"rolling.kwargs.purge: .* is not possible\. Use a whole number .*7d, 2w"):
        distance(value, KEY, 0)


@pytest.mark.parametrize("value", ["36526d", "999999w", "999999M", "876601h"])
def test_a_duration_of_more_than_a_hundred_years_is_refused(value: str) -> None:
    with pytest.raises(TemplateError, match=rf"rolling.kwargs.purge: '{value}' is more than a hundred years"):
        distance(value, KEY, 0)
    assert distance("36525d", KEY, 0)


def test_windows_begin_on_days() -> None:
    assert [str(step_of(text, KEY)) for text in ("24h", "48h", "1440min", "3d")] == ["24h", "48h", "1440min", "3d"]
    with pytest.raises(TemplateError, match="'36h' is no number of days"):
        step_of("36h", KEY)
    assert step_of("24h", KEY).after(day("2024-03-30"), 3) == day("2024-04-02")  # type: ignore[union-attr]


def test_months_are_those_of_the_calendar_and_count_from_the_start() -> None:
    month, start = Duration(1, "M"), day("2024-01-31")
    points = [start]
    for _ in range(4):
        points.append(month.next(start, points[-1]))
    assert points == [day(text) for text in ("2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31")]


def test_hours_reach_one_day_further_because_clocks_may_change() -> None:
    """From 23:30 before the day of 23 hours, 24 hours lead beyond it."""
    late = pd.Timestamp("2024-03-30 23:30", tz="Europe/Berlin")
    touched = (late + pd.Timedelta(hours=24)).tz_localize(None).normalize()
    assert touched == day("2024-04-01")
    assert Duration(24, "h").reached(day("2024-03-30")) >= touched
    assert Duration(1, "h").reached(day("2024-03-30")) == day("2024-03-31")
    assert Duration(7, "d").reached(day("2024-03-30")) == day("2024-04-06")


@given(
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "America/Santiago"]
    ),
    st.integers(0, 365 * 24 * 4 - 1),
    st.integers(1, 24 * 60 * 9),
)
@settings(max_examples=60, deadline=None)
def test_no_hour_of_a_day_looks_beyond_what_is_reached(zone: str, quarter: int, minutes: int) -> None:
    """Zones whose clocks move by half an hour, one hour and two; also those that move them at midnight."""
    time = (pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(minutes=15 * quarter)).tz_convert(zone)
    ahead = (time + pd.Timedelta(minutes=minutes)).tz_localize(None).normalize()
    assert Duration(minutes, "min").reached(time.tz_localize(None).normalize()) >= ahead


@given(st.integers(-900, 900), st.integers(1, 40), st.sampled_from(["d", "w", "M"]), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_the_next_point_is_the_first_of_the_grid(offset: int, number: int, unit: str, begin: int) -> None:
    step, start = Duration(number, unit), day("2024-01-01") + begin * DAY
    after = start + offset * DAY
    found = step.next(start, after)
    grid = [step.after(start, times) for times in range(1000)] if unit != "M" else _months(step, start)
    assert found == min(point for point in grid if point > after)


def _months(step: Duration, start: pd.Timestamp) -> list[pd.Timestamp]:
    return [step.after(start, times) for times in range(40)]


def test_a_number_of_sessions_is_itself_and_a_duration_counts_those_of_the_calendar() -> None:
    calendar = list(pd.bdate_range("2024-01-01", periods=30))
    assert sessions_before(calendar, calendar[20], 3) == 3
    # Monday 2024-01-29: what is seven days before looks into it, the Friday before that does not.
    assert sessions_before(calendar, day("2024-01-29"), Duration(7, "d")) == 5
    assert sessions_before(calendar, day("2024-01-29"), Duration(1, "w")) == 5
    assert sessions_before(calendar, day("2024-01-30"), Duration(1, "d")) == 1
    assert sessions_before(calendar, day("2024-01-29"), Duration(1, "d")) == 0  # a weekend lies between
    assert sessions_before(calendar, day("2024-01-30"), Duration(1, "d"), 2, Duration(24, "h")) == 3


def test_the_next_window_is_found_on_texts_and_on_times() -> None:
    calendar = list(pd.bdate_range("2024-01-01", periods=30))
    texts = [f"{one:%Y-%m-%d}" for one in calendar]
    for sessions in (calendar, texts):
        assert following_test(Duration(1, "w"), "2024-01-03", sessions, 2) == 7
        assert following_test(Duration(1, "w"), "2024-01-06", sessions, 5) == 10  # a Saturday: Monday each week
        assert following_test(5, "2024-01-03", sessions, 2) == 7
        assert following_test(Duration(1, "M"), "2024-01-03", sessions, 2) == 25  # 3 February is a Saturday
        assert following_test(Duration(9, "w"), "2024-01-03", sessions, 2) == len(sessions)


# -- windows ----------------------------------------------------------------------------------------------------------


def segments_of(generator: RollingGen, segments: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        tasks = generator.generate({"dataset": {"kwargs": {"segments": segments}}})
    except SegmentError:  # too much is cut away from too short a segment
        reject()
    return [task["dataset"]["kwargs"]["segments"] for task in tasks]


def test_a_week_is_a_week_whatever_its_holidays() -> None:
    days = pd.bdate_range("2024-01-01", "2024-02-16").drop([day("2024-01-29"), day("2024-01-30")])
    generator = RollingGen(step="1w", rtype="sliding", trunc_days="2d", calendar=TimeAdjuster(days))
    found = segments_of(generator, {"train": ("2024-01-01", "2024-01-12"), "test": ("2024-01-15", None)})
    assert [f"{one['test'][0]:%m-%d}" for one in found] == ["01-15", "01-22", "01-31", "02-05", "02-12"]
    assert [one["test"][1] and f"{one['test'][1]:%m-%d}" for one in found] == ["01-19", "01-26", "02-02", "02-09", None]
    # Friday and two days is before Monday; of a week that begins on Wednesday, Friday is, too.
    assert [f"{one['train'][1]:%m-%d}" for one in found] == ["01-12", "01-19", "01-26", "02-02", "02-09"]


def test_later_windows_of_a_window_are_those_of_the_template() -> None:
    days = pd.bdate_range("2024-01-01", "2024-12-31")
    generator = RollingGen(step="1M", purge="7d", embargo=1, calendar=TimeAdjuster(days))
    template = {
        "dataset": {"kwargs": {"segments": {"train": (days[0], days[40]), "test": ("2024-04-01", "2024-09-30")}}}
    }
    first, *rest = generator.generate(template)
    assert len(rest) == 5
    again = generator.gen_following_tasks(first, day("2024-09-30"))
    assert [one["dataset"]["kwargs"]["segments"]["test"] for one in again] == [
        one["dataset"]["kwargs"]["segments"]["test"] for one in rest
    ]


def test_an_embargo_comes_on_top_of_a_purge() -> None:
    days = pd.bdate_range("2024-01-01", periods=60)
    segments = {"train": (days[0], days[29]), "valid": (days[30], days[39]), "test": (days[40], days[49])}
    found = segments_of(RollingGen(10, purge=2, embargo=3, calendar=TimeAdjuster(days)), segments)[0]
    assert found == {"train": (days[0], days[24]), "valid": (days[30], days[34]), "test": (days[40], days[49])}
    dated = segments_of(RollingGen(10, purge="2d", embargo="3d", calendar=TimeAdjuster(days)), segments)[0]
    # Five days before Monday, 26 February: Tuesday's end on Sunday.
    assert dated["valid"][1] == day("2024-02-20")
    assert dated["test"] == found["test"]


DURATIONS = st.builds("{}{}".format, st.integers(1, 12), st.sampled_from(["d", "h"])) | st.sampled_from(["1w", "3w"])
GAPS = st.integers(0, 3) | DURATIONS


@st.composite
def rolled(draw: st.DrawFn) -> tuple[RollingGen, dict[str, Any]]:
    """A calendar with holes, some longer than a step; a part of the gaps in sessions, a part as durations."""
    gaps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 3, 4, 30]), min_size=60, max_size=140))
    days = [day("2020-01-01") + pd.Timedelta(days=sum(gaps[:position])) for position in range(len(gaps))]
    # Nothing but train may be cut away; what is left of it is checked by the generator itself.
    first = draw(st.integers(45, 55))
    segments = {"train": (days[0], days[first - 1]), "test": (days[first] - DAY * int(gaps[first - 1] > 1), None)}
    generator = RollingGen(
        step=draw(st.builds("{}{}".format, st.integers(1, 5), st.sampled_from(["d", "w", "M"])) | st.integers(1, 20)),
        rtype=draw(st.sampled_from(["expanding", "sliding"])),
        trunc_days=draw(st.none() | GAPS),
        purge=draw(GAPS),
        embargo=draw(st.integers(0, 2) | st.sampled_from(["1d", "5d"])),
        calendar=TimeAdjuster(days),
    )
    return generator, segments


@given(rolled())
@settings(max_examples=60, deadline=None)
def test_no_label_reaches_its_test_and_every_session_is_tested_once(example: tuple[RollingGen, dict[str, Any]]) -> None:
    generator, segments = example
    days, found = generator.ta.cals, segments_of(generator, segments)
    tested = [one for window in found for one in days if window["test"][0] <= one <= (window["test"][1] or days[-1])]
    assert tested == [one for one in days if one >= segments["test"][0]]
    for window in found:
        begin, last = window["test"][0], window["train"][1]
        assert last < begin
        for gap in (generator.trunc_days, generator.purge, generator.embargo):
            made = distance(gap or 0, KEY, 0)
            if isinstance(made, Duration):
                assert made.reached(last) < begin, (gap, last, begin)
            else:
                assert days.index(begin) - days.index(last) >= made


@given(rolled(), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_windows_stay_where_they_are_when_sessions_come(example: tuple[RollingGen, dict[str, Any]], less: int) -> None:
    generator, segments = example
    days = generator.ta.cals
    known = max(days.index(next(one for one in days if one >= segments["test"][0])) + 1, len(days) - less)
    whole = segments_of(generator, segments)
    arguments = {name: getattr(generator, name) for name in ("step", "rtype", "trunc_days", "purge", "embargo")}
    early = segments_of(RollingGen(**arguments, calendar=TimeAdjuster(days[:known])), segments)
    assert len(early) <= len(whole)
    for before, after in zip(early, whole, strict=False):
        assert before["train"] == after["train"]
        assert before["test"][0] == after["test"][0]
        assert before["test"][1] in (None, after["test"][1])

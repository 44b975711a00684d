"""The windows that a strategy plans session by session: those of the reference, and never with a look ahead."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rollq import RollingStrategy, TemplateError
from rollq.scheduler.strategies.latest import latest_of
from rollq.scheduler.strategies.plan import Latest, Plan
from rollq.tasks.config.settings import load_settings
from rollq.tasks.definition import Definition, planned_test, segments_of
from rollq.tasks.rolling.cutter import WindowCutter
from rollq.tasks.rolling.online_options import OnlineOptions
from rollq.tasks.rolling.template import Template
from tests.golden_cases import FOLDER
from tests.online_strategies import COMPONENTS

SETTINGS = load_settings(state_dir=Path("unused"), components=COMPONENTS)
GOLDEN = json.loads((FOLDER / "online_history.json").read_text())["cases"]


def template(calendar: str, segments: Any, until: str | None = None, challengers: Any = (), **kwargs: Any) -> Template:
    dataset = {"class": "CalendarDataset", "kwargs": {"calendar": calendar, "segments": segments, "until": until}}
    definition = {"model": {"class": "RidgeModel"}, "dataset": dataset, "record": []}
    options = OnlineOptions.of({"refit_every": kwargs.pop("refit_every", None)})
    rolling = {"class": "RollingGen", "kwargs": kwargs}
    return Template("t", copy.deepcopy(definition), rolling, {}, options, dict.fromkeys(challengers, definition))


@cache
def days_of(calendar: str) -> list[str]:
    found: list[str] = json.loads((FOLDER / "calendars.json").read_text())[calendar]["day"]
    return found


def walk(strategy: RollingStrategy, days: list[str], until: str | None = None) -> dict[str, Plan]:
    """What is planned on each session that brings something new, as routine and simulation plan it."""
    found: dict[str, Plan] = {}
    latest = Latest("")
    for day in days:
        plan = strategy.plan(day, latest if latest.start else None, until)
        if plan.definitions:
            ids = [str(number) for number in range(len(plan.definitions))]
            found[day], latest = plan, latest_of(plan.definitions, ids, latest)
    return found


def closed(definition: Definition, calendar: str, step: int) -> list[str]:
    """The planned test segment on the whole calendar: that of the reference, which knows the days to come."""
    start, end = planned_test(definition)
    days = days_of(calendar)
    return [start, end or days[days.index(start) + step - 1]]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["kind"])
@pytest.mark.parametrize("live", [True, False], ids=["live", "simulation"])
def test_models_come_online_on_the_days_of_the_reference(case: dict[str, Any], live: bool) -> None:
    made = template(case["calendar"], case["template_segments"], step=case["step"], rtype=case["rtype"])
    days = [day for day in days_of(case["calendar"]) if case["begin"] <= day <= case["end"]]
    assert len(days) == case["routines"]
    plans = walk(RollingStrategy.of_template(made, SETTINGS), days, None if live else case["end"])
    changes = [
        {
            "date": day,
            "online_test_segments": [closed(task, case["calendar"], case["step"]) for task in plan.definitions],
        }
        for day, plan in plans.items()
    ]
    assert changes == case["history_changes"]


segments = st.builds(
    lambda train, gap, test: {
        "train": [days_of("biz60")[0], days_of("biz60")[train]],
        "test": [days_of("biz60")[train + gap + 1], None if test is None else days_of("biz60")[train + gap + 1 + test]],
    },
    st.integers(4, 20),
    st.integers(0, 4),
    st.one_of(st.none(), st.integers(0, 30)),
)
ROLLING = st.fixed_dictionaries(
    {
        "step": st.integers(1, 9) | st.sampled_from(["3d", "1w", "48h", "1M"]),
        "rtype": st.sampled_from(["sliding", "expanding"]),
        "purge": st.sampled_from([0, 0, "1d", "24h"]),
    }
)


@hypothesis_settings(max_examples=40, deadline=None)
@given(segments, ROLLING, st.data())
def test_a_session_is_planned_without_knowing_any_later_one(
    segments: Any, rolling: dict[str, Any], data: st.DataObject
) -> None:
    days = days_of("biz60")
    session = data.draw(st.sampled_from([day for day in days if day >= segments["test"][0]]))
    whole = WindowCutter(template("biz60", segments, **rolling), SETTINGS)
    blind = WindowCutter(template("biz60", segments, until=session, **rolling), SETTINGS)
    seen, unseen = whole.at(session), blind.at(session)
    for one in (*seen.definitions, *unseen.definitions):
        del one["dataset"]["kwargs"]["until"]
    assert seen == unseen
    assert all(day <= session for day in seen.sessions)


@hypothesis_settings(max_examples=40, deadline=None)
@given(segments, ROLLING, st.data())
def test_windows_that_come_one_by_one_are_all_windows(
    segments: Any, rolling: dict[str, Any], data: st.DataObject
) -> None:
    days = days_of("biz60")
    made = template("biz60", segments, **rolling)
    begin = data.draw(st.sampled_from([day for day in days if day >= segments["test"][0]]))
    every = data.draw(st.integers(1, 3))  # a machine that slept catches up, or a simulation looks now and then only
    known = [day for day in days if day >= begin][::every]
    until = days[-1]
    plans = walk(RollingStrategy.of_template(made, SETTINGS), known, until)
    came = [task for plan in plans.values() for task in plan.definitions]
    starts = [planned_test(task)[0] for task in came]
    endless = {**segments, "test": [segments["test"][0], None]}  # the end of a template is none for the routine
    cut = WindowCutter(template("biz60", endless, **rolling), SETTINGS).all().definitions
    begun = [str(segments_of(task)["test"][0]) for task in cut]
    assert starts == [start for start in begun if start <= known[-1]]
    assert [segments_of(task)["train"] for task in came] == [segments_of(task)["train"] for task in cut[: len(came)]]
    for day, plan in plans.items():  # on the first session that was looked at when its test segment had begun
        seen = [one for one in known if one < day]
        assert all(
            planned_test(task)[0] <= day and (not seen or planned_test(task)[0] > seen[-1]) for task in plan.definitions
        )
    covered = {day for plan in plans.values() for day in plan.sessions}
    assert {day for day in days if starts[0] <= day <= known[-1]} <= covered


def test_refit_every_is_the_step_of_the_windows() -> None:
    segments = {"train": [days_of("biz60")[0], days_of("biz60")[9]], "test": [days_of("biz60")[10], None]}
    slow = walk(
        RollingStrategy.of_template(template("biz60", segments, step=5, refit_every=15), SETTINGS),
        days_of("biz60")[10:],
    )
    assert list(slow) == days_of("biz60")[10::15]
    assert [planned_test(task)[0] for plan in slow.values() for task in plan.definitions] == list(slow)


def test_a_refit_every_week_is_one_whatever_the_holidays() -> None:
    days = days_of("biz60")
    segments = {"train": [days[0], days[9]], "test": [days[10], None]}
    weekly = walk(
        RollingStrategy.of_template(template("biz60", segments, step=5, refit_every="1w"), SETTINGS), days[10:]
    )
    begin, plain = pd.Timestamp(days[10]), [pd.Timestamp(day) for day in days[10:]]
    weeks = pd.date_range(begin, plain[-1], freq="7D")
    assert list(weekly) == [f"{next(day for day in plain if day >= week):%Y-%m-%d}" for week in weeks]


def test_a_label_that_looks_further_than_a_duration_is_refused() -> None:
    days = days_of("biz60")
    segments = {"train": [days[0], days[19]], "test": [days[20], None]}
    cutter = WindowCutter(template("biz60", segments, step="1w", trunc_days="1d"), SETTINGS)
    cutter.dataset.label_lookahead = 2  # type: ignore[misc]
    with pytest.raises(TemplateError, match="looks 2 sessions ahead"):
        cutter.all()
    longer = WindowCutter(template("biz60", segments, step="1w", trunc_days="4d"), SETTINGS)
    longer.dataset.label_lookahead = 2  # type: ignore[misc]
    assert longer.all().definitions


def test_what_is_predicted_ahead_is_trained_on_so_much_less() -> None:
    days = days_of("biz60")
    segments = {"train": [days[0], days[19]], "test": [days[20], None]}
    ends = []
    for ahead in (0, 2):
        cutter = WindowCutter(template("biz60", segments, step=5), SETTINGS)
        cutter.dataset.sessions_ahead = ahead  # type: ignore[misc]
        ends.append(str(segments_of(cutter.at(days[26]).definitions[0])["train"][1]))
    assert ends == [days[19], days[17]]


@pytest.mark.parametrize(("small", "enough"), [(2, 3), ("1d", "4d")])
def test_a_written_cut_leaves_out_what_is_predicted_ahead(small: int | str, enough: int | str) -> None:
    days = days_of("biz60")
    segments = {"train": [days[0], days[19]], "test": [days[20], None]}
    for trunc in (small, enough):
        cutter = WindowCutter(template("biz60", segments, step=5, trunc_days=trunc), SETTINGS)
        cutter.dataset.sessions_ahead = 2  # type: ignore[misc]
        if trunc == enough:
            assert cutter.all().definitions
            continue
        with pytest.raises(TemplateError, match=r"trunc_days.*2 sessions after the last known label.*to 3 or more"):
            cutter.all()


def test_variants_come_together_and_are_told_apart() -> None:
    segments = {"train": [days_of("biz60")[0], days_of("biz60")[9]], "test": [days_of("biz60")[10], None]}
    plan = RollingStrategy.of_template(template("biz60", segments, challengers=["other"], step=5), SETTINGS).plan(
        days_of("biz60")[16]
    )
    assert [task.get("variant") for task in plan.definitions] == [None, None, "other", "other"]
    assert [planned_test(task) for task in plan.definitions[:2]] == [
        planned_test(task) for task in plan.definitions[2:]
    ]


def test_a_session_before_the_first_window_is_refused() -> None:
    segments = {"train": [days_of("biz60")[0], days_of("biz60")[9]], "test": [days_of("biz60")[20], None]}
    strategy = RollingStrategy.of_template(template("biz60", segments, step=5), SETTINGS)
    for day in (days_of("biz60")[19], "1999-01-01"):
        with pytest.raises(TemplateError, match="no window"):
            strategy.plan(day)
    with pytest.raises(TemplateError):
        strategy.dataset_of("nobody")

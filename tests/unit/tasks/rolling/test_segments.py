"""Templates, windows and arguments that cannot be used: each error names the key and the fix."""

from __future__ import annotations

from typing import Any

import pytest

from rollq import CalendarError, RollingGen, TemplateError, trunc_segments
from tests.small_tasks import BIZ30, SEGMENTS, segment_of, task_of


@pytest.mark.parametrize(
    ("args", "key"),
    [
        ({"step": 0}, "rolling.kwargs.step"),
        ({"step": -1}, "rolling.kwargs.step"),
        ({"step": 2.5}, "rolling.kwargs.step"),
        ({"step": True}, "rolling.kwargs.step"),
        ({"step": "4"}, "rolling.kwargs.step"),
        ({"rtype": "round"}, "rolling.kwargs.rtype"),
        ({"rtype": None}, "rolling.kwargs.rtype"),
        ({"trunc_days": -1}, "rolling.kwargs.trunc_days"),
        ({"purge": -1}, "rolling.kwargs.purge"),
        ({"purge": None}, "rolling.kwargs.purge"),
        ({"calendar": ["2020-01-01"]}, "calendar"),
    ],
)
def test_bad_arguments_are_named(args: dict[str, Any], key: str) -> None:
    with pytest.raises(TemplateError) as raised:
        RollingGen(**{"calendar": BIZ30, **args})
    assert raised.value.key == key
    assert raised.value.fix


@pytest.mark.parametrize("generate", ["generate", "gen_following_tasks"])
@pytest.mark.parametrize(
    ("task", "key"),
    [
        ({}, "segments is missing"),
        ({"dataset": None}, "segments is missing"),
        ({"dataset": {"kwargs": {"segments": []}}}, "segments is missing"),
        ({"dataset": {"kwargs": {"segments": {"train": SEGMENTS["train"]}}}}, "segments: there is no segment 'test'"),
        (task_of(test=[None, "2020-02-04"]), r"segments\.test: it has no start"),
        (task_of(valid="2020-01-15"), r"segments\.valid: a segment is"),
        (task_of(valid=None), r"segments\.valid: a segment is"),
        (task_of(valid=slice("2020-01-15", "2020-01-21")), r"segments\.valid: a segment is"),
        (task_of(valid=["2020-01-15"]), r"segments\.valid: a segment is"),
        (task_of(valid=["2020-01-15", "soon"]), r"segments\.valid: 'soon' is not a date"),
        (task_of(train=[20200102, "2020-01-14"]), r"segments\.train: 20200102 is not a date"),
        (task_of(train=["2019-01-01", "2019-06-30"]), r"segments\.train: 2019-06-30 as end is outside"),
        (task_of(valid=["2020-01-15", "2020-01-22"]), r"segments\.valid: it reaches into test"),
        (task_of(valid=["2020-01-15", None]), r"segments\.valid: it reaches into test"),
        (task_of(train=[None, None]), r"segments\.(train: it reaches into test|valid: it overlaps train)"),
    ],
)
def test_bad_segments_are_named(task: dict[str, Any], key: str, generate: str) -> None:
    rest = () if generate == "generate" else ("2020-02-04",)
    with pytest.raises(CalendarError, match=rf"^dataset\.kwargs\.{key}") as raised:
        getattr(RollingGen(3, calendar=BIZ30), generate)(task, *rest)
    assert raised.value.fix


@pytest.mark.parametrize(
    ("segments", "key"),
    [
        ({"train": ["2020-01-14", "2020-01-02"]}, r"segments\.train: it ends"),
        ({"valid": ["2020-01-14", "2020-01-21"]}, r"segments\.valid: it overlaps train"),
        ({"valid": [None, "2020-01-21"]}, r"segments\.train: it overlaps valid"),
        ({"test": ["2021-01-22", "2021-02-04"]}, r"segments\.test: 2021-01-22 as start is outside"),
        ({"test": ["2020-01-22", "2019-02-04"]}, r"segments\.test: 2019-02-04 as end is outside"),
    ],
)
def test_templates_that_cannot_be_meant(segments: dict[str, Any], key: str) -> None:
    with pytest.raises(CalendarError, match=rf"^dataset\.kwargs\.{key}") as raised:
        RollingGen(3, calendar=BIZ30).generate(task_of(**segments))
    assert raised.value.fix


def test_truncation_cuts_what_reaches_into_test() -> None:
    given = task_of(valid=["2020-01-15", "2020-02-04"])
    made = RollingGen(4, trunc_days=3, calendar=BIZ30).generate(given)
    assert segment_of(made, "valid")[0] == ["2020-01-15", "2020-01-17"]


def test_a_followers_start_past_the_calendar_ends_the_windows() -> None:
    beyond = task_of(test=["2021-01-22", "2021-02-04"])
    assert RollingGen(3, calendar=BIZ30).gen_following_tasks(beyond, "2022-01-01") == []


def test_segments_are_truncated_in_place() -> None:
    segments = {"train": ("2020-01-01", "2020-01-10"), "mine": ("2020-01-15", "2020-01-22")}
    trunc_segments(BIZ30, segments, days=3, test_key="mine")
    assert [str(bound.date()) for bound in segments["train"]] == ["2020-01-01", "2020-01-10"]
    trunc_segments(BIZ30, segments, 5, test_key="mine")
    assert str(segments["train"][1].date()) == "2020-01-08"
    assert segments["mine"] == ("2020-01-15", "2020-01-22")


def test_a_generator_takes_the_calls_of_generate() -> None:
    generator = RollingGen(4, calendar=BIZ30)
    assert generator(task=task_of()) == generator(task_of()) == generator.generate(task_of())

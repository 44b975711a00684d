"""What holds for every template, step and calendar: windows never see the future and cover the range exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq import RollingGen, TimeAdjuster

FIRST_DAY, DAY = pd.Timestamp("2020-01-01"), pd.Timedelta(days=1)


@dataclass(frozen=True)
class Example:
    generator: RollingGen
    template: dict[str, Any]

    @property
    def windows(self) -> list[dict[str, tuple[Any, Any]]]:
        return [task["dataset"]["kwargs"]["segments"] for task in self.generator.generate(self.template)]

    @property
    def known(self) -> list[pd.Timestamp]:
        ta = self.generator.ta
        return [session for session in ta.cals if session <= ta.last_known]

    def covered(self, window: dict[str, tuple[Any, Any]], name: str) -> list[pd.Timestamp]:
        start, end = window[name]
        return [s for s in self.generator.ta.cals if (start is None or start <= s) and (end is None or s <= end)]


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Ordered segments, with gaps between them, on a calendar with holes; some bounds lie between two sessions."""
    gaps = draw(st.lists(st.integers(1, 5), min_size=25, max_size=90))
    days = [FIRST_DAY + pd.Timedelta(days=sum(gaps[:position])) for position in range(len(gaps))]
    known = draw(st.integers(20, len(days)))
    valid, test = draw(st.integers(6, 8)), draw(st.integers(12, 16))
    between = pd.Timedelta(days=draw(st.integers(0, 1)) if gaps[test - 1] > 1 else 0)
    segments = {
        "train": (draw(st.sampled_from([None, days[0], days[1]])), days[valid] - DAY),
        "valid": (days[valid], days[test] - DAY - between),
        "test": (days[test] - between, draw(st.none() | st.sampled_from(days[test:]))),
    }
    if draw(st.booleans()):
        del segments["valid"]
    generator = RollingGen(
        step=draw(st.integers(1, 30)),
        rtype=draw(st.sampled_from([RollingGen.ROLL_EX, RollingGen.ROLL_SD])),
        trunc_days=draw(st.none() | st.integers(0, 4)),
        purge=draw(st.integers(0, 2)),
        calendar=TimeAdjuster(days[:known], draw(st.sampled_from([None, days]))),
    )
    return Example(generator, {"dataset": {"kwargs": {"segments": segments}}})


@given(examples())
@settings(max_examples=150, deadline=None)
def test_test_segments_cover_the_range_exactly_once(example: Example) -> None:
    covered = [session for window in example.windows for session in example.covered(window, "test")]
    assert len(covered) == len(set(covered))
    start, end = example.template["dataset"]["kwargs"]["segments"]["test"]
    wanted = [session for session in example.known if start <= session and (end is None or session <= end)]
    assert set(wanted) <= set(covered)
    # The last window is whole, so it may pass the range end, by less than a step; nothing lies before the range.
    assert min(covered) >= start
    assert len(covered) - len(wanted) < example.generator.step


@given(examples())
@settings(max_examples=150, deadline=None)
def test_nothing_sees_the_future(example: Example) -> None:
    generator = example.generator
    for window in example.windows:
        test_start = window["test"][0]
        gap = max(generator.trunc_days or 0, generator.purge + 1)
        for name in window.keys() - {"test"}:
            assert window[name][1] is not None
            assert generator.ta.cal_interval(test_start, window[name][1]) >= gap
            assert all(session < test_start for session in example.covered(window, name))
        if "valid" in window:
            assert generator.ta.cal_interval(window["valid"][0], window["train"][1]) > generator.purge


@given(examples())
@settings(max_examples=150, deadline=None)
def test_windows_never_leave_the_calendar(example: Example) -> None:
    for window in example.windows:
        for name, bounds in window.items():
            assert all(bound is None or bound in example.generator.ta.cals for bound in bounds)
            assert example.covered(window, name)
        assert window["test"][0] in example.known


@given(examples())
@settings(max_examples=100, deadline=None)
def test_windows_keep_their_shape(example: Example) -> None:
    """Each segment moves by the step; sliding ones keep their length, an expanding train segment keeps its start."""
    generator, windows = example.generator, example.windows
    for before, after in pairwise(windows):
        for name in before:
            if name == generator.train_key and generator.rtype == RollingGen.ROLL_EX:
                assert after[name][0] == before[name][0]
            elif before[name][0] is not None:
                assert generator.ta.cal_interval(after[name][0], before[name][0]) == generator.step
            if after[name][1] is not None:
                assert generator.ta.cal_interval(after[name][1], before[name][1]) == generator.step


@given(examples())
@settings(max_examples=50, deadline=None)
def test_later_windows_follow_from_the_first(example: Example) -> None:
    first, *rest = example.generator.generate(example.template)
    test_end = example.template["dataset"]["kwargs"]["segments"]["test"][1]
    limit = example.generator.ta.last_known if test_end is None else min(test_end, example.generator.ta.last_known)
    assert example.generator.gen_following_tasks(first, limit) == rest

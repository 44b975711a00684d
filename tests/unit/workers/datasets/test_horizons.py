"""MultiHorizonGenBase beyond the reference's cases, which are in test_generator.py."""

from __future__ import annotations

from typing import Any

import pytest

from rollq import MultiHorizonGenBase, SegmentError, TemplateError, TimeAdjuster
from tests.small_tasks import BIZ30, Horizons, segment_of, task_of


def test_horizons_cut_before_the_earlier_bound_of_test() -> None:
    # The test segment lies in a gap of the calendar, so it is aligned to start after its end.
    calendar = TimeAdjuster(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06", "2020-02-03"])
    given = task_of(train=["2020-01-01", "2020-01-31"], test=["2020-01-10", "2020-01-20"])
    del given["dataset"]["kwargs"]["segments"]["valid"]
    made = Horizons([1], 0, calendar=calendar).generate(given)
    assert segment_of(made, "train") == [["2020-01-01", "2020-01-03"]]


def test_the_horizon_is_set_before_segments_are_read() -> None:
    class Shifted(MultiHorizonGenBase):
        def set_horizon(self, task: dict[str, Any], hr: int) -> None:
            task["dataset"]["kwargs"]["segments"]["valid"] = ["2020-01-16", "2020-01-20"]

    given = task_of()
    assert segment_of(Shifted([1], 0, calendar=BIZ30).generate(given), "valid") == [["2020-01-16", "2020-01-20"]]
    assert given == task_of()


@pytest.mark.parametrize("args", [{"horizon": 5}, {"horizon": ["a"]}, {"label_leak_n": -1}, {"calendar": None}])
def test_bad_horizons_are_named(args: dict[str, Any]) -> None:
    with pytest.raises(TemplateError) as raised:
        Horizons(**{"calendar": BIZ30, **args})
    assert raised.value.key in args
    assert raised.value.fix


def test_horizons_that_leave_nothing_are_named() -> None:
    with pytest.raises(SegmentError, match=r"segments\.train"):
        Horizons([14], calendar=BIZ30).generate(task_of())

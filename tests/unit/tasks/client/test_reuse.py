"""What two tasks of one window differ in, in words."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from rollq.tasks.client.reuse import NEW, Verdict, differences, judge, summary, window_of
from rollq.tasks.ingredients.seen import Seen

DAYS = [f"2024-{month:02d}-{day:02d}" for month in range(1, 7) for day in range(1, 29)]
SEGMENTS = {"train": ["2024-02-01", "2024-03-28"], "test": ["2024-05-01", "2024-05-28"]}


def task(revised: dict[str, str] | None = None, days: list[str] = DAYS, test_end: str = "2024-05-28") -> dict[str, Any]:
    """A window on data in which some sessions hold something else."""
    segments = {**SEGMENTS, "test": ["2024-05-01", test_end]}
    seen = Seen(days, {**dict.fromkeys(days, "h"), **(revised or {})}, back=5, ahead=3)
    return {
        "model": {"class": "Forest", "kwargs": {"trees": 10, "depth": 3}},
        "dataset": {"class": "PanelDataset", "kwargs": {"path": "/a", "segments": segments}},
        "record": [],
        "identity": {
            "data": seen.data(segments),
            "marks": seen.marks(segments),
            "code": {"model": {"class": "forest:Forest", "own": True, "sha256": "aa"}},
            "libraries": {"lightgbm": "4.6.0"},
        },
    }


def changed(*path: str, to: Any) -> dict[str, Any]:
    made = deepcopy(task())
    place: Any = made
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return made


WITHOUT = [day for day in DAYS if day != "2024-05-07"]
CASES = {
    "train": (task(dict.fromkeys(["2024-02-05", "2024-02-06", "2024-03-01"], "x")), "3 sessions of train were revised"),
    "many": (task(dict.fromkeys(DAYS[40:50], "x")), "10 sessions of train were revised"),
    "test": (task({"2024-05-07": "x"}), "1 session of test was revised (2024-05-07)"),
    "back": (task({"2024-01-28": "x"}), "1 session around its segments was revised (2024-01-28)"),
    "gone": (task(days=WITHOUT), "1 session of test was taken out (2024-05-07)"),
    "longer": (task(test_end="2024-06-02"), "test is 2024-05-01 to 2024-06-02 and was 2024-05-01 to 2024-05-28"),
    "template": (changed("model", "kwargs", "trees", to=20), "the template changed: model.kwargs.trees 10 -> 20"),
    "a new key": (changed("model", "kwargs", "leaf", to="x"), "the template changed: model.kwargs.leaf nothing -> x"),
    "code": (changed("identity", "code", "model", "sha256", to="bb"), "the code of Forest changed"),
    "library": (changed("identity", "libraries", to={"lightgbm": "4.7.0"}), "lightgbm 4.6.0 -> 4.7.0"),
    "unused": (changed("identity", "libraries", to={}), "lightgbm 4.6.0 -> unused"),
    "chain": (changed("init_model", to={"pool": "p"}), "the window that it begins from is trained again"),
    "old": (changed("identity", to=None), "the task before does not say what it was made of"),
}


@pytest.mark.parametrize(("other", "said"), CASES.values(), ids=CASES)
def test_the_difference_is_said(other: dict[str, Any], said: str) -> None:
    (found,) = differences(task(), other)
    assert said in found


def test_every_difference_is_said() -> None:
    other = task({"2024-02-05": "x", "2024-05-07": "x"})
    other["identity"]["code"]["model"]["sha256"] = "bb"
    assert [line.split(" (")[0] for line in differences(task(), other)] == [
        "1 session of train was revised",
        "1 session of test was revised",
        "the code of Forest changed",
    ]


def test_data_that_are_known_as_a_whole_only() -> None:
    old, new = (changed("identity", "data", to={"whole": {"sha256": text}}) for text in ("a", "b"))
    assert differences(old, new) == ["the data changed"]
    assert any("another way" in line for line in differences(task(), new))


def test_a_window_is_known_by_variant_and_planned_start() -> None:
    assert window_of(task()) == window_of(task(test_end="2024-05-03"))
    assert window_of({**task(), "variant": "wide"}) != window_of(task())
    assert window_of({**task(), "window": {"test": ["2024-05-02", None]}}) == ("", "2024-05-02")


def test_without_a_store_nothing_is_there() -> None:
    verdicts = judge(None, "p", [task(), task(test_end="2024-05-03")])
    assert [verdict.why for verdict in verdicts] == [NEW, NEW]
    assert summary(verdicts) == [f"2 {NEW}"]
    assert all(isinstance(verdict, Verdict) and verdict.is_new for verdict in verdicts)

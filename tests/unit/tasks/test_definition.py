"""The definition of a task: where everything stands in it, and that one module alone knows that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollq.tasks import definition as known
from rollq.tasks.definition import (
    TEST,
    changed_kwargs,
    class_of,
    components_of,
    dataset_kwargs,
    handler_kwargs,
    kwargs_of,
    paths_of,
    planned_test,
    segments_of,
    segments_of_window,
    set_segments,
    with_dataset_kwargs,
    with_paths,
    with_test,
)

ROOT = Path(__file__).parents[3]
POKES = re.compile(
    r"""\["dataset"\]|get\("dataset"|get\("kwargs"|\["kwargs"\]\[|"module_path"|"fit_start_time"|"handler\""""
    r"""|definition\["|definition\.get\(\""""
)


def task() -> dict[str, object]:
    """A definition with everything in it."""
    return {
        "model": {"class": "LGBModel"},
        "dataset": {
            "class": "PanelDataset",
            "kwargs": {
                "path": "prices.csv",
                "segments": {"train": ["2018-01-01", "2018-06-29"], "test": ["2018-07-02", None]},
                "handler": {"class": "Alpha", "kwargs": {"end_time": "2018-06-29"}},
            },
        },
        "record": [{"class": "SignalRecord"}, {"class": "SignalAnalysisRecord"}],
    }


def test_its_components_are_named_by_their_place() -> None:
    assert [(place, class_of(part)) for place, part in components_of(task())] == [
        ("model", "LGBModel"),
        ("dataset", "PanelDataset"),
        ("record[0]", "SignalRecord"),
        ("record[1]", "SignalAnalysisRecord"),
    ]


def test_its_segments_are_read_and_set() -> None:
    made = task()
    assert segments_of(made) == {"train": ("2018-01-01", "2018-06-29"), "test": ("2018-07-02", None)}
    set_segments(made, {"test": ["2019-01-01", "2019-02-01"]})
    assert segments_of(made) == {"test": ("2019-01-01", "2019-02-01")}
    segments_of_window(made)[TEST] = ["2019-03-01", "2019-03-02"]
    assert segments_of(made)[TEST] == ("2019-03-01", "2019-03-02")


def test_copies_leave_the_original_as_it_is() -> None:
    original = task()
    made = with_test(original, "2020-01-01", "2020-01-31")
    more = with_dataset_kwargs(original, path="other.csv", handler=None, new=1)
    assert original == task()
    assert segments_of(made)[TEST] == ("2020-01-01", "2020-01-31")
    assert dataset_kwargs(more) == {"path": "other.csv", "segments": dataset_kwargs(original)["segments"], "new": 1}


def test_the_planned_test_segment_goes_before_the_one_that_is_there() -> None:
    assert planned_test(task()) == ("2018-07-02", None)
    assert planned_test({**task(), "window": {"test": ["2018-07-02", "2018-09-28"]}}) == ("2018-07-02", "2018-09-28")
    assert planned_test({}) == ("", None)


def test_what_a_handler_is_given_is_changed_in_place() -> None:
    made = task()
    handler_kwargs(made)["end_time"] = "2018-12-31"
    assert dataset_kwargs(made)["handler"] == {"class": "Alpha", "kwargs": {"end_time": "2018-12-31"}}


@pytest.mark.parametrize("odd", [{}, {"dataset": None}, {"dataset": 5}, {"dataset": {"kwargs": []}}, {"record": "x"}])
def test_what_is_not_there_is_empty(odd: dict[str, object]) -> None:
    assert (dict(dataset_kwargs(odd)), segments_of(odd), handler_kwargs(odd)) == ({}, {}, {})
    assert not [place for place, _ in components_of(odd) if place != "dataset"]


def test_keywords_are_changed_only_where_there_are_some() -> None:
    assert changed_kwargs({"class": "A"}, lambda _: {"x": 1}) == {"class": "A"}
    assert kwargs_of(changed_kwargs({"class": "A", "kwargs": {"x": 1}}, lambda kwargs: {**kwargs, "y": 2})) == {
        "x": 1,
        "y": 2,
    }


def test_no_other_module_knows_the_keys() -> None:
    modules = [path for room in ("rollq", "tasks", "scheduler", "workers") for path in (ROOT / room).glob("**/*.py")]
    code = {path: re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8")) for path in modules}
    pokes = {str(path.relative_to(ROOT)): POKES.findall(text) for path, text in code.items()}
    assert {path: found for path, found in pokes.items() if found} == {
        str(Path(known.__file__).resolve().relative_to(ROOT)): ['"module_path"', '"handler"', '"fit_start_time"']
    }


def test_the_paths_of_a_dataset_are_its_own_and_those_of_what_is_joined() -> None:
    kwargs = {"path": "a", "join": [{"path": "b", "on": ["x"]}, {"columns": 1}, "c"], "zone": "UTC"}
    assert paths_of(kwargs) == {"path": "a", "join[0].path": "b"}
    assert with_paths(kwargs, lambda path, key: f"/{path}") == {
        "path": "/a",
        "join": [{"path": "/b", "on": ["x"]}, {"columns": 1}, "c"],
        "zone": "UTC",
    }
    assert with_paths(kwargs, lambda path, key: None)["join"] == [{"on": ["x"]}, {"columns": 1}, "c"]
    assert kwargs["path"] == "a"

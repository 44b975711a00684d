"""The table of Qlib's names is true: each of them stands in it, and what it says of ours is so."""

from __future__ import annotations

import pytest

from docs.from_qlib.names import check, findings, read
from docs.from_qlib.qlib_names import Name, Parameter, names

GROUP = Name("qlib.x", "Group", (Parameter("group_func", "", False), Parameter("ens", "", False)))
COLLECT = Name("qlib.x", "RecorderCollector.collect", (Parameter("artifacts_key", "", False),))
KEY = Name("qlib.x", "RecorderCollector.ART_KEY_RAW", None, "__raw")
NONE = Name("qlib.x", "Nothing", ())
MADE = [GROUP, COLLECT, KEY, NONE]
GOOD = {
    "Group(group_func, ens)": "same",
    "RecorderCollector.collect(artifacts_key)": "same, but it is quick",
    "RecorderCollector.ART_KEY_RAW": "same",
    "Nothing()": "not there: it does nothing",
}


def test_the_page_is_true() -> None:
    assert findings() == []


def found(table: dict[str, str], known: list[Name] = MADE) -> list[str]:
    return list(check({("qlib.x", name): here for name, here in table.items()}, known))


def test_names_are_read_from_the_source() -> None:
    shown = {(one.module, one.shown()) for one in names()}
    assert {
        ("qlib.workflow", "QlibRecorder.log_metrics(step, **kwargs)"),
        ("qlib.workflow", "R"),
        ("qlib.workflow.recorder", "Recorder.STATUS_FI"),
        ("qlib.workflow.recorder", "Recorder.delete_tags(*keys)"),
        ("qlib.model.ens.ensemble", "Ensemble.__call__(ensemble_dict, *args, **kwargs)"),
        ("qlib.workflow.online.strategy", "RollingStrategy(name_id, task_template, rolling_gen)"),
        ("qlib.workflow.task.gen", "task_generator(tasks, generators)"),
        ("qlib.workflow.task.manage", "TaskManager.list()"),
        ("qlib.workflow.task.utils", "get_mongodb()"),
    } <= shown
    assert len(shown) > 200
    assert not [name for _, name in shown if name.startswith("_") or "._" in name.replace(".__call__", "")]


def test_a_true_table() -> None:
    assert found(GOOD) == []
    assert found({**GOOD, "Nothing()": "`TaskManager.remove()`: another word"}) == []


@pytest.mark.parametrize(
    ("name", "here", "what"),
    [
        ("Group(group_func, ens)", "not there: gone", "it is there"),
        ("Nothing()", "same", "it is not there"),
        ("Nothing()", "same, but slower", "it is not there"),
        ("Nothing()", "`TaskManager.nothing`: another word", "there is no TaskManager.nothing"),
        ("Nothing()", "not there", "Write one of"),
        ("More()", "same", "there is no `More()`"),
    ],
)
def test_an_untrue_row_is_named(name: str, here: str, what: str) -> None:
    assert [what in one for one in found({**GOOD, name: here})] == [True]


def test_a_missing_row_is_named() -> None:
    rest = {name: here for name, here in GOOD.items() if name != "Nothing()"}
    assert found(rest) == ["qlib.x: `Nothing()` stands in no row"]


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        ([Parameter("ens", "", False), Parameter("group_func", "", False)], "by position it takes"),
        ([Parameter("group_func", "", False), Parameter("ens", "", False), Parameter("n", "key", False)], "takes no n"),
        ([Parameter("kwargs", "**", False)], "it takes no **kwargs"),
    ],
)
def test_calls_that_are_not_taken_are_named(parameters: list[Parameter], what: str) -> None:
    name = Name("qlib.x", "Group", tuple(parameters))
    assert [what in one for one in found({name.shown(): "same"}, [name])] == [True]


def test_a_parameter_that_is_needed_here_alone_is_named() -> None:
    name = Name("qlib.x", "TaskManager.remove", ())
    assert found({name.shown(): "same"}, [name]) == []
    name = Name("qlib.x", "TaskManager.reset_status", (Parameter("query", "", False), Parameter("status", "", True)))
    assert found({name.shown(): "same"}, [name]) == [
        "qlib.x: `TaskManager.reset_status(query, status)`: it needs query"
    ]


def test_what_only_objects_have_is_found() -> None:
    name = Name("qlib.x", "MergeCollector.collector_dict")
    assert found({name.shown(): "same"}, [name]) == []
    name = Name("qlib.x", "MergeCollector.collector")
    assert found({name.shown(): "same"}, [name]) == ["qlib.x: `MergeCollector.collector`: it is not there"]


def test_another_value_is_named() -> None:
    name = Name("qlib.x", "RecorderCollector.ART_KEY_RAW", None, "__other")
    assert found({name.shown(): "same"}, [name]) == ["qlib.x: `RecorderCollector.ART_KEY_RAW`: it is '__raw'"]


def test_a_class_takes_what_its_base_takes() -> None:
    taken = {one.name: one.parameters for one in names() if one.module == "qlib.workflow.online.update"}
    assert taken["PredUpdater"] == taken["DSBasedUpdater"]


def test_rows_are_read_by_module() -> None:
    page = "# Names\n| `a` | same |\n## `qlib.x`\n| name | here |\n|---|---|\n| `f(a, *b)` | not there: no use |\n"
    assert read(page) == {("qlib.x", "f(a, *b)"): "not there: no use"}

"""The key of a task: what the template says counts by value; places, spelling and order do not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from rollq.tasks.identity import identity_of, task_key

MODEL = {"class": "rollq.workers.models.lightgbm:LGBModel", "own": False, "sha256": "aa"}
DATASET = {"class": "rollq.workers.datasets.panel:PanelDataset", "own": False, "sha256": "bb"}
IDENTITY: dict[str, Any] = {
    "data": {"train": {"sha256": "cc"}},
    "code": {"model": MODEL, "dataset": DATASET},
    "libraries": {"lightgbm": "4.6.0"},
    "marks": {"train": "AAAA"},
}
TASK: dict[str, Any] = {
    "model": {"class": "LGBModel", "kwargs": {"learning_rate": 0.05, "num_leaves": 31, "flag": True}},
    "dataset": {"class": "PanelDataset", "kwargs": {"path": "/a/prices.parquet", "segments": {"test": ["a", "b"]}}},
    "record": [{"class": "SignalRecord"}],
    "data": {"sha256": "the whole file"},
    "identity": IDENTITY,
}


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The task with another value at a place."""
    made = deepcopy(TASK)
    place: Any = made
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return made


SAME = {
    "what is accepted elsewhere": changed("dataset", "kwargs", "data_checks", to={"accept": ["2030-01-02"]}),
    "a folder": changed("dataset", "kwargs", "path", to="/b/c/other.parquet"),
    "a cache": changed("dataset", "kwargs", "cache_dir", to="/tmp/cache"),
    "the file as a whole": changed("data", to={"sha256": "another"}),
    "a commit": changed("project", to={"commit": "abc"}),
    "an exponent": changed("model", "kwargs", "learning_rate", to=5e-2),
    "a whole float": changed("model", "kwargs", "num_leaves", to=31.0),
    "order": changed("model", "kwargs", to=dict(reversed(TASK["model"]["kwargs"].items()))),
    "a module": changed("model", "module_path", to="rollq.workers.models.lightgbm"),
    "marks": changed("identity", "marks", to={}),
    "a class that moved": changed("identity", "code", "model", to={**MODEL, "class": "elsewhere:LGBModel"}),
}
OTHER = {
    "a value": changed("model", "kwargs", "num_leaves", to=32),
    "a switch that is no number": changed("model", "kwargs", "flag", to=1),
    "a segment": changed("dataset", "kwargs", "segments", "test", to=["a", "c"]),
    "a variant": changed("variant", to="wide"),
    "the model before": changed("init_model", to={"pool": "p", "task": "0" * 24}),
    "data": changed("identity", "data", "train", to={"sha256": "dd"}),
    "code": changed("identity", "code", "model", to={**MODEL, "sha256": "ee"}),
    "a library": changed("identity", "libraries", to={"lightgbm": "4.7.0"}),
    "no identity": changed("identity", to=None),
}


@pytest.mark.parametrize("definition", SAME.values(), ids=SAME)
def test_what_is_no_identity(definition: dict[str, Any]) -> None:
    assert task_key(definition) == task_key(TASK)


@pytest.mark.parametrize("definition", OTHER.values(), ids=OTHER)
def test_what_is_identity(definition: dict[str, Any]) -> None:
    assert task_key(definition) != task_key(TASK)


def test_an_own_class_is_given_what_was_written() -> None:
    own = changed("identity", "code", "model", to={**MODEL, "own": True})
    whole = deepcopy(own)
    whole["model"]["kwargs"]["num_leaves"] = 31.0  # such as max_features of scikit-learn: 1 of them, or all
    assert task_key(own) != task_key(whole)


def test_a_file_is_told_by_its_name_where_the_data_cannot_be_looked_into() -> None:
    def task(path: str) -> dict[str, Any]:
        made = changed("dataset", "kwargs", "path", to=path)
        made["identity"]["data"] = {"whole": {"version": "1"}}
        return made

    assert task_key(task("/a/prices.parquet")) == task_key(task("/b/prices.parquet"))
    assert task_key(task("/a/prices.parquet")) != task_key(task("/a/others.parquet"))


def test_a_definition_without_an_identity_is_what_it_says() -> None:
    plain = {name: value for name, value in TASK.items() if name != "identity"}
    moved = deepcopy(plain)
    moved["dataset"]["kwargs"]["path"] = "/b"
    assert identity_of(plain) is None
    assert task_key(plain) != task_key(moved)
    assert task_key({"x": 1}) == task_key({"x": 1})


@pytest.mark.parametrize("broken", [None, 3, [], {}, {"data": 1}, {"data": {}, "code": [], "libraries": {}}])
def test_an_identity_of_another_form_hurts_nobody(broken: Any) -> None:
    assert len(task_key({**TASK, "identity": broken})) == 64

"""Names: MLflow takes every one of them, and it comes back as it went in."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

from rollq.tasks.errors import TemplateError
from rollq.tasks.tracking.mlflow.names import MAX_NAME, escape, flatten, is_shortened, unescape

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(NAMES)
@example("")
@example("..")
@example("/a")
@example("a//b")
@example("a/../b")
@example("Rank IC (%)")
@example("a:3a:b")
@example("x" * 400)
@example(" ")
def test_mlflow_takes_every_name_and_it_comes_back(name: str) -> None:
    escaped = escape(name)
    for check in (_validate_metric_name, _validate_param_name, _validate_tag_name):
        check(escaped)
    assert len(escaped) <= MAX_NAME
    if not is_shortened(escaped):
        assert unescape(escaped) == name


@given(NAMES, NAMES)
def test_two_names_stay_two(first: str, second: str) -> None:
    assert (escape(first) == escape(second)) == (first == second)


@pytest.mark.parametrize("name", ["IC", "Rank IC", "model.kwargs.num_leaves", "rollq.task", "valid_l2", "a/b"])
def test_usual_names_stay_as_they_are(name: str) -> None:
    assert escape(name) == name


def test_flatten() -> None:
    nested = {"model": {"class": "M", "kwargs": {"n": 1, "list": [1, "a"], "none": None, "empty": {}}}, "text": "a"}
    assert flatten(nested) == {
        "model.class": "M",
        "model.kwargs.n": "1",
        "model.kwargs.list": '[1, "a"]',
        "model.kwargs.none": "null",
        "model.kwargs.empty": "{}",
        "text": "a",
    }
    with pytest.raises(TemplateError, match="bad"):
        flatten({"bad": object()})

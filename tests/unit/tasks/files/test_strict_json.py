"""What rollq prints and logs as JSON can be read by every reader: NaN and infinity are no JSON."""

from __future__ import annotations

import json
import logging
from datetime import date
from typing import Any

import numpy as np
import pytest

from rollq.cli.context import print_json
from rollq.tasks.files.strict_json import dumps
from rollq.tasks.logs import JsonFormatter, log_context


def strict(text: str) -> Any:
    """As a reader that knows no NaN."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), np.float64("nan"), np.float32("inf")])
def test_a_number_that_is_not_finite_is_null(number: float, capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"metrics": {"IC": number}, "rows": [(number, 1)], "at": date(2024, 1, 2)})
    found = strict(capsys.readouterr().out)
    assert found == {"metrics": {"IC": None}, "rows": [[None, 1]], "at": "2024-01-02"}


def test_what_json_has_no_form_for_is_text_or_a_list() -> None:
    array = np.array([1.5, float("nan")])
    assert strict(dumps({"array": array, "set": {2, 1}, 7: "key", date(2024, 1, 2): np.int64(3)})) == {
        "array": [1.5, None],
        "set": [1, 2],
        "7": "key",
        "2024-01-02": 3,
    }


def test_a_log_line_is_strict_too() -> None:
    with log_context(score=float("inf")):
        line = JsonFormatter().format(logging.LogRecord("rollq", logging.INFO, "", 0, "x", (), None))
    assert strict(line)["score"] is None


def test_one_line_for_each_look_of_a_watch(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1, 2]}, None)
    assert capsys.readouterr().out.count("\n") == 1

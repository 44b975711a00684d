"""Logs: lines that carry the task at hand."""

from __future__ import annotations

import json
import logging

import pytest

from rollq.tasks.logs import HumanFormatter, JsonFormatter, log_context


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("rollq", logging.INFO, "", 0, message, (), None)


def test_json_lines_carry_the_context() -> None:
    with log_context(pool="p", task="t"), log_context(attempt=2, worker="w"):
        line = json.loads(JsonFormatter().format(record('a "quoted"\nmessage')))
    assert {"pool": "p", "task": "t", "attempt": 2, "worker": "w", "level": "INFO"}.items() <= line.items()
    assert line["message"] == 'a "quoted"\nmessage'
    assert "pool" not in json.loads(JsonFormatter().format(record("outside")))


def test_human_lines_do_too() -> None:
    with log_context(pool="p"):
        assert HumanFormatter().format(record("hello")).endswith("hello [pool=p]")
    assert HumanFormatter().format(record("hello")).endswith("hello")


def test_an_exception_is_one_json_line() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        _ = 1 / 0
    failed = record("failed")
    failed.exc_info = (raised.type, raised.value, raised.tb)
    text = JsonFormatter().format(failed)
    assert "\n" not in text
    assert "ZeroDivisionError" in json.loads(text)["exception"]

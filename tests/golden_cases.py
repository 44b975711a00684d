"""Reads the reference cases of ``tests/golden``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from rollq.tasks.rolling.calendar import TimeAdjuster

FOLDER = Path(__file__).parent / "golden"


def cases(name: str) -> list[Any]:
    """The cases of a file, as pytest parameters with their ids."""
    import pytest

    content = json.loads((FOLDER / f"{name}.json").read_text())
    return [pytest.param(case, id=case["id"]) for case in content["cases"]]


@cache
def adjuster(name: str, future: bool = True) -> TimeAdjuster:
    """The calendar called ``name``."""
    calendar = json.loads((FOLDER / "calendars.json").read_text())[name]
    return TimeAdjuster(calendar["day"], calendar["future"], future=future)


def plain(value: Any) -> Any:
    """``value`` as JSON has it: Timestamps as dates, tuples as lists."""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def key(raw: Any) -> Any:
    """A key of a mapping: lists stand for tuples."""
    return tuple(raw) if isinstance(raw, list) else raw


def frames(rows: Any, columns: list[str]) -> Any:
    """Rows as a frame, or a mapping of rows as a mapping of frames."""
    if isinstance(rows, dict):
        return {name: frames(item, columns) for name, item in rows.items()}
    return frame(rows, columns)


def assert_joined(found: Any, output: dict[str, Any]) -> None:
    """``found`` is the frame, Series or mapping of them that ``output`` describes."""
    if output["type"] == "dict":
        assert list(found) == [key(name) for name, _ in output["items"]]
        for name, item in output["items"]:
            assert_joined(found[key(name)], item)
        return
    assert type(found).__name__ == output["type"]
    shown = found.to_frame("__series__") if isinstance(found, pd.Series) else found
    assert list(shown.index.names) == output["index_names"]
    pd.testing.assert_frame_equal(
        shown,
        frame(output["rows"], output["columns"]),
        check_dtype=False,
        check_index_type=False,
        check_freq=False,
        rtol=0,
        atol=1e-12,
    )


def frame(rows: list[Any], columns: list[str]) -> pd.DataFrame:
    """Rows of ``[date, instrument, value...]`` as a frame."""
    made = pd.DataFrame(rows, columns=["datetime", "instrument", *columns])
    made["datetime"] = pd.to_datetime(made["datetime"])
    made[columns] = made[columns].astype(float)
    return made.set_index(["datetime", "instrument"])

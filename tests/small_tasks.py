"""Small tasks on the calendar ``biz30`` and how the tests show them."""

from __future__ import annotations

import copy
from typing import Any

from rollq import MultiHorizonGenBase
from tests.golden_cases import adjuster, plain

BIZ30 = adjuster("biz30")
SEGMENTS = {
    "train": ["2020-01-02", "2020-01-14"],
    "valid": ["2020-01-15", "2020-01-21"],
    "test": ["2020-01-22", "2020-02-04"],
}


def task_of(handler: Any = None, **segments: Any) -> dict[str, Any]:
    kwargs: dict[str, Any] = {"segments": {**copy.deepcopy(SEGMENTS), **segments}}
    if handler is not None:
        kwargs["handler"] = handler
    return {"dataset": {"kwargs": kwargs}}


def shown(task: dict[str, Any]) -> dict[str, Any]:
    kwargs = task["dataset"]["kwargs"]
    handler = kwargs.get("handler")
    options = handler.get("kwargs", {}) if isinstance(handler, dict) else {}
    return plain({"segments": kwargs["segments"], "handler_end_time": options.get("end_time")})


def segment_of(tasks: list[dict[str, Any]], key: str = "test") -> list[Any]:
    return [shown(task)["segments"][key] for task in tasks]


class Horizons(MultiHorizonGenBase):
    def set_horizon(self, task: dict[str, Any], hr: int) -> None:
        task["hr"] = hr

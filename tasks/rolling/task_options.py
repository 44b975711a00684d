"""How the tasks of a template are to be run: which queue, with which resources, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from rollq.tasks.config.settings import LONGEST
from rollq.tasks.errors import TemplateError
from rollq.tasks.resources import Resources
from rollq.tasks.rolling.template_names import check_name


class TaskOptions(TypedDict, total=False):
    """How tasks are to be run: keywords of ``create_tasks``."""

    priority: int
    queue: str
    requested: Mapping[str, object]
    time_limit: float | None


def task_options(content: Mapping[str, object]) -> TaskOptions:
    """How its tasks are to be run: queue, resources, time limit."""
    requested = Resources.of(content.get("resources"))
    limit = content.get("time_limit")
    if limit is not None and (
        isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit <= LONGEST
    ):
        raise TemplateError(
            f"{limit!r} is no duration.", f"Give seconds, more than 0 and at most {LONGEST:.0f}.", "time_limit"
        )
    queue = content.get("queue")
    queue = ("gpu" if requested.gpu else "default") if queue is None else queue
    check_name(queue, "queue")
    return {"queue": str(queue), "requested": requested.to_dict(), "time_limit": limit}

"""What makes two rolling tasks the same task: the SHA-256 of their canonical definition."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from tasks.errors import TemplateError


def canonical(value: Any, key: str = "") -> Any:
    """``value`` as plain JSON: dates as ISO strings, tuples as lists, mappings with string keys.

    A ``datetime`` (``pandas.Timestamp`` too) at midnight becomes ``YYYY-MM-DD``, so a date, a session and their text
    are one and the same.

    Raises:
        TemplateError: a value has no JSON form, or is NaN or infinite; ``key`` is its dotted path.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TemplateError(f"{value} is not a number that can be stored.", "Use a finite number or null.", key)
        return value
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0) and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): canonical(item, f"{key}.{name}".lstrip(".")) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item, f"{key}[{position}]") for position, item in enumerate(value)]
    if hasattr(value, "item"):  # a numpy scalar
        return canonical(value.item(), key)
    raise TemplateError(
        f"a {type(value).__name__} cannot be stored in a task.", "Use numbers, text, lists, mappings.", key
    )


def canonical_json(value: Any) -> str:
    """The one JSON text of ``value``: keys sorted, no spaces, ASCII."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def task_key(definition: Mapping[str, Any]) -> str:
    """Identity of a rolling task: SHA-256 (hex) of its canonical definition."""
    return hashlib.sha256(canonical_json(definition).encode()).hexdigest()


def task_id(pool: str, key: str) -> str:
    """The id of the task with ``key`` in ``pool``: the same on every machine (24 hex digits)."""
    return hashlib.sha256(f"{pool}\0{key}".encode()).hexdigest()[:24]

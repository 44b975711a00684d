"""Python values as JSON, so that each comes back with its type: what JSON has no form for is marked, as
``{"$tuple": [1, 2]}``. A value that would come back as another one is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import Any

import numpy as np
import pandas as pd

from rollq.tasks.errors import BadInput

MARK = "$"  # the key of a marked value begins so; a mapping that has such a key itself is marked as "$dict"
SCALARS: tuple[type[np.generic], ...] = (
    *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, np.float32, np.float64, np.str_),
)


def to_json(value: Any, where: str = "") -> object:
    """``value`` in JSON's types; ``where`` is its place in the whole, for messages.

    Raises:
        BadInput: it, or something in it, has no form that comes back equal.
    """
    # The exact type: a subclass, such as an enum or a bool that is an int, would come back as its base.
    kind = type(value)
    if value is None or kind in (bool, str, int):
        return value
    if kind is float:
        return _finite(value, where)
    if kind is list:
        return [to_json(item, f"{where}[{n}]") for n, item in enumerate(value)]
    if kind is dict:
        return _mapping(value, where)
    if kind is tuple:
        return {"$tuple": to_json(list(value), where)}
    if kind is pd.Timestamp and value.tzinfo is None:
        return {"$timestamp": [value.isoformat(), value.unit]}
    # A named zone, or the second 2:30 of a night, has no form in ISO 8601 that comes back the same.
    if kind is datetime and type(value.tzinfo) in (type(None), timezone) and not value.fold:
        return {"$datetime": value.isoformat()}
    if kind is date:
        return {"$date": value.isoformat()}
    if kind in SCALARS:
        return {"$numpy": [kind.__name__, to_json(value.item(), where)]}
    raise BadInput(
        f"A {kind.__name__}{_at(where)} has no safe form as an artifact.",
        "Give a frame, an array, JSON values, text, bytes, a Path, a Booster, or a model with save and load.",
    )


def from_json(made: object) -> Any:
    """The value that ``to_json`` was given.

    Raises:
        ValueError, KeyError, TypeError: a marked value is not as ``to_json`` makes it.
    """
    if isinstance(made, list):
        return [from_json(item) for item in made]
    if not isinstance(made, dict):
        return made
    mark = next(iter(made), "")
    if len(made) == 1 and mark.startswith(MARK):
        return READ[mark](made[mark])
    return {name: from_json(item) for name, item in made.items()}


READ: dict[str, Callable[[Any], object]] = {
    "$tuple": lambda items: tuple(from_json(items)),
    "$dict": lambda pairs: dict(from_json(pair) for pair in pairs),
    "$timestamp": lambda parts: pd.Timestamp(parts[0]).as_unit(parts[1]),
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$numpy": lambda parts: {kind.__name__: kind for kind in SCALARS}[parts[0]](parts[1]),
}


def _mapping(value: dict[object, object], where: str) -> object:
    if all(type(name) is str and not name.startswith(MARK) for name in value):
        return {name: to_json(item, f"{where}.{name}".lstrip(".")) for name, item in value.items()}
    pairs = [[to_json(name, where), to_json(item, f"{where}[{name!r}]")] for name, item in value.items()]
    return {"$dict": pairs}


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise BadInput(f"{value}{_at(where)} has no safe form in JSON.", "Use a finite number or None.")
    return value


def _at(where: str) -> str:
    return f" at {where[:80]!r}" if where else ""

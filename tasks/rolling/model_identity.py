"""Which model a rolling task trains, whatever its window: the class, and what tells two variants of it apart."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rollq.tasks.errors import TemplateError
from rollq.tasks.identity import canonical
from rollq.tasks.rolling.handlers import FIT_DATES

DIGITS = 8  # of the hash: two of a thousand variants share one with a chance of 1 in 8,600
# Of a dataset: its window, what it learned there, where it keeps files, how it looks at its data.
ROLLING = {"segments", "fitted", "cache_dir", "data_checks"}
LOADED = {"start_time", "end_time"}  # of a handler: how far it loads
CHAIN = {"init_model"}  # a warm start: the windows of the chain are one model


def model_identity(definition: Mapping[str, object]) -> str:
    """The same for all windows of a template, another one for every variant: ``LGBModel-3f9a1c02``.

    It is the class and the first 8 hex digits of a SHA-256 of the canonical ``model`` and ``dataset`` without what
    belongs to a window (segments, the handler's dates, what was fitted, the model that a warm start begins with), to a
    state of the data (``data``) or to a machine (``cache_dir``, the folder of a ``path``).

    Args:
        definition: a rolling task or a template, ``{model: {class, ...}, dataset: {...}, ...}``; it stays as it is.

    Raises:
        TemplateError: ``model`` or ``dataset`` is missing or has no JSON form.
    """
    model, dataset = _part(definition, "model"), _part(definition, "dataset")
    name = model.get("class")
    if not isinstance(name, str) or not name:
        raise TemplateError("the class is missing.", "Write class: LGBModel or another.", "model.class")
    same = {"model": _without_chain(model), "dataset": _without_window(dataset)}
    text = json.dumps(same, sort_keys=True, separators=(",", ":"))
    return f"{re.split('[.:]', name)[-1]}-{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}"


def window_of(definition: Mapping[str, object], test_key: str = "test") -> tuple[str, str | None]:
    """The test segment of a rolling task, ``(start, end)`` as ``YYYY-MM-DD``; an open end is None.

    Raises:
        TemplateError: there is none.
    """
    kwargs = _part(definition, "dataset").get("kwargs")
    segments = kwargs.get("segments") if isinstance(kwargs, dict) else None
    bounds = segments.get(test_key) if isinstance(segments, dict) else None
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise TemplateError("it is no [start, end].", "Write two dates.", f"dataset.kwargs.segments.{test_key}")
    start, end = bounds
    return str(start), None if end is None else str(end)


def _part(definition: object, name: str) -> dict[str, object]:
    part = definition.get(name) if isinstance(definition, Mapping) else None
    if not isinstance(part, Mapping):
        raise TemplateError("it is missing or no mapping.", "Write class: ... under it.", name)
    made: dict[str, object] = canonical(part, name)
    return made


def _without_chain(model: dict[str, object]) -> dict[str, object]:
    return _with_kwargs(_less(model, CHAIN), lambda kwargs: _less(kwargs, CHAIN))


def _without_window(dataset: dict[str, object]) -> dict[str, object]:
    def timeless(kwargs: dict[str, object]) -> dict[str, object]:
        kept = _less(kwargs, ROLLING)
        if isinstance(kept.get("handler"), dict):
            kept["handler"] = _with_kwargs(kept["handler"], lambda options: _undated(_less(options, LOADED)))
        return kept

    made: dict[str, object] = _placeless(_with_kwargs(dataset, timeless))
    return made


def _undated(value: object) -> object:
    """Without fit dates at any depth, as ``roll_fit_dates`` sets them."""
    if isinstance(value, dict):
        return {name: _undated(item) for name, item in value.items() if name not in FIT_DATES}
    return [_undated(item) for item in value] if isinstance(value, list) else value


def _placeless(value: object) -> Any:
    """With the name of the file of every ``path``: another machine has it in another folder."""
    if isinstance(value, dict):
        return {
            name: _file_name(item) if name == "path" and isinstance(item, str) else _placeless(item)
            for name, item in value.items()
        }
    return [_placeless(item) for item in value] if isinstance(value, list) else value


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _with_kwargs(part: dict[str, object], change: Callable[[dict[str, object]], object]) -> dict[str, object]:
    kwargs = part.get("kwargs")
    return {**part, "kwargs": change(kwargs)} if isinstance(kwargs, dict) else part


def _less(mapping: Mapping[str, object], names: set[str]) -> dict[str, Any]:
    return {name: item for name, item in mapping.items() if name not in names}

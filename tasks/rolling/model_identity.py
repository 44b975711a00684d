"""Which model a rolling task trains, whatever its window: the class, and what tells two variants of it apart."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping

from rollq.tasks.definition import (
    CACHE_DIR,
    CHAIN,
    CHECKS,
    CLASS,
    DATASET,
    FIT_DATES,
    FITTED,
    HANDLER,
    LOADED,
    MODEL,
    PATH,
    SEGMENTS,
    SEGMENTS_KEY,
    TEST,
    Component,
    changed_kwargs,
    class_of,
    kwargs_of,
)
from rollq.tasks.errors import TemplateError
from rollq.tasks.identity import canonical

# Of the hash: two of n = 1,000 variants share one with a chance of n^2 / (2 * 16^8), 1 in 8,600 (the birthday bound).
DIGITS = 8
# Of a dataset: its window, what it learned there, where it keeps files, how it looks at its data.
OF_WINDOW = {SEGMENTS, FITTED, CACHE_DIR, CHECKS}


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
    model, dataset = _part(definition, MODEL), _part(definition, DATASET)
    name = class_of(model)
    if not isinstance(name, str) or not name:
        raise TemplateError("the class is missing.", "Write class: LGBModel or another.", f"{MODEL}.{CLASS}")
    same = {MODEL: _without_chain(model), DATASET: _without_window(dataset)}
    text = json.dumps(same, sort_keys=True, separators=(",", ":"))
    # The class is there for people to read; what tells variants apart is in the hash.
    return f"{re.split('[.:]', name)[-1]}-{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}"


def window_of(definition: Mapping[str, object], test_key: str = TEST) -> tuple[str, str | None]:
    """The test segment of a rolling task, ``(start, end)`` as ``YYYY-MM-DD``; an open end is None.

    Raises:
        TemplateError: there is none.
    """
    segments = kwargs_of(_part(definition, DATASET)).get(SEGMENTS)
    bounds = segments.get(test_key) if isinstance(segments, dict) else None
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise TemplateError("it is no [start, end].", "Write two dates.", f"{SEGMENTS_KEY}.{test_key}")
    start, end = bounds
    return str(start), None if end is None else str(end)


def _part(definition: object, name: str) -> Component:
    part = definition.get(name) if isinstance(definition, Mapping) else None
    if not isinstance(part, Mapping):
        raise TemplateError("it is missing or no mapping.", "Write class: ... under it.", name)
    made: Component = canonical(part, name)
    return made


def _without_chain(model: Component) -> Component:
    return changed_kwargs(_less(model, {CHAIN}), lambda kwargs: _less(kwargs, {CHAIN}))


def _without_window(dataset: Component) -> Component:
    def timeless(kwargs: Component) -> Component:
        kept = _less(kwargs, OF_WINDOW)
        if isinstance(kept.get(HANDLER), dict):
            kept[HANDLER] = changed_kwargs(kept[HANDLER], _timeless_options)
        return kept

    made = changed_kwargs(dataset, timeless)
    return {name: _placeless(value) for name, value in made.items()}


def _timeless_options(options: Component) -> Component:
    kept = _less(options, LOADED | frozenset(FIT_DATES))
    return {name: _undated(value) for name, value in kept.items()}


def _undated(value: object) -> object:
    """Without fit dates at any depth, as ``roll_fit_dates`` sets them."""
    if isinstance(value, dict):
        return {name: _undated(item) for name, item in value.items() if name not in FIT_DATES}
    return [_undated(item) for item in value] if isinstance(value, list) else value


def _placeless(value: object) -> object:
    """With the name of the file of every ``path``: another machine has it in another folder."""
    if isinstance(value, dict):
        return {
            name: _file_name(item) if name == PATH and isinstance(item, str) else _placeless(item)
            for name, item in value.items()
        }
    return [_placeless(item) for item in value] if isinstance(value, list) else value


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _less(mapping: Component, names: Collection[str]) -> Component:
    return {name: item for name, item in mapping.items() if name not in names}

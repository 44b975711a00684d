"""Objects from configurations, for scripts: ``init_instance_by_config``; and configurations as flat mappings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from rollq.tasks.components.registry import build, resolve
from rollq.tasks.config.settings import load_settings
from rollq.tasks.definition import CLASS, KWARGS, MODULE, kwargs_of
from rollq.tasks.errors import BadInput


def init_instance_by_config(
    config: object,
    default_module: str | None = None,
    accept_types: type[object] | tuple[type[object], ...] = (),
    try_kwargs: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Any:
    """The object that a configuration describes. Only registered classes can be named.

    Args:
        config: ``{"class": ..., "module_path": ..., "kwargs": {...}}``, or the name of a class, ``module.Class`` too.
        default_module: ``module_path``, where ``config`` names none.
        accept_types: an object of one of these comes back as it is.
        try_kwargs: keywords that are given only if the class takes them.
        kwargs: further keywords; they go before those of ``config``.

    Raises:
        BadInput: it is no configuration, nor an object of ``accept_types``.
        ComponentError: the class is not registered, or does not take its keywords.
    """
    if accept_types and isinstance(config, accept_types):
        return config
    if isinstance(config, str):
        module, _, name = config.rpartition(".")
        config = {CLASS: name, **({MODULE: module} if module else {})}
    if not isinstance(config, Mapping):
        raise BadInput(f"{config!r} describes no object.", "Give {'class': ..., 'kwargs': {...}}.")
    if default_module is not None and not config.get(MODULE):
        config = {**config, MODULE: default_module}
    extra = load_settings().components
    tried = _taken(config, try_kwargs or {}, extra)
    made = {**config, KWARGS: {**tried, **kwargs_of(config), **kwargs}}
    return build(made, "config", extra)


def flatten_dict(d: Mapping[Any, object], parent_key: str = "", sep: str = ".") -> dict[str, object]:
    """A mapping without mappings in it: their keys are joined. Lists stay as they are.

    Args:
        d: the mapping.
        parent_key: what every key begins with.
        sep: between two keys.
    """
    flat: dict[str, object] = {}
    for key, value in d.items():
        name = f"{parent_key}{sep}{key}" if parent_key else str(key)
        flat.update(flatten_dict(value, name, sep) if isinstance(value, Mapping) else {name: value})
    return flat


def _taken(config: Mapping[str, object], wanted: Mapping[str, object], extra: tuple[str, ...]) -> dict[str, object]:
    """Those of ``wanted`` that the class of ``config`` takes."""
    if not wanted:
        return {}
    parameters = inspect.signature(resolve(config, "config", extra)).parameters
    return {name: value for name, value in wanted.items() if name in parameters}

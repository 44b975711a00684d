"""Components: ``{"class", "module_path", "kwargs"}`` in a template, resolved against the registry only.

The registry is the entry-point group ``rollq.components`` of every installed package (rollq uses it for its own
classes) plus the setting ``components``. A class that is not in it is refused before its module is imported.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from tasks.errors import ComponentError, RollqError
from tasks.source import note_loaded

GROUP = "rollq.components"
KEYS = {"class", "module_path", "kwargs"}


@cache
def installed_components() -> dict[str, str]:
    """Registered classes of the installed packages: ``module:Class`` by name."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def resolve(config: Any, key: str, extra: Iterable[str] = ()) -> type[Any]:
    """The class that ``config`` names.

    Args:
        config: ``{"class": ..., "module_path": ..., "kwargs": {...}}``; ``module_path`` may be left out.
        key: where in the template ``config`` stands, for messages.
        extra: further registered classes, as ``module:Class`` (the setting ``components``).

    Raises:
        ComponentError: the form is wrong, or the class is not registered or cannot be imported.
    """
    name, module = _names(config, key)
    registered = {**{target.rpartition(":")[2]: target for target in extra}, **installed_components()}
    target = registered.get(name)
    if target is None or module not in (None, target.partition(":")[0]):
        target = _by_module(registered.values(), module, name)
    if target is None:
        raise _not_registered(name, module, key, registered)
    return _load(target, key)


def build(config: Any, key: str, extra: Iterable[str] = (), **more: Any) -> Any:
    """An instance of the class that ``config`` names, made with its kwargs and ``more``.

    Raises:
        ComponentError: as ``resolve``, or a keyword is unknown or missing.
    """
    cls = resolve(config, key, extra)
    kwargs = {**(config.get("kwargs") or {}), **more}
    check_kwargs(cls, kwargs, f"{key}.kwargs")
    try:
        return cls(**kwargs)
    except RollqError:
        raise
    except (TypeError, ValueError) as error:
        raise ComponentError(
            f"{cls.__name__} refuses its kwargs: {error}.", "Mend the value.", f"{key}.kwargs"
        ) from error


def check_kwargs(cls: type[Any], kwargs: Mapping[str, Any], key: str) -> None:
    """Refuse keywords that ``cls`` does not take, and name those that it misses.

    Raises:
        ComponentError: a keyword is unknown or missing.
    """
    parameters = inspect.signature(cls).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in kwargs:
        if name not in parameters and not open_ended:
            raise ComponentError(
                f"{cls.__name__} has no parameter {name!r}.", did_you_mean(name, parameters), f"{key}.{name}"
            )
    for name, parameter in parameters.items():
        optional = parameter.default is not parameter.empty or parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        if not optional and name not in kwargs:
            raise ComponentError(f"{cls.__name__} needs the parameter {name!r}.", f"Add {name!r} under {key}.", key)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt ``name``: the closest of ``known``, and all of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(names)}."


def _names(config: Any, key: str) -> tuple[str, str | None]:
    if not isinstance(config, Mapping):
        raise ComponentError(
            "a component is a mapping with 'class' and 'kwargs'.", "Write class: and kwargs: under it.", key
        )
    for name in config:
        if name not in KEYS:
            raise ComponentError(f"unknown key {name!r}.", did_you_mean(str(name), KEYS), f"{key}.{name}")
    name, module = config.get("class"), config.get("module_path")
    if not isinstance(name, str) or not name:
        raise ComponentError("'class' is missing.", "Name a registered class.", f"{key}.class")
    if not isinstance(config.get("kwargs") or {}, Mapping):
        raise ComponentError("'kwargs' must be a mapping.", "Write name: value pairs under it.", f"{key}.kwargs")
    return name, module


def _by_module(targets: Iterable[str], module: str | None, name: str) -> str | None:
    wanted = f"{module}:{name}"
    return next((target for target in targets if target == wanted), None)


def _not_registered(name: str, module: str | None, key: str, registered: Mapping[str, str]) -> ComponentError:
    shown = f"{module}.{name}" if module else name
    if name in registered:
        fix = f"Use module_path: {registered[name].partition(':')[0]}, or leave module_path out."
    else:
        fix = (
            f"{did_you_mean(name, registered)} A class of your own is registered with "
            f"ROLLQ_COMPONENTS='[\"module:Class\"]' or the entry-point group {GROUP!r}."
        )
    return ComponentError(f"the class {shown!r} is not registered, so it was not imported.", fix, f"{key}.class")


def _load(target: str, key: str) -> type[Any]:
    module, _, name = target.partition(":")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ComponentError(
            f"the registered class {target} cannot be loaded: {error}.", "Install its package.", key
        ) from None
    if not isinstance(cls, type):
        raise ComponentError(f"{target} is not a class.", "Register a class.", key)
    note_loaded(cls)
    return cls

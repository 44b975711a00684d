"""Components: ``{"class", "module_path", "kwargs"}`` in a template, resolved against the registry only.

The registry is the entry-point group ``rollq.components`` of every installed package (rollq uses it for its own
classes) plus the setting ``components``. A class that is not in it is refused before its module is imported. Classes
of a library for which a package has an adapter (entry-point group ``rollq.adapters``) are left to that: it says which
of them may be used, and wraps them.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from rollq.tasks.components.app_dir import app_dirs
from rollq.tasks.components.installed import GROUP, installed_adapters, installed_components
from rollq.tasks.components.source import note_loaded
from rollq.tasks.components.user_code import place_of
from rollq.tasks.definition import CLASS, COMPONENT_KEYS, KWARGS, MODULE, kwargs_of
from rollq.tasks.errors import ComponentError, RollqError, UnknownClass
from rollq.tasks.failures import Kind, described, kind_of

_added: list[str] = []  # components that the settings were given after this process had read them


def resolve(config: object, key: str, extra: Iterable[str] = ()) -> type[Any]:
    """The class that ``config`` names.

    Args:
        config: ``{"class": ..., "module_path": ..., "kwargs": {...}}``; ``module_path`` may be left out.
        key: where in the template ``config`` stands, for messages.
        extra: further registered classes, as ``module:Class`` (the setting ``components``).

    Raises:
        UnknownClass: the class is not registered, or its module is not found.
        ComponentError: the form is wrong, or the class cannot be imported.
    """
    name, module = _names(config, key)
    registered = _registered(extra)
    # Only names are compared here: nothing is imported before it is known which class is meant, and that it may be.
    found = [target for known, target in registered if _is_named(known, target, name, module)]
    if not found and (adapted := _adapted(name, module, key)):
        return adapted
    if not found:
        raise _not_registered(name, module, key, dict(registered))
    if len(found) > 1:
        raise _ambiguous(name, found, key)
    return _load(found[0], key)


def is_registered(name: str, extra: Iterable[str] = ()) -> bool:
    """Whether a class of this name is registered; nothing is imported."""
    return any(known == name for known, _ in _registered(extra))


def note_added(targets: Iterable[str]) -> None:
    """Register further classes in this process, for all who resolve one."""
    _added.extend(target for target in targets if target not in _added)


def build(config: Any, key: str, extra: Iterable[str] = (), **more: object) -> Any:
    """An instance of the class that ``config`` names, made with its kwargs and ``more``.

    Raises:
        ComponentError: as ``resolve``, or a keyword is unknown or missing.
    """
    cls = resolve(config, key, extra)
    kwargs = {**kwargs_of(config), **more}
    check_kwargs(cls, kwargs, f"{key}.{KWARGS}", more)
    try:
        return cls(**kwargs)
    except RollqError:
        raise
    except (TypeError, ValueError) as error:
        if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
            what = f"{cls.__name__} has no {lacking[0]}, which every {key.partition('[')[0]} has"
            raise ComponentError(
                f"{what}.", "Write it: docs/how-to/bring-your-own-classes.md.", f"{key}.{CLASS}"
            ) from None
        raise ComponentError(
            f"{cls.__name__} refuses its kwargs: {error}.", "Correct the value.", f"{key}.{KWARGS}"
        ) from error


def check_kwargs(cls: type[Any], kwargs: Mapping[str, object], key: str, hidden: Collection[str] = ()) -> None:
    """Refuse keywords that ``cls`` does not take, and name those that it misses.

    Args:
        hidden: keywords that a template may not give, so that no message names them.

    Raises:
        ComponentError: a keyword is unknown or missing.
    """
    parameters = inspect.signature(cls).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in kwargs:
        if name not in parameters and not open_ended:
            raise ComponentError(
                f"{cls.__name__} has no parameter {name!r}.",
                did_you_mean(name, parameters.keys() - set(hidden)),
                f"{key}.{name}",
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


def _names(config: object, key: str) -> tuple[str, str | None]:
    """Class and module that a component names, once its form was checked."""
    if not isinstance(config, Mapping):
        raise ComponentError(
            "a component is a mapping with 'class' and 'kwargs'.", "Write class: and kwargs: under it.", key
        )
    for name in config:
        if name not in COMPONENT_KEYS:
            raise ComponentError(f"unknown key {name!r}.", did_you_mean(str(name), COMPONENT_KEYS), f"{key}.{name}")
    name, module = config.get(CLASS), config.get(MODULE)
    if not isinstance(name, str) or not name:
        raise ComponentError("'class' is missing.", "Name a registered class.", f"{key}.class")
    if not isinstance(config.get(KWARGS) or {}, Mapping):
        raise ComponentError("'kwargs' must be a mapping.", "Write name: value pairs under it.", f"{key}.kwargs")
    return name, module


def _registered(extra: Iterable[str]) -> list[tuple[str, str]]:
    """Every registered class, by its name; one of one's own may have the name of an installed one."""
    # A pair and no mapping: an own class may have the name of one of rollq's, and then the template must say which.
    own = [(target.rpartition(":")[2], target) for target in (*extra, *_added)]
    return list(dict.fromkeys([*own, *installed_components().items()]))


def _adapted(name: str, module: str | None, key: str) -> type[object] | None:
    """The class that stands for one of another library; None if no adapter knows the library."""
    # The other library's users may write the class with its module: ``a.b.Class``.
    path = f"{module}.{name}" if module else name
    place, _, last = path.rpartition(".")
    entry = installed_adapters().get(place.partition(".")[0])
    if entry is None:
        return None
    cls: type[object] = entry.load()(last, place, key)
    return cls


def _is_named(known: str, target: str, name: str, module: str | None) -> bool:
    return (
        known == name if module is None else target == f"{module}:{name}" or (known, module) == (name, _module(target))
    )


def _module(target: str) -> str:
    return target.partition(":")[0]


def _ambiguous(name: str, found: list[str], key: str) -> ComponentError:
    which = " or ".join(f"module_path: {_module(target)}" for target in found)
    return ComponentError(
        f"there are {len(found)} registered classes {name!r}.", f"Say which: {which}.", f"{key}.class"
    )


def _not_registered(name: str, module: str | None, key: str, registered: Mapping[str, str]) -> UnknownClass:
    """The refusal of a class that is not registered, with the one that may be meant."""
    shown = f"{module}.{name}" if module else name
    if name in registered:
        fix = f"Use module_path: {_module(registered[name])}, or leave module_path out."
    else:
        fix = (
            f'{did_you_mean(name, registered)} A class of your own is registered with components = ["module:Class"] in '
            f"rollq.toml, with ROLLQ_COMPONENTS='[\"module:Class\"]', or in the entry-point group {GROUP!r}."
        )
    message = f"the class {shown!r} is not registered, so it was not imported."
    return UnknownClass(message, fix, f"{key}.class", name)


def _load(target: str, key: str) -> type[object]:
    """The registered class ``module:Class``; any error of its import is told with the key in the template."""
    module, _, name = target.partition(":")
    try:
        cls = getattr(importlib.import_module(module), name)
    except BaseException as error:
        if kind_of(error) is Kind.STOP:
            raise
        raise _not_loaded(target, key, error) from error
    if not isinstance(cls, type):
        raise ComponentError(f"{target} is not a class.", "Register a class.", key)
    # Now, at its first use: the source on disk may change from here on.
    note_loaded(cls)
    return cls


def _not_loaded(target: str, key: str, error: BaseException) -> ComponentError:
    """Its module is not found, has no such class, or is broken; an import runs the user's own code."""
    module, _, name = target.partition(":")
    message = f"the registered class {target} cannot be loaded: {described(error)}."
    if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
        fix = (
            f"Install its package, or name the folder of {module.partition('.')[0]} with --app-dir (setting app_dir), "
            f"for workers too; looked in {', '.join(app_dirs()) or 'no folder'} and among the installed packages."
        )
        return UnknownClass(message, fix, key, name)
    fix = f"Correct it: {place}." if (place := place_of(error)) else "Correct its module, or install what it needs."
    if isinstance(error, AttributeError) and not hasattr(sys.modules.get(module, sys), name):
        return UnknownClass(message, fix, key, name)
    return ComponentError(message, fix, key)

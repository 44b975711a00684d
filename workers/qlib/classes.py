"""Which classes a template of Qlib's may name, at whatever depth: those that Qlib itself defines, and registered ones.

Qlib imports and calls whatever its configurations name. So every name in them is looked at before Qlib sees it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from rollq.tasks.components.installed import installed_components
from rollq.tasks.config.settings import current_settings
from rollq.tasks.definition import CLASS, MODULE
from rollq.tasks.errors import ComponentError, RollqError
from rollq.tasks.failures import Kind, described, kind_of
from rollq.workers.qlib.quiet import quietly

PREFIX = "qlib."
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
EXPRESSION = re.compile(r"[$(]")
# Qlib evaluates its expressions as Python. So only what one is made of may stand there: fields, calls of operators,
# numbers, words in quotes; no name that is neither a field nor called, and nothing with a dot.
TOKENS = re.compile(
    r"(?:\s+|\${1,2}\w+|[A-Za-z]\w*\s*(?=\()|[A-Za-z]\w*\s*=(?!=)|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
    r"|'\w*'|\"\w*\"|\b(?:True|False|None)\b|[-+*/<>=!&|~^%(),])*"
)
INSTALL = "Install it: pip install 'rollq[qlib]', for workers too."


def qlib_class(name: str, module: str, key: str) -> type[object]:
    """One of Qlib's own classes.

    Raises:
        ComponentError: there is none of this name, it is not Qlib's own, or a package that it needs is not installed.
    """
    if not module.startswith(PREFIX) or not re.fullmatch(r"\w+(\.\w+)*", module):
        raise ComponentError(f"{module!r} is no module of Qlib.", "Name a module under qlib.", f"{key}.{MODULE}")
    if find_spec("qlib") is None:
        raise ComponentError(f"{module}.{name} is Qlib's, which is not installed.", INSTALL, f"{key}.{MODULE}")
    try:
        with quietly():
            found = getattr(importlib.import_module(module), name, None)
    except BaseException as error:
        if kind_of(error) is Kind.STOP:
            raise
        raise _not_imported(module, name, key, error) from error
    if not isinstance(found, type) or not f"{found.__module__}.".startswith(PREFIX):
        raise ComponentError(f"{module} defines no class {name!r}.", "Correct its name.", f"{key}.{CLASS}")
    return found


def check_names(value: object, key: str) -> None:
    """Refuse what Qlib would import, evaluate or unpickle because a configuration names it, unless it is Qlib's own.

    Args:
        value: keywords of a component, at whatever depth.
        key: where they stand.

    Raises:
        ComponentError: it names a class or a function that is neither Qlib's nor registered, a pickle, or an expression
            that is none.
    """
    for place, found in _walk(value, key):
        if isinstance(found, Mapping):
            _check_component(found, place)
        elif isinstance(found, str):
            _check_text(found, place)


def _walk(value: object, key: str) -> Iterator[tuple[str, object]]:
    yield key, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, item in items:
        yield from _walk(item, f"{key}[{name}]" if isinstance(name, int) else f"{key}.{name}")


def _check_component(config: Mapping[str, object], key: str) -> None:
    """Of a mapping with a class: that Qlib, or the registry, has it."""
    if "func" in config:
        raise ComponentError("a function cannot be named here.", "Name a class of Qlib.", f"{key}.func")
    module, name = config.get(MODULE), config.get(CLASS)
    if module is None or not isinstance(name, str):
        return  # Qlib looks in a module of its own; a name with dots is looked at as text
    if str(module).startswith(PREFIX):
        qlib_class(name, str(module), key)
    elif f"{module}:{name}" not in _registered():
        raise ComponentError(
            f"the class {module}.{name} is neither Qlib's nor registered, so it was not imported.",
            f"Register it with ROLLQ_COMPONENTS='[\"{module}:{name}\"]', or use one of Qlib's.",
            f"{key}.{CLASS}",
        )


def _check_text(text: str, key: str) -> None:
    """Of a text: that it is no pickle, no name of a foreign class, and no program."""
    stripped = text.strip()
    if stripped.startswith("file:") or stripped.lower().endswith((".pkl", ".pickle")):
        raise ComponentError(f"{text!r} is a pickle, which is not read.", "Write out what it holds.", key)
    if DOTTED.fullmatch(stripped) and not stripped.startswith(PREFIX):
        first, _, _ = stripped.partition(".")
        module = stripped.rpartition(".")[0]
        # What cannot be imported is no class: codes of shares have dots, too.
        if find_spec(first) is not None and f"{module}:{stripped.rpartition('.')[2]}" not in _registered():
            raise ComponentError(
                f"{text!r} is neither Qlib's nor registered, so it was not imported.", "Use a class of Qlib.", key
            )
    if EXPRESSION.search(stripped) and not TOKENS.fullmatch(stripped):
        raise ComponentError(
            f"{text[:80]!r} is no expression of Qlib.", "Use operators, fields such as $close, and numbers.", key
        )


def _registered() -> set[str]:
    return {*installed_components().values(), *current_settings().components}


def _not_imported(module: str, name: str, key: str, error: BaseException) -> RollqError:
    """Why a class of Qlib cannot be had: Qlib, or what the class builds on, is missing."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing == "qlib":
        return ComponentError(f"Qlib has no module {module}.", "Correct its name.", f"{key}.{MODULE}")
    if missing:
        fix = f"Install it, for workers too: pip install {missing}"
        return ComponentError(f"{module} needs the package {missing}, which is not installed.", fix, f"{key}.{MODULE}")
    return ComponentError(f"{module}.{name} cannot be imported: {described(error)}.", INSTALL, f"{key}.{MODULE}")

"""Functions that the expressions of a dataset call: those of one's own, and those of packages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rollq.tasks.components.registry import is_registered
from rollq.tasks.definition import component

PACKAGES = {"holiday": "holidays"}  # functions of expressions whose values come from a package
CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")


def functions_called(kwargs: Mapping[str, object], extra: Iterable[str] = ()) -> dict[str, Mapping[str, object]]:
    """The registered classes that are called somewhere in the keywords of a dataset, as components by their names.

    Args:
        extra: further registered classes (the setting ``components``).
    """
    registered = tuple(extra)
    return {name: component(name) for name in sorted(_called(kwargs)) if is_registered(name, registered)}


def packages_called(kwargs: Mapping[str, object]) -> frozenset[str]:
    """The packages from which functions that are called have their values."""
    return frozenset(PACKAGES[name] for name in _called(kwargs) & PACKAGES.keys())


def _called(kwargs: Mapping[str, object]) -> set[str]:
    return {name for text in _texts(kwargs) for name in CALLED.findall(text)}


def _texts(value: object) -> Iterator[str]:
    """All texts in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from _texts(one)

"""Whether a dataclass that was made of a stored document holds what its annotations say: others write there, too."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
LARGEST = 2**53  # whole numbers that every program reads alike


def typed(made: T) -> T:
    """``made`` itself.

    Raises:
        TypeError: a field is of another type than its annotation says; the message names it.
    """
    for name, hint in _hints(type(made)):
        value = getattr(made, name)
        if not _fits(value, hint):
            raise TypeError(f"{name} is {str(value)[:60]!r}")
    return made


def _hints(cls: Any) -> tuple[tuple[str, Any], ...]:
    return _hints_of(cls)


@cache
def _hints_of(cls: Any) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, hints[field.name]) for field in fields(cls))


def _fits(value: Any, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        same = len(parts) == 2 and parts[1] is Ellipsis
        wanted = (parts[0],) * len(value) if isinstance(value, tuple) and same else parts
        return isinstance(value, tuple) and len(value) == len(wanted) and all(map(_fits, value, wanted))
    if origin is dict:
        return isinstance(value, dict) and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    return _is(value, hint)


def _is(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if is_dataclass(hint):
        return type(value) is hint and all(_fits(getattr(value, name), part) for name, part in _hints(type(value)))
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint)

"""The keywords that a class of Qlib takes, also those that it hands through to the classes that it inherits from."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import TypeVar

Kind = inspect.Parameter
Wrapper = TypeVar("Wrapper")


def parameters_of(cls: type[object], more: Iterable[str] = (), without: Sequence[str] = ()) -> list[inspect.Parameter]:
    """Its keywords, with ``more`` that may be given, too.

    A class that takes any keyword hands it to the next one; if the last one does, nothing more is known, and so none of
    them is refused.
    """
    found: dict[str, inspect.Parameter] = {}
    for one in cls.__mro__:
        if "__init__" not in vars(one) or one is object:
            continue
        own = list(inspect.signature(one).parameters.values())
        for parameter in own:
            if parameter.kind in (Kind.POSITIONAL_OR_KEYWORD, Kind.KEYWORD_ONLY) and parameter.name not in without:
                found.setdefault(parameter.name, parameter.replace(kind=Kind.KEYWORD_ONLY))
        if not any(parameter.kind is Kind.VAR_KEYWORD for parameter in own):
            break
    found.update({name: Kind(name, Kind.KEYWORD_ONLY, default=None) for name in more})
    return list(found.values())


def wrapped(base: type[Wrapper], cls: type[object], parameters: Sequence[inspect.Parameter]) -> type[Wrapper]:
    """A class of rollq for one of Qlib's: ``base``, which finds that one as ``wraps``, with its name and keywords."""
    own = {"wraps": cls, "__signature__": inspect.Signature(parameters), "__module__": base.__module__}
    return type(cls.__name__, (base,), {**own, "__doc__": cls.__doc__})


def takes_any(cls: type[object]) -> bool:
    """Whether a class makes something of its own of keywords that nobody has named."""
    return any(one.kind is Kind.VAR_KEYWORD for one in inspect.signature(cls).parameters.values())

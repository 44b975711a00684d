"""Whether a name of Qlib's is on our side, and whether each call that Qlib's takes is taken here, too."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import rollq
from docs.from_qlib.qlib_names import Name, Parameter

_RENAMED = {"QlibRecorder": "Workflow"}
SET_IN_INIT = object()  # an attribute whose value is not known without an object
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def find(name: str) -> object:
    """What stands under a dotted name that begins with one that `rollq` exports.

    Args:
        name: Without `rollq` before it.

    Raises:
        AttributeError: If there is none.
    """
    first, *rest = name.split(".")
    found: object = getattr(rollq, _RENAMED.get(first, first))
    for part in rest:
        found = SET_IN_INIT if _is_set_in_init(found, part) else getattr(found, part)
    return found


def has(name: str) -> bool:
    """Whether there is such a name.

    Args:
        name: Without `rollq` before it.
    """
    try:
        find(name)
    except AttributeError:
        return False
    return True


def _is_set_in_init(found: object, name: str) -> bool:
    """Whether only the objects of a class have an attribute: what their methods set."""
    if not isinstance(found, type) or hasattr(found, name):
        return False
    own = [one for one in found.__mro__ if one.__module__.startswith("rollq.")]
    return any(re.search(rf"\bself\.{name}\b(: .+)? = ", inspect.getsource(one)) for one in own)


def wrong(name: Name) -> list[str]:
    """Why a name is not the same here; empty if it is.

    Args:
        name: The name of Qlib's.
    """
    if not has(name.name):
        return ["it is not there"]
    here = find(name.name)
    if name.parameters is not None:
        return list(_differences(name.parameters, _parameters(here)))
    if name.value is not None and getattr(here, "value", here) != name.value:
        return [f"it is {here!r}"]
    return []


def _parameters(here: object) -> list[inspect.Parameter]:
    if not callable(here):
        raise TypeError(f"{here!r} cannot be called")
    return [one for one in inspect.signature(here).parameters.values() if one.name not in ("self", "cls")]


def _differences(qlib: tuple[Parameter, ...], here: list[inspect.Parameter]) -> Iterator[str]:
    """Each call that Qlib's takes is taken: by position, by name, and without what has a default."""
    known = {one.name: one for one in here}
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in here)
    order = [one.name for one in here if one.kind in _POSITIONAL]
    wanted = [one.name for one in qlib if not one.kind]
    takes_all = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in here)
    if not takes_all and order[: len(wanted)] != wanted:
        yield f"by position it takes {order}"
    for one in qlib:
        if one.kind == "**" and not takes_any:
            yield f"it takes no **{one.name}"
        if one.kind in ("", "key") and one.name not in known and not takes_any:
            yield f"it takes no {one.name}"
    optional = {one.name for one in qlib if not one.is_needed}
    for name, parameter in known.items():
        star = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        is_new = name not in {one.name for one in qlib}
        if not star and parameter.default is inspect.Parameter.empty and (is_new or name in optional):
            yield f"it needs {name}"

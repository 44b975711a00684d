"""All functions of the language, by name."""

from __future__ import annotations

from collections.abc import Mapping

from rollq.tasks.errors import UnknownClass
from rollq.workers.expressions.functions import (
    across,
    calendar,
    elementwise,
    other_rows,
    prices,
    qlib_operators,
    windows,
)
from rollq.workers.expressions.functions.function import Function
from rollq.workers.expressions.functions.own import own_function

FUNCTIONS: Mapping[str, Function] = {
    one.name: one
    for part in (elementwise, other_rows, windows, across, calendar, prices, qlib_operators)
    for one in part.FUNCTIONS
}


def function_of(name: str) -> Function | None:
    """The function of this name, of the language or of one's own; None if there is none.

    Raises:
        ComponentError: a registered one cannot be loaded.
    """
    return FUNCTIONS.get(name) or own_function(name)


def known_function(name: str) -> Function:
    """The function of a tree that was read.

    Raises:
        UnknownClass: it is one's own, and not registered here.
    """
    found = function_of(name)
    if found is None:
        raise UnknownClass(
            f"the function {name} is not registered here.", "Name its class in the setting components.", "", name
        )
    return found

"""The sets by name, and the columns that they are computed from."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.nearest import nearest
from rollq.workers.expressions.node import Column
from rollq.workers.expressions.sets import alpha, common


@dataclass(frozen=True)
class NamedSet:
    """A set of features.

    Args:
        required, uses: columns that must be there, and that are used if they are.
        texts: from the columns that are there, the expression of each feature by its name.
        about: what it is, for the reference.
    """

    required: tuple[str, ...]
    uses: tuple[str, ...]
    texts: Callable[[Mapping[str, str]], dict[str, str]]
    about: str


SETS: Mapping[str, NamedSet] = {
    "alpha158": NamedSet(alpha.REQUIRED, (), alpha.alpha158, "Qlib's 158 features of daily bars, by Qlib's names"),
    "alpha360": NamedSet(alpha.REQUIRED, (), alpha.alpha360, "Qlib's 360: each price and volume of the last 60 steps"),
    "price_volume": NamedSet(
        ("close",),
        (*common.PRICES, "volume", "value"),
        common.price_volume,
        "changes, trends, ranges and risk of the close; more where there are open, high and low, volume or value",
    ),
    "calendar": NamedSet((), (), common.calendar, "what the local date and time of a row say"),
}
NAME = re.compile(r"\b[a-z]+\b(?!\()")  # a column in the text of a set: there all others are functions, or numbers


def named_set(
    name: str, columns: Collection[str], key: str = "", given: Mapping[str, object] | None = None
) -> dict[str, str]:
    """The expression of each feature of a set, by its name, in order.

    Args:
        name: of the set.
        columns: of the table; names may differ from those of the set by their case.
        key: where in the template it stands, for messages.
        given: columns of the set that are other expressions of the table: ``{"vwap": "value / volume"}``.

    Raises:
        TemplateError: there is no such set, or a column that it needs is not there.
    """
    if name not in SETS:
        raise TemplateError(f"there is no set {name!r}.", nearest(name, SETS), key)
    found = SETS[name]
    wanted = (*found.required, *found.uses)
    for column, text in (given or {}).items():
        if column not in wanted or not isinstance(text, str):
            fix = nearest(column, wanted) or "It uses none."
            raise TemplateError(f"{name} has no column {column!r} that is {text!r}.", fix, f"{key}.columns")
    known = {one: _text(one, columns, given or {}) for one in wanted}
    for one in found.required:
        if known[one] is None:
            fix = f"Say what it is: {{set: {name}, columns: {{{one}: {_guess(one)}}}}}."
            raise TemplateError(f"{name} needs the column {one!r}, which the table lacks.", fix, key)
    there = {one: text for one, text in known.items() if text is not None}
    return {
        feature: NAME.sub(lambda one: there.get(one[0], one[0]), text) for feature, text in found.texts(there).items()
    }


def _text(column: str, columns: Collection[str], given: Mapping[str, object]) -> str | None:
    """What stands for a column of a set: what is given, or a column of the table of this name; None: nothing does."""
    if column in given:
        return f"({given[column]})"
    alike = [one for one in columns if one == column] or [one for one in columns if one.lower() == column]
    return Column(alike[0]).text if len(alike) == 1 else None


def _guess(column: str) -> str:
    """An example of what a column may be."""
    return "value / volume" if column == "vwap" else "adj_close" if column == "close" else f"my_{column}"

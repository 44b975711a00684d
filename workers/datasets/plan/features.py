"""The features of a table: named sets, columns, expressions with and without a name, and the ops of price panels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError
from rollq.workers.datasets.features import FEATURES, check_features
from rollq.workers.expressions.expression import Expression, Lead, parse
from rollq.workers.expressions.sets.named import SETS, named_set

KEY = "dataset.kwargs.features"
GLOB = re.compile(r"[^\s()`'\"]*[*?][^\s()`'\"]*")  # a pattern of names: no blank, no bracket
OPS_NEED = "close"


@dataclass(frozen=True)
class Entry:
    """One entry of ``features``, as it is written: a ``name`` or none, a ``text``, and its ``key`` in the template.

    ``given`` says of a set which of its columns are other expressions.
    """

    name: str | None
    text: str
    key: str
    given: Mapping[str, object] = field(default_factory=dict)


def read_entries(specs: object, key: str = KEY) -> list[Entry]:
    """The entries of ``features``, checked as far as it goes before the table is known.

    Raises:
        TemplateError: one is no text, mapping or op, or an expression cannot be read.
    """
    if not isinstance(specs, Sequence) or isinstance(specs, str) or not specs:
        raise TemplateError("features is a list.", "Write - alpha158, - f* or - mean(close, 20) / close under it.", key)
    found: list[Entry] = []
    for position, spec in enumerate(specs):
        found.extend(_entries(spec, f"{key}[{position}]"))
    return found


def expressions_of(
    entries: Sequence[Entry], columns: Mapping[str, str], lead: Lead, label: str | None = None
) -> dict[str, Expression]:
    """The expression of each feature, by its name, in order.

    Args:
        columns: of the table, with their kinds.
        lead: which are known in advance, and how far.
        label: a column that patterns leave out.

    Raises:
        TemplateError: a column is unknown, a pattern fits none, or a name is there twice.
    """
    found: dict[str, Expression] = {}
    for entry in entries:
        for name, text in _named(entry, columns, label):
            if name in found:
                raise TemplateError(f"{name} is there twice.", "Name each feature once.", entry.key)
            found[name] = parse(text, columns=columns, lead=lead, key=entry.key)
    return found


def is_pattern(text: str, columns: Collection[str] | None) -> bool:
    """Whether a text is a pattern of names and no product: ``f*``, ``*_lag``, ``f*_5d``."""
    if not GLOB.fullmatch(text):
        return False
    if columns is not None and any(fnmatchcase(name, text) for name in columns):
        return True
    try:
        parse(text, columns=columns, lead=None)
    except TemplateError:
        return True
    return False


def _entries(spec: object, key: str) -> Iterator[Entry]:
    """The entries that one item of the list stands for."""
    if isinstance(spec, str):
        yield from _text(None, spec, key)
    elif isinstance(spec, Mapping) and "op" in spec:
        column = spec.get("column", OPS_NEED)
        if not isinstance(column, str):
            raise TemplateError(f"{column!r} is no column.", "Name one.", f"{key}.column")
        plain = {name: value for name, value in spec.items() if name != "column"}
        for name, op, window in check_features([plain], key):
            yield Entry(name if column == OPS_NEED else f"{name}_{column}", f"{op}(`{column}`, {window})", key)
    elif isinstance(spec, Mapping) and "set" in spec:
        yield _set(spec, key)
    elif isinstance(spec, Mapping) and spec:
        for name, text in spec.items():
            if not isinstance(name, str) or not isinstance(text, str | int | float) or isinstance(text, bool):
                raise TemplateError(f"{spec!r} is no feature.", "Write {name: expression}.", key)
            yield from _text(name, str(text), f"{key}.{name}")
    else:
        raise TemplateError(f"{spec!r} is no feature.", "Write a name, an expression, or {name: expression}.", key)


def _set(spec: Mapping[str, object], key: str) -> Entry:
    """A named set, some of whose columns are other expressions."""
    for one in spec:
        if one not in ("set", "columns"):
            fix = did_you_mean(str(one), ("set", "columns"))
            raise TemplateError(f"unknown key {one!r}.", fix, f"{key}.{one}")
    name = spec["set"]
    given = spec.get("columns", {})
    if not isinstance(name, str) or name not in SETS:
        raise TemplateError(f"there is no set {name!r}.", did_you_mean(str(name), SETS), f"{key}.set")
    if not isinstance(given, Mapping):
        raise TemplateError("columns is a mapping.", "Write columns: {vwap: value / volume}.", f"{key}.columns")
    return Entry(None, name, key, {str(one): text for one, text in given.items()})


def _text(name: str | None, text: str, key: str) -> Iterator[Entry]:
    """An entry of one text; one that is no pattern must be an expression."""
    text = text.strip()
    if name is None and text in SETS:
        yield Entry(None, text, key)
        return
    if name is None and text in FEATURES:
        raise TemplateError(f"{text} needs its windows.", f"Write {{op: {text}, windows: [5, 20]}}.", key)
    if name is not None or not GLOB.fullmatch(text):
        parse(text, columns=None, lead=None if "lead" not in text else "label", key=key)
    yield Entry(name, text, key)


def _named(entry: Entry, columns: Mapping[str, str], label: str | None) -> Iterator[tuple[str, str]]:
    """The names and texts of the features that an entry stands for."""
    if entry.name is not None:
        yield entry.name, entry.text
    elif entry.text in SETS and entry.text not in columns:
        yield from named_set(entry.text, columns, entry.key, entry.given).items()
    elif is_pattern(entry.text, columns):
        others = [name for name in columns if name != label]
        names = [name for name in others if fnmatchcase(name, entry.text)]
        if not names:
            fix = did_you_mean(entry.text, others) or "Look at the columns of the table."
            raise TemplateError(f"no column fits {entry.text!r}.", fix, entry.key)
        yield from ((name, f"`{name}`") for name in names)
    else:
        yield entry.text, entry.text

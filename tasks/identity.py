"""What makes two rolling tasks the same task: the SHA-256 of what they are made of.

A definition that a template was cut into says in its ``identity`` which data its window can see, which code its
components have, and which libraries they use (``tasks/ingredients/ingredients.py``). These and the template itself are
what the task is; the folders of files, and the state of the data as a whole, are not. Every other definition is what it
says.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypedDict

from rollq.tasks.definition import (
    CACHE_DIR,
    CHECKS,
    DATA,
    DATASET,
    KWARGS,
    MODULE,
    PATH,
    PROJECT,
    PROVIDER,
    QLIB_INIT,
    RECORD,
    dataset_kwargs,
    kwargs_of,
    with_kwargs,
    with_paths,
)
from rollq.tasks.errors import TemplateError

DEPTH = 80  # levels of nesting; MongoDB takes 100 in a document
LARGEST_CHARS = 4_000_000  # of a definition; MongoDB takes 16 MB in a document
EXACT = 2.0**53  # below it a whole number is the same as int and as float

IDENTITY = "identity"  # in a definition: {data, code, libraries}, and the marks of its sessions, which do not count
PARTS = ("data", "code", "libraries")
WHOLE = "whole"  # in ``data``: the dataset cannot tell what a window sees
BESIDE = (IDENTITY, DATA, PROJECT)  # of a definition with an identity: not part of its template
PLACES = (PATH, CACHE_DIR)  # of a dataset: where its files are


class Identity(TypedDict):
    """What a task is made of: the hash of its template, the data of its segments, its code, its libraries."""

    template: str
    data: Mapping[str, object]
    code: Mapping[str, Mapping[str, str]]
    libraries: Mapping[str, str]


def canonical(value: Any, key: str = "", level: int = 0) -> Any:
    """``value`` as plain JSON: dates as ISO strings, tuples as lists, mappings with string keys.

    A ``datetime`` (``pandas.Timestamp`` too) at midnight becomes ``YYYY-MM-DD``, so a date, a session and their text
    are one and the same.

    Raises:
        TemplateError: a value has no JSON form, is NaN or infinite, or lies too deep; ``key`` is its dotted path.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, key)
    if isinstance(value, int):
        # MongoDB keeps whole numbers in 64 bits.
        if not -(2**63) <= value < 2**63:
            raise TemplateError("the number is too large to be stored.", "Use one of at most 63 bits.", key)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TemplateError(f"{value} is not a number that can be stored.", "Use a finite number or null.", key)
        return value
    # Before `date`, of which a datetime is one, too.
    if isinstance(value, datetime) and value == value:  # NaT is a datetime that equals nothing
        midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0) and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if level == DEPTH:
        raise TemplateError(f"it lies {DEPTH} levels deep.", "Use a flatter form.", f"{key[:60]}...")
    if isinstance(value, Mapping):
        items = ((_name(name, key), item) for name, item in value.items())
        made = {name: canonical(item, f"{key}.{name}".lstrip("."), level + 1) for name, item in items}
        if len(made) < len(value):
            raise TemplateError("two of its keys are the same text.", "Rename one.", key)
        return made
    if isinstance(value, list | tuple):
        return [canonical(item, f"{key}[{position}]", level + 1) for position, item in enumerate(value)]
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():  # a scalar; numpy is slow to import
        return canonical(value.item(), key, level + 1)
    raise TemplateError(
        f"a {type(value).__name__} cannot be stored in a task.", "Use numbers, text, lists, mappings.", key
    )


def _json(plain: object) -> str:
    """The one JSON text of a canonical value: keys sorted, no spaces, ASCII."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def task_key(definition: Mapping[str, object]) -> str:
    """Identity of a rolling task: SHA-256 (hex) of what it is made of.

    Raises:
        TemplateError: it has no JSON form, or is too large for a document.
    """
    return plain_key(canonical(definition))


def plain_key(plain: Mapping[str, object]) -> str:
    """As ``task_key``, of a definition that is canonical already.

    Raises:
        TemplateError: it is too large for a document.
    """
    made_of = _made_of(plain)
    # A definition without an identity was put into the pool by hand: it is what it says.
    text = _json(plain if made_of is None else made_of)
    if len(text) > LARGEST_CHARS:
        raise TemplateError(f"the definition has {len(text):,} characters.", "Put what is large into a file.")
    return hashlib.sha256(text.encode()).hexdigest()


def identity_of(definition: Mapping[str, object]) -> Identity | None:
    """What a task is made of, for people: ``{template, data, code, libraries}``; None if its definition is all.

    ``template`` is a SHA-256 (hex).
    """
    found = _written(definition)
    if found is None:
        return None
    template = hashlib.sha256(_json(template_of(definition)).encode()).hexdigest()
    return Identity(template=template, data=found["data"], code=found["code"], libraries=found["libraries"])


def template_of(definition: Mapping[str, object]) -> dict[str, object]:
    """The part of a definition that the template gives, without the folders of files.

    Whole numbers are ``int``, except in what own classes are given: there 1 and 1.0 may mean two things.
    """
    identity = _mapping(definition.get(IDENTITY))
    data, code = _mapping(identity.get("data")), _mapping(identity.get("code"))
    kept = {name: value for name, value in definition.items() if name not in BESIDE}
    if DATASET in kept:
        kept[DATASET] = _placeless(kept[DATASET], WHOLE in data)
    return {name: _by_value(value, name, code) for name, value in kept.items()}


def places_of(definition: Mapping[str, object]) -> dict[str, object]:
    """Where the files of a definition's dataset are, if that is no part of what it is."""
    kwargs = dataset_kwargs(definition)
    return {name: kwargs[name] for name in PLACES if name in kwargs} if IDENTITY in definition else {}


def _made_of(plain: Mapping[str, object]) -> dict[str, object] | None:
    """The four parts of an identity; None if the definition has none."""
    found = _written(plain)
    if found is None:
        return None
    code = {name: one.get("sha256") if isinstance(one, Mapping) else one for name, one in found["code"].items()}
    return {"template": template_of(plain), "data": found["data"], "code": code, "libraries": found["libraries"]}


def _written(definition: Mapping[str, object]) -> Mapping[str, Mapping[str, Any]] | None:
    """The identity that a definition says; None if it says none, or not all of it."""
    found = _mapping(definition.get(IDENTITY))
    whole = all(isinstance(found.get(part), Mapping) for part in PARTS)
    return {part: _mapping(found[part]) for part in PARTS} if whole else None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _placeless(dataset: object, whole: bool) -> object:
    """A dataset's part without places and checks; the file keeps its name where the fingerprint is of all of it."""
    if not isinstance(dataset, Mapping) or not isinstance(dataset.get(KWARGS), Mapping):
        return dataset
    given, places = kwargs_of(dataset), PLACES if whole else (*PLACES, CHECKS)  # what checks leave out is in the data
    named = with_paths(given, lambda path, _: re.split(r"[/\\]", path.rstrip("/\\"))[-1] if whole else None)
    out = [name for name in places if name != PATH or not isinstance(given.get(PATH), str)]
    kwargs = {name: value for name, value in named.items() if name not in out}
    if isinstance(init := kwargs.get(QLIB_INIT), Mapping):
        kwargs[QLIB_INIT] = {name: value for name, value in init.items() if name != PROVIDER}
    return with_kwargs(dataset, kwargs)


def _by_value(value: object, part: str, code: Mapping[str, object]) -> object:
    """A component without ``module_path`` (its code says which it is) and with whole numbers as ``int``."""
    if isinstance(value, list) and part == RECORD:
        return [_by_value(one, f"{part}[{position}]", code) for position, one in enumerate(value)]
    component = code.get(part)
    if isinstance(component, Mapping) and isinstance(value, Mapping):
        kept = {name: one for name, one in value.items() if name != MODULE}
        kept[KWARGS] = kept.get(KWARGS) or {}
        return kept if component.get("own") else _whole_numbers(kept)
    return value


def _whole_numbers(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    if isinstance(value, Mapping):
        return {name: _whole_numbers(item) for name, item in value.items()}
    return [_whole_numbers(item) for item in value] if isinstance(value, list) else value


def _text(value: str, key: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise TemplateError("the text holds half a character (a lone surrogate).", "Correct it.", key) from None
    return str(value)


def _name(name: object, key: str) -> str:
    text = _text(str(name), key)
    if "\0" in text:
        raise TemplateError(f"the key {text!r} holds a NUL character.", "Use another name.", key)
    return text


def task_id(pool: str, key: str) -> str:
    """The id of the task with ``key`` in ``pool``: the same on every machine (24 hex digits)."""
    # NUL stands in no name, so pool and key cannot run into each other; 24 digits are the form of MongoDB's own ids.
    return hashlib.sha256(f"{pool}\0{key}".encode()).hexdigest()[:24]

"""What makes two rolling tasks the same task: the SHA-256 of their canonical definition."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from tasks.errors import TemplateError

DEPTH = 80  # levels of nesting; MongoDB takes 100 in a document
LARGEST_CHARS = 4_000_000  # of a definition; MongoDB takes 16 MB in a document


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
        if not -(2**63) <= value < 2**63:
            raise TemplateError("the number is too large to be stored.", "Use one of at most 63 bits.", key)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TemplateError(f"{value} is not a number that can be stored.", "Use a finite number or null.", key)
        return value
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


def canonical_json(value: Any) -> str:
    """The one JSON text of ``value``: keys sorted, no spaces, ASCII."""
    return _json(canonical(value))


def _json(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def task_key(definition: Mapping[str, Any]) -> str:
    """Identity of a rolling task: SHA-256 (hex) of its canonical definition.

    Raises:
        TemplateError: it has no JSON form, or is too large for a document.
    """
    return plain_key(canonical(definition))


def plain_key(plain: Mapping[str, Any]) -> str:
    """As ``task_key``, of a definition that is canonical already.

    Raises:
        TemplateError: it is too large for a document.
    """
    text = _json(plain)
    if len(text) > LARGEST_CHARS:
        raise TemplateError(f"the definition has {len(text):,} characters.", "Put what is large into a file.")
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: str, key: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise TemplateError("the text holds half a character (a lone surrogate).", "Mend it.", key) from None
    return str(value)


def _name(name: Any, key: str) -> str:
    text = _text(str(name), key)
    if "\0" in text:
        raise TemplateError(f"the key {text!r} holds a NUL character.", "Use another name.", key)
    return text


def task_id(pool: str, key: str) -> str:
    """The id of the task with ``key`` in ``pool``: the same on every machine (24 hex digits)."""
    return hashlib.sha256(f"{pool}\0{key}".encode()).hexdigest()[:24]

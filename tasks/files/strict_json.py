"""Strict JSON (RFC 8259), which has no NaN and no infinity: every reader can read what rollq prints and logs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping


def dumps(value: object, indent: int | None = None) -> str:
    """``value`` as one JSON text: null for a number that is not finite, text for what JSON has no form for."""
    return json.dumps(_plain(value), indent=indent, allow_nan=False, default=_other)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _key(key: object) -> object:
    if isinstance(key, float) and not math.isfinite(key):
        return None
    return key if isinstance(key, str | int | float | None) else str(key)


def _other(value: object) -> object:
    if isinstance(value, set | frozenset):
        # A set has no order of its own: sorted, the same set is the same text.
        return sorted(map(_plain, value), key=str)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):  # numpy is slow to import
        return _plain(value.tolist())
    return str(value)

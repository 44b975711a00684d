"""Names and values in the forms that MLflow takes: escaped and shortened on the way in, and back on the way out."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from tasks.errors import BadInput
from tasks.identity import canonical

MAX_NAME = 250  # characters of a name, MLflow's limit
MAX_VALUE = 500  # characters of a param that every tracking store takes; longer ones become an artifact
CUT = ":z"
KEPT = 180  # characters of a name that is too long
PLAIN = re.compile(r"[^\w\-. /]", re.ASCII)


def escape(name: str) -> str:
    """``name`` as MLflow takes it: what it refuses as ``:hex:``; a name that is too long keeps its head and a hash."""
    plain = PLAIN.sub(_code, name)
    if not plain or posixpath.normpath(plain) != plain or plain.startswith(("/", "..")):
        plain = re.sub(r"[/.]", _code, plain) or ":empty:"  # MLflow takes no name that looks like another path
    return plain if len(plain) <= MAX_NAME else shorten(plain)


def unescape(name: str) -> str:
    """The name that ``escape`` was given, unless it was shortened: then the recorder knows it."""
    return "" if name == ":empty:" else re.sub(r":([0-9a-f]+):", lambda found: chr(int(found[1], 16)), name)


def shorten(name: str) -> str:
    """A name that is too long, as its head and the head of its SHA-256; the mark between them escapes nothing."""
    head = re.sub(r":[0-9a-f]*$", "", name[:KEPT]).rstrip("/. ")
    return f"{head}{CUT}{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def is_shortened(name: str) -> bool:
    """Whether a name in the store is not the whole one."""
    return CUT in name


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings as dotted names; text as it is, everything else as JSON.

    Raises:
        TemplateError: a value has no JSON form.
    """
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(canonical(value, str(name)))
    return flat


def quoted(text: str) -> str:
    """Text as a literal of MLflow's search syntax, which knows two kinds of quotes and no escapes.

    Raises:
        BadInput: the text has both kinds.
    """
    if "'" in text and '"' in text:
        raise BadInput(f"MLflow cannot search for {text!r}.", "Choose a name with one kind of quotes, or use its id.")
    return f'"{text}"' if "'" in text else f"'{text}'"


def _code(found: re.Match[str]) -> str:
    return f":{ord(found[0]):x}:"

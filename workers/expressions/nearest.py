"""What a misspelt name may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 12  # names that are listed where none is near


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the names that are nearest, or the first of all."""
    names = sorted(known)
    close = get_close_matches(name, names, n=3) or get_close_matches(name.lower(), names, n=3)
    if close:
        return f"Did you mean {' or '.join(repr(one) for one in close)}?"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"Known: {', '.join(names[:SHOWN])}{more}." if names else ""

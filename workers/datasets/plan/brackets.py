"""Expressions that YAML has cut: a comma between [ ] or { } separates entries, in the middle of an expression, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollq.tasks.errors import TemplateError


def check_brackets(written: object, key: str) -> None:
    """Refuse a text with a bracket that is not closed, at any depth.

    Raises:
        TemplateError: there is one; it says how to write it.
    """
    if isinstance(written, str):
        if written.count("(") != written.count(")"):
            fix = "Put it in quotes: a comma between [ ] or { } separates entries."
            raise TemplateError(f"{written!r} has a bracket that is not closed.", fix, key)
    elif isinstance(written, Mapping):
        for name, value in written.items():
            check_brackets(value, key)
            check_brackets(name, key)
    elif isinstance(written, Sequence):
        for position, value in enumerate(written):
            check_brackets(value, f"{key}[{position}]")

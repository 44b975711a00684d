"""Names that a template gives: of a pool, a strategy, a queue."""

from __future__ import annotations

import re

from rollq.tasks.errors import TemplateError


def check_name(name: object, key: str) -> None:
    """Refuse a name that cannot serve as a pool, an MLflow experiment, a strategy and a folder.

    Raises:
        TemplateError: it is no text, or has characters other than letters, digits, space, dot, dash, underscore.
    """
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w. -]{0,99}", name):
        fix = "Use up to 100 letters, digits, spaces, dots, dashes and underscores."
        raise TemplateError(f"{name!r} cannot be a name.", fix, key)

"""Packages that a model needs and that are no part of every installation."""

from __future__ import annotations

from importlib.util import find_spec

from rollq.tasks.errors import ComponentError


def need_package(name: str, extra: str, model: str) -> None:
    """Look whether a package can be imported, without doing so: an import takes a second.

    Args:
        name: of the package, as it is imported.
        extra: of rollq, that installs it.
        model: the class that needs it.

    Raises:
        ComponentError: it is not installed.
    """
    if find_spec(name) is None:
        raise ComponentError(
            f"{model} needs the package {name}, which is not installed.",
            f"Install it, for workers too: pip install 'rollq[{extra}]'.",
            "model.class",
        )

"""Is the package that Python finds under our names really ours? ``tasks`` is a common name for a user's own file."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

from tasks.errors import SettingsError

ROOMS = ("tasks", "scheduler", "workers")


def check_shadowing() -> None:
    """Refuse to start when a foreign module hides one of rollq's packages.

    Raises:
        SettingsError: it names the module and what to do.
    """
    home = Path(__file__).resolve().parent.parent
    for name in ROOMS:
        spec = PathFinder.find_spec(name, sys.path)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is not None and home not in origin.parents and not _is_editable(origin, name, home):
            raise SettingsError(
                f"{origin} hides rollq's own package {name!r}.",
                f"Rename it, or start `rollq` where {origin.parent} is not on Python's path.",
            )


def _is_editable(origin: Path, name: str, home: Path) -> bool:
    return origin == home / name / "__init__.py"

"""Is the package that Python finds under our names really ours? ``tasks`` is a common name for a user's own file.

Nothing of ours is imported here before that is known.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOMS = ("tasks", "scheduler", "workers")


def hidden() -> tuple[str, str] | None:
    """What hides one of rollq's packages, and what to do about it; None if nothing does."""
    home = Path(__file__).resolve().parent.parent
    for name in ROOMS:
        origin = _origin(name)
        if origin is not None and home not in origin.parents:
            fix = f"Rename it, or start `rollq` where {origin.parent} is not on Python's path (look at PYTHONPATH)."
            return f"{origin} hides rollq's own package {name!r}.", fix
    return None


def _origin(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a module that was made without one
        return None
    return Path(spec.origin).resolve() if spec and spec.origin else None


def leave_if_hidden() -> None:
    """Leave with one line and exit code 2 when a foreign module hides one of rollq's packages."""
    if found := hidden():
        sys.stderr.write(f"Error: {found[0]}\n  Fix: {found[1]}\n")
        sys.exit(2)


def check_shadowing() -> None:
    """Refuse to go on when a foreign module hides one of rollq's packages.

    Raises:
        SettingsError: it names the module and what to do.
    """
    if found := hidden():
        from rollq.tasks.errors import SettingsError

        raise SettingsError(*found)

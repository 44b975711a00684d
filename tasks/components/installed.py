"""Classes that installed packages register, rollq's own among them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

GROUP = "rollq.components"


@cache
def installed_components() -> dict[str, str]:
    """Registered classes of the installed packages: ``module:Class`` by name."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}

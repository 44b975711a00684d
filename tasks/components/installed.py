"""What installed packages register, rollq itself among them: classes, and adapters of other libraries' classes."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

GROUP = "rollq.components"
ADAPTERS = "rollq.adapters"


@cache
def installed_components() -> dict[str, str]:
    """Registered classes of the installed packages: ``module:Class`` by name."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


@cache
def installed_adapters() -> dict[str, EntryPoint]:
    """Functions that make a class of rollq's kind of another library's, by the package that they are for."""
    return {entry.name: entry for entry in entry_points(group=ADAPTERS)}

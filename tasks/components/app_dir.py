"""The folder of the user's own modules, from which registered components may be imported."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_added: list[str] = []


def add_app_dir(folder: Path) -> None:
    """Let modules of a folder be imported, after everything else: a file of the user hides no library.

    A class is imported only if it is registered, wherever it lies.
    """
    path = str(folder.resolve())
    if path not in _added:
        _added.append(path)
    if path not in sys.path:
        sys.path.append(path)
        # Python remembers what a folder held when it was looked at last; a module may have been written since.
        importlib.invalidate_caches()


def app_dirs() -> list[str]:
    """The folders that were added."""
    return list(_added)

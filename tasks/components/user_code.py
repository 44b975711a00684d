"""Where in the user's own code an error came up: neither in rollq, nor in a library, nor in Python itself."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from functools import cache
from pathlib import Path
from types import FrameType

from rollq.tasks.components.installed import installed_components
from rollq.tasks.errors import RollqError
from rollq.tasks.failures import storable

OURS = "rollq"


def place_of(error: BaseException) -> str:
    """The innermost line of the user's code that an error went through: ``FILE, line 12, in fit``; empty if none."""
    if isinstance(error, SyntaxError) and error.filename and _is_users(error.filename):
        return storable(f"{error.filename}, line {error.lineno}")
    found = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _of_user(frame)]
    if not found:
        # rollq's own error may have been made of one that the user's code raised.
        cause = error.__cause__
        return place_of(cause) if cause is not None and isinstance(error, RollqError) else ""
    frame, line = found[-1]
    return storable(f"{frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name}")


def _of_user(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return module in _packages() or _is_users(frame.f_code.co_filename)


def _is_users(file: str) -> bool:
    # A library that was translated to C names its sources without a folder.
    written = Path(file).suffix not in (".pyx", ".pxi", ".pxd") and not file.startswith("<")
    return written and not any(Path(file).is_relative_to(folder) for folder in _libraries())


@cache
def _packages() -> frozenset[str]:
    """Installed packages that register components: of other authors, but not a library that rollq builds on."""
    return frozenset(target.partition(":")[0].partition(".")[0] for target in installed_components().values()) - {OURS}


@cache
def _libraries() -> tuple[Path, ...]:
    """Folders of Python, of its libraries and scripts, and of rollq."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    return (*map(Path, folders), *map(Path, sys.modules[OURS].__path__))

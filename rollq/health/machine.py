"""Is this machine as rollq needs it?"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from rollq.health.check import Check
from rollq.tasks.config.settings import Settings
from rollq.tasks.config.tracking_uri import SQLITE
from rollq.tasks.tracking.mlflow.store import PATIENCE, QUIET

# The embedded store alone writes ahead in files of up to 128 MB: with less than this, servers may stop at any time.
FREE_BYTES = 1 << 30
FULL_BYTES = 1 << 22  # no server gets on with less
OBEYED = ("ROLLQ_", "MLFLOW_")
SECRET = ("PASSWORD", "TOKEN", "SECRET", "KEY", "CREDENTIAL")
OURS = {*QUIET, *PATIENCE, "MLFLOW_LOGGING_LEVEL"}  # set by rollq itself


def machine_checks(settings: Settings) -> list[Check]:
    """Python, libraries, environment, disks."""
    return [_python(), _openmp(), _environment(), *_disks(settings)]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")


def _openmp() -> Check:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return Check("libgomp", False, "LightGBM needs libgomp.so.1", "apt-get install libgomp1")
    return Check("libgomp", True, "libgomp.so.1")


def _environment() -> Check:
    """The variables that were obeyed. Values that may hold a secret are not shown."""
    obeyed = {name: value for name, value in sorted(os.environ.items()) if name.upper().startswith(OBEYED)}
    shown = ", ".join(f"{name}={_harmless(name, value)}" for name, value in obeyed.items() if name not in OURS)
    return Check("environment", True, shown or "no variable of rollq or MLflow is set")


def _harmless(name: str, value: str) -> str:
    if any(word in name.upper() for word in SECRET):
        return "(set)"
    return without_password(value)


def without_password(url: str) -> str:
    """A URL without what is before its host."""
    return re.sub(r"(://)[^/@\s]*@", r"\1...@", url)


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder, which need not be there yet."""
    return shutil.disk_usage(_there(folder)).free


def _disks(settings: Settings) -> list[Check]:
    """The disks that workers write to: one line each, however many of their folders are on it."""
    folders = {"state": settings.state_dir, "temporary files": Path(tempfile.gettempdir())}
    if settings.mlflow_uri.startswith(SQLITE):
        folders["MLflow"] = Path(settings.mlflow_uri.removeprefix(SQLITE)).parent
    by_disk: dict[int, list[str]] = {}
    for name, folder in folders.items():
        by_disk.setdefault(_there(folder).stat().st_dev, []).append(name)
    return [_disk(names, _there(folders[names[0]])) for names in by_disk.values()]


def _disk(names: list[str], folder: Path) -> Check:
    """One disk: may this user write to it, has it inodes left (0 in all: the file system does not count them), and
    bytes?
    """
    usage, room = shutil.disk_usage(folder), f"{' and '.join(names)} in {folder}"
    inodes = os.statvfs(folder)
    if not os.access(folder, os.W_OK):
        return Check(
            "disk", False, f"{room}: it cannot be written to", "Look at its permissions, and how it is mounted."
        )
    if inodes.f_files and not inodes.f_favail:
        return Check("disk", False, f"{room}: there is no room for another file", "Remove files that are not needed.")
    fix = "Free some space, or choose another --state-dir or TMPDIR."
    return Check("disk", usage.free > FREE_BYTES, f"{usage.free / (1 << 30):.1f} GiB free for {room}", fix)


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    found = folder.resolve()
    while not found.exists():
        found = found.parent
    return found

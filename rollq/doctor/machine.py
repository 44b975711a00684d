"""Is this machine as rollq needs it?"""

from __future__ import annotations

import ctypes
import shutil
import sys
from pathlib import Path

from rollq.doctor.check import Check
from rollq.shadow import check_shadowing
from tasks.errors import RollqError
from tasks.settings import Settings

FREE_BYTES = 1 << 30


def machine_checks(settings: Settings) -> list[Check]:
    """Python, libraries, packages, disks."""
    return [_python(), _openmp(), _names(), _disk(settings.state_dir)]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")


def _openmp() -> Check:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return Check("libgomp", False, "LightGBM needs libgomp.so.1", "apt-get install libgomp1")
    return Check("libgomp", True, "libgomp.so.1")


def _names() -> Check:
    try:
        check_shadowing()
    except RollqError as error:
        return Check("packages", False, error.message, error.fix)
    return Check("packages", True, "nothing hides rollq's packages")


def _disk(folder: Path) -> Check:
    while not folder.exists():
        folder = folder.resolve().parent
    free = shutil.disk_usage(folder).free
    fix = "Free some space, or choose another --state-dir."
    return Check("disk", free > FREE_BYTES, f"{free / (1 << 30):.1f} GiB free in {folder}", fix)

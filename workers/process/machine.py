"""What this process may use: the machine's processors and memory, or what its container or slice leaves of them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc/self")


@dataclass(frozen=True)
class Machine:
    """``processors`` may be a fraction, such as 1.5 of a container's quota."""

    processors: float
    memory_bytes: float

    @property
    def cores(self) -> int:
        """Processes of one thread that run side by side without slowing each other down; at least one."""
        return max(1, math.floor(self.processors))


def this_machine(proc: Path = PROC) -> Machine:
    """What this process may use: the least of hardware, affinity, and the limits of its control groups.

    Args:
        proc: the process's folder in ``/proc``.
    """
    groups = _groups(proc)
    processors = [float(_affinity()), *_quotas(groups)]
    memory = [float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")), *_memory_limits(groups)]
    return Machine(min(processors), min(memory))


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quotas(groups: dict[str, Path]) -> Iterator[float]:
    for folder in _upwards(groups, "cpu"):
        # Version 1 writes -1 for no quota; version 2, below, writes "max".
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota and period and quota > 0:
            yield quota / period
    for folder in _upwards(groups, ""):
        parts = _read(folder / "cpu.max").split()
        if len(parts) == 2 and parts[0].isdigit() and float(parts[1]) > 0:
            yield float(parts[0]) / float(parts[1])


def _memory_limits(groups: dict[str, Path]) -> Iterator[float]:
    places = [(folder, "memory.limit_in_bytes") for folder in _upwards(groups, "memory")]
    # Above memory.high nothing is killed, but everything is slowed down until memory is given back, so it is a limit,
    # too.
    places += [(folder, name) for folder in _upwards(groups, "") for name in ("memory.max", "memory.high")]
    for folder, name in places:
        limit = _number(folder / name)
        if limit and limit > 0:
            yield limit


def _upwards(groups: dict[str, Path], controller: str) -> Iterator[Path]:
    """The group of this process and those around it; each of them limits it. "": the one hierarchy of version 2."""
    top, folder = groups.get(f"top {controller}"), groups.get(controller)
    while top is not None and folder is not None:
        yield folder
        if folder == top or top not in folder.parents:
            return
        folder = folder.parent


def _groups(proc: Path) -> dict[str, Path]:
    """For each controller the folder of this process's group, and as ``top ...`` where its hierarchy is mounted."""
    inside: dict[str, str] = {}
    for line in _read(proc / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        inside.update(dict.fromkeys(controllers.split(","), path))
    found: dict[str, Path] = {}
    for line in _read(proc / "mountinfo").splitlines():
        # proc_pid_mountinfo(5): fields before " - " vary in number, but the root of the mount and where it is mounted
        # are the fourth and the fifth; after it come the kind of file system, the source and its options.
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        root, top = (_unescaped(text) for text in before.split(" ")[3:5])
        for controller in [""] if kind == "cgroup2" else options.split(" ")[-1].split(","):
            if controller in inside and controller not in found:
                found[f"top {controller}"] = Path(top)
                found[controller] = _below(Path(top), root, inside[controller])
    return found


def _below(top: Path, root: str, path: str) -> Path:
    """The folder of a group: a container may see a part of the hierarchy, ``root``, as the whole."""
    rest = path.removeprefix(root.rstrip("/")) if path.startswith(root) else ""
    # A path that leaves the hierarchy (`/../..`) belongs to a group outside the container, which cannot be seen from
    # here.
    folder = top / rest.lstrip("/")
    return folder if ".." not in folder.parts and folder.is_dir() else top


def _unescaped(text: str) -> str:
    """The path that the kernel wrote: blanks and backslashes are there as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _number(path: Path) -> float | None:
    try:
        return float(_read(path))
    except ValueError:  # "max", or no such file
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

"""The process that a run belongs to: noted in tags when the run begins, so that others can tell whether it still lives.

A number alone says little: it is given to another process later, counts anew in every container, and after a restart of
the machine. So the boot, the process namespace and the start of the process are noted, too.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path

HOST, PID, STARTED, ORIGIN = "rollq.host", "rollq.pid", "rollq.process_started", "rollq.process"
PROC = Path("/proc")
MACHINE_ID = Path("/etc/machine-id")
OUTERMOST = "pid:[4026531836]"  # the process namespace of a machine itself, outside of every container
STATE, START_TICKS = 0, 19  # fields of /proc/PID/stat after the name of the program


class Life(StrEnum):
    """What can be said of a process from here."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"  # it runs or ran on another machine, or in another container


@dataclass(frozen=True)
class Process:
    """A process: host and number for people; where and when it began, as far as the system tells."""

    host: str
    pid: int
    machine: str = ""
    boot: str = ""
    namespace: str = ""
    ticks: str = ""

    @classmethod
    def this(cls) -> Process:
        """The process that calls."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, *_place(), ticks=(_stat(pid) or ("", ""))[1])

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Process | None:
        """The process that the tags of a run name; None if they name none."""
        parts = tags.get(ORIGIN, "").split("/")
        if not tags.get(PID, "").isdecimal() or len(parts) != 4:
            return None
        return cls(tags.get(HOST, ""), int(tags[PID]), *parts)

    def tags(self) -> dict[str, str]:
        """The tags of a run that this process begins."""
        origin = "/".join((self.machine, self.boot, self.namespace, self.ticks))
        tags = {HOST: self.host, PID: str(self.pid), ORIGIN: origin}
        started = _started(self.ticks)
        return {**tags, STARTED: started} if started else tags

    def life(self) -> Life:
        """Whether it lives; in doubt it is not said to be gone."""
        machine, boot, namespace = _place()
        if not boot or not self.boot:  # a system without /proc
            return Life.GONE if self.host == socket.gethostname() and not exists(self.pid) else Life.UNKNOWN
        if (self.boot, self.namespace) == (boot, namespace):
            return self._life_here()
        # Images and clones share a machine id, so the host's name must be the same, too.
        same_machine = self.machine and (self.machine, self.host) == (machine, socket.gethostname())
        restarted = self.boot != boot and self.namespace == namespace == OUTERMOST
        return Life.GONE if same_machine and restarted else Life.UNKNOWN

    def _life_here(self) -> Life:
        if not exists(self.pid):
            return Life.GONE
        found = _stat(self.pid)
        if found is None:  # hidden from us, or gone this moment
            return Life.UNKNOWN
        # A number that was given to another process has another start; a zombie (Z) or a dead one (X) runs no more.
        state, ticks = found
        return Life.GONE if ticks != self.ticks or state in "ZX" else Life.ALIVE

    def __str__(self) -> str:
        """For people."""
        return f"process {self.pid} on {self.host or 'an unknown host'}"


@cache
def _place() -> tuple[str, str, str]:
    """Machine, boot and process namespace of this process; each empty if the system does not tell."""
    try:
        namespace = str((PROC / "self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return _read(MACHINE_ID), _read(PROC / "sys/kernel/random/boot_id"), namespace


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def exists(pid: int) -> bool:
    """Whether this machine has a process of this number; also one of another user."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def _stat(pid: int) -> tuple[str, str] | None:
    """State of a process, and when it began in ticks since the boot; None if the system does not tell."""
    try:
        content = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        fields = content.rpartition(")")[2].split()  # a program's name may hold blanks and brackets
        return fields[STATE], fields[START_TICKS]
    except (OSError, IndexError):
        return None


def _started(ticks: str) -> str:
    """When a process began, UTC, to the second; empty if the system does not tell."""
    try:
        booted = next(line.split()[1] for line in (PROC / "stat").read_text().splitlines() if line.startswith("btime "))
        seconds = int(booted) + int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, StopIteration):
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"

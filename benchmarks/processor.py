"""Processor time of processes and their children, from ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from benchmarks.bench import children

TICKS = os.sysconf("SC_CLK_TCK")


class ProcessorTime:
    """Milliseconds of processor that some processes and their children use from now on.

    Args:
        groups: pids by name; a pid stands for its living children too.
    """

    def __init__(self, **groups: Iterable[int]) -> None:
        self._groups = {name: tuple(pids) for name, pids in groups.items()}
        self._start = self._now()

    def used(self) -> dict[str, float]:
        """Milliseconds since this was made, by group."""
        now = self._now()
        return {name: now[name] - self._start[name] for name in now}

    def _now(self) -> dict[str, float]:
        return {name: sum(_family(pid) for pid in pids) for name, pids in self._groups.items()}


def _family(pid: int) -> float:
    return _milliseconds(pid, ended=True) + sum(_milliseconds(child) for child in children(pid))


def _milliseconds(pid: int, ended: bool = False) -> float:
    """User and system time of a process, with that of its children that ``ended``."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return 1000 * sum(int(value) for value in fields[11 : 15 if ended else 13]) / TICKS

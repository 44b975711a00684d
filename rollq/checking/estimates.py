"""How much memory and time a round will take, by the window that was trained here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rollq.checking.inspection import Wrong
from rollq.checking.model_looks import Trained
from rollq.scheduler.strategies.plan import Plan
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import TRAIN, Definition, segments_of
from rollq.workers.process.capacity import available_resources
from rollq.workers.process.machine import this_machine

GB = 1e9


PROCESS = Path("/proc/self")
FORGET_PEAK = "5"  # to `clear_refs`: the peak of the resident set begins anew (proc(5))


class Memory:
    """What this process takes, from when it is made; pages of files that it shares with others are among it."""

    def __init__(self) -> None:
        with suppress(OSError):  # then the peak is that of the whole process
            (PROCESS / "clear_refs").write_text(FORGET_PEAK)
        self.before = _bytes("VmRSS")

    @property
    def peak(self) -> int:
        """The most that it has taken since, in bytes."""
        return _bytes("VmHWM")


def memory(trained: Trained, plans: Sequence[Plan], sessions: Sequence[str], taken: Memory, settings: Settings) -> str:
    """What a process takes at its peak for the longest window, and all of them together, against the machine.

    Args:
        taken: what this process has taken since before the window was trained.
    """
    peak_here = taken.peak
    feature = trained.dataset.prepare(TRAIN if TRAIN in trained.dataset.segments else "test", "feature")
    size = feature.memory_usage(index=False, deep=False).sum()
    scale = _longest(plans, sessions) / max(_sessions(trained.definition, sessions), 1)
    peak = taken.before + (peak_here - taken.before) * max(scale, 1.0)
    processes, machine = _processes(settings), this_machine().memory_bytes
    each = available_resources(settings).to_dict()["mem_gb"]
    said = (
        f"features of train {size / GB:.2f} GB; a process takes some {peak / GB:.2f} GB for the longest window, "
        f"{processes} of them {peak * processes / GB:.1f} GB; this machine has {machine / GB:.1f} GB"
    )
    if peak * processes > machine:
        fix = f"Start fewer processes (--concurrency {max(1, int(machine // peak))}), or write resources: {{mem_gb: "
        raise Wrong(f"{said}.", f"{fix}{peak / GB:.1f}}}: a process has {each:.1f} GB each now.")
    return said


def duration(trained: Trained, plans: Sequence[Plan], sessions: Sequence[str], settings: Settings) -> str:
    """How long the round takes on this machine's processes, if time grows with the sessions of train."""
    definitions = [one for plan in plans for one in plan.definitions]
    seconds = sum(trained.seconds.values())
    measured = max(_sessions(trained.definition, sessions), 1)
    total = sum(seconds * _sessions(one, sessions) / measured for one in definitions)
    processes = min(_processes(settings), len(definitions))
    return (
        f"{len(definitions)} windows, this one took {seconds:.1f} s: some {_shown(total / processes)} "
        f"with {processes} processes"
    )


def _bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB", (PROCESS / "status").read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def _processes(settings: Settings) -> int:
    return settings.concurrency or this_machine().cores


def _longest(plans: Sequence[Plan], sessions: Sequence[str]) -> int:
    return max(_sessions(one, sessions) for plan in plans for one in plan.definitions)


def _sessions(definition: Definition, sessions: Sequence[str]) -> int:
    """Sessions that are trained on; of a window without a train segment those of test."""
    segments = segments_of(definition)
    start, end = segments.get(TRAIN) or segments["test"]
    return sum((start is None or day >= start) and (end is None or day <= end) for day in sessions)


def _shown(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

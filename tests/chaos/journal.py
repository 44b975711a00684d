"""What the workers of a chaos run saw themselves: each claim, renewal and commit, and what the store said to it.

It does not rest on the histories that the store keeps, so it shows what they cannot: a result that was acknowledged and
then lost, or a stale lease that was renewed. Times are of CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task


class What(StrEnum):
    """Kinds of entries."""

    CLAIMED = "claimed"
    RENEWED = "renewed"
    COMMITTED = "committed"
    RENEWAL_REFUSED = "renewal refused"
    COMMIT_REFUSED = "commit refused"
    DOUBLED = "doubled"  # a message was sent ten times
    BEGAN_ANEW = "began anew"  # a worker's main process, by itself


@dataclass(frozen=True)
class Entry:
    """One thing that a process saw. ``asked``, ``answered``: before and after the store was asked, in nanoseconds."""

    what: What
    task: str
    fence: int
    by: str
    asked: int
    answered: int


class Journal:
    """A file to which many processes append; what was written survives their SIGKILL."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, what: What, claim: Claim | None, asked: int) -> None:
        """Append an entry: one write, so that lines do not mix."""
        task, fence, by = (claim.task_id, claim.fence, claim.worker) if claim else ("", 0, "")
        line = json.dumps(asdict(Entry(what, task, fence, by, asked, time.monotonic_ns()))) + "\n"
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def read(self) -> list[Entry]:
        """All entries."""
        if not self._path.exists():
            return []
        return [
            Entry(**{**found, "what": What(found["what"])})
            for found in map(json.loads, self._path.read_text().splitlines())
        ]


def contradictions(entries: Iterable[Entry], tasks: Iterable[Task]) -> list[str]:
    """Where the workers saw something that must not be, one line each."""
    seen: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        seen[entry.task].append(entry)
    return [f"{task.id}: {fault}" for task in tasks for fault in _of_task(seen[task.id], task)]


def _of_task(entries: list[Entry], task: Task) -> list[str]:
    stored = [step.fence for step in task.history if step.end is TaskState.DONE]
    told = [entry.fence for entry in entries if entry.what is What.COMMITTED]
    refused = [entry.fence for entry in entries if entry.what is What.COMMIT_REFUSED]
    faults = []
    if len(told) > 1:
        faults.append(f"{len(told)} results were acknowledged")
    faults += [f"the result of fence {fence} was acknowledged and is lost" for fence in told if fence not in stored]
    faults += [f"the result of fence {fence} was refused and is stored" for fence in refused if fence in stored]
    for entry in entries:
        if entry.what in (What.RENEWED, What.COMMITTED) and _is_stale(entry, entries):
            faults.append(f"a stale claim (fence {entry.fence}) was {entry.what}")
    return faults


def _is_stale(entry: Entry, entries: list[Entry]) -> bool:
    """Whether the task was claimed anew before this was asked."""
    claims = (other for other in entries if other.what is What.CLAIMED)
    return any(claim.fence > entry.fence and claim.answered < entry.asked for claim in claims)

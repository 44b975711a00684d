"""The phases of a long command: how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable

from rollq.tasks.queue.states import TaskState

Phase = Callable[[str], None]
Update = Callable[[int, int], None]


class Stopwatch:
    """How long each phase took.

    Args:
        tell: is told the name of each phase when it begins.
    """

    def __init__(self, tell: Phase) -> None:
        self._tell = tell
        self._began = self._since = time.perf_counter()
        self._name = ""
        self.done: list[tuple[str, float]] = []

    def start(self, name: str) -> None:
        """A phase begins; the one before ends."""
        self._end()
        self._name = name
        self._tell(name)

    def stop(self) -> float:
        """The last phase ends; seconds since the first began."""
        self._end()
        return time.perf_counter() - self._began

    def _end(self) -> None:
        now = time.perf_counter()
        if self._name:
            self.done.append((self._name, now - self._since))
        # Without a name nothing more is counted: to stop twice adds no phase.
        self._since, self._name = now, ""


def counter(update: Update) -> Callable[[dict[TaskState, int]], None]:
    """From the states of tasks to (finished, all of them)."""

    def count(states: dict[TaskState, int]) -> None:
        update(sum(n for state, n in states.items() if state.is_terminal), sum(states.values()))

    return count

"""How a worker's pool processes ended, seen from the main process whose children they are."""

from __future__ import annotations

import os
from typing import Protocol

from billiard.common import human_status

from rollq.tasks.tracking.runs.process import exists

GONE = "its process is gone"


class PoolProcess(Protocol):
    """A process of billiard's pool."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def exitcode(self) -> int | None:
        """How it ended, as Python counts: a negative number is a signal; None while billiard does not know."""


class PoolWatch:
    """Tells whether a pool process is dead, and by what.

    Args:
        pool: billiard's pool. It reaps its children itself; here they are only looked at.
    """

    def __init__(self, pool: object = None) -> None:
        self._pool = pool
        self._seen: dict[int, PoolProcess] = {}

    def look(self) -> None:
        """Note the processes of now: billiard forgets those that it replaces."""
        for process in list(getattr(self._pool, "_pool", ())):
            self._seen[process.pid] = process

    def ended(self, pid: int) -> str | None:
        """How process ``pid`` ended, such as ``signal 9 (SIGKILL)``; None while it lives."""
        try:
            # WNOWAIT leaves the dead child to billiard, which must reap it to count its processes and to replace it.
            state = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return self._reaped(pid)
        if state is None:
            return None
        killed = state.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
        return str(human_status(-state.si_status if killed else state.si_status))

    def pids(self) -> list[int]:
        """Processes of the pool that live."""
        self.look()
        return [pid for pid in self._seen if self.ended(pid) is None]

    def _reaped(self, pid: int) -> str | None:
        """The end of a process that billiard reaped already, or that was never ours."""
        if process := self._seen.get(pid):
            # Between reaping it and writing its exit code down there is a moment: then the next look tells.
            return None if process.exitcode is None else str(human_status(process.exitcode))
        return None if exists(pid) else GONE

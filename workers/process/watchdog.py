"""The watchdog: restarts a worker that is connected to the broker but receives nothing while messages wait for it.

There are open reports of Celery workers that stay connected and stop consuming after the broker had trouble. Such a
worker looks well from outside; only what it does not receive gives it away.
"""

from __future__ import annotations

import logging
import mmap
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

RESTART = 75  # exit code of a worker that wants to be started again (EX_TEMPFAIL)
REPLACE_SECONDS = 30.0  # a worker that is told to restart and does not stop is replaced in place
RESTARTS = "ROLLQ_WORKER_RESTARTS"  # environment variable: how often this process was restarted


class ConsumerHeartbeat:
    """When a process of this worker last received a message: one number, shared with the pool processes.

    Shared memory without a lock: eight aligned bytes are written at once, and a killed process blocks no other.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    def beat(self) -> None:
        """A message was received now."""
        # The monotonic clock counts from the same moment in all processes of a machine, and nothing sets it back.
        self._memory[:8] = struct.pack("d", time.monotonic())

    def last(self) -> float:
        """When (this machine's monotonic clock); 0: never."""
        return float(struct.unpack("d", self._memory[:8])[0])


class Watchdog:
    """Looks now and then whether the worker is deaf.

    Args:
        waiting: how many messages wait in the queues of this worker.
        idle: whether no process of this worker is at work.
        patience: seconds of deafness before the worker is restarted; 0: never.
        restart: what to do then.
    """

    def __init__(
        self,
        consumer: ConsumerHeartbeat,
        waiting: Callable[[], int],
        idle: Callable[[], bool],
        patience: float,
        restart: Callable[[], None],
    ) -> None:
        """The watchdog asks by functions, so that it knows neither the broker nor the store."""
        self._consumer = consumer
        self._waiting = waiting
        self._idle = idle
        self._patience = patience
        self._restart = restart
        self._since: float | None = None  # since when messages wait and nothing was received

    def look(self) -> None:
        """One look.

        Raises:
            Unavailable: store or broker do not answer: then nothing can be said, and the patience begins anew.
        """
        since, self._since = self._since, None
        # `_since` is None until the end of this look: a worker that is busy, or that has nothing to receive, is well,
        # and a server that is away says nothing either way.
        if not self._patience or not self._waiting() or not self._idle():
            return
        now = time.monotonic()
        # A message that was received since then ends the silence.
        self._since = since if since is not None and since > self._consumer.last() else now
        if now - self._since > self._patience:
            log.error("nothing was received for %.0f s while messages wait: the worker is restarted", self._patience)
            self._restart()


def ask_for_restart(pids: Callable[[], list[int]]) -> None:
    """Stop this worker as SIGTERM does; one that does not stop is replaced.

    Args:
        pids: the processes of its pool.
    """
    timer = threading.Timer(REPLACE_SECONDS, lambda: _replace(pids()))
    timer.daemon = True
    timer.start()
    os.kill(os.getpid(), signal.SIGTERM)


def start_again() -> None:
    """Become a new worker: the same command in the same process, so that a supervisor sees no end."""
    sys.stdout.flush()
    sys.stderr.flush()
    # `sys.orig_argv` holds the options of the interpreter, too, such as -P, which `sys.argv` forgets.
    environment = {**os.environ, RESTARTS: str(restarts() + 1)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - our own command line


def restarts() -> int:
    """How often this worker was restarted by its watchdog."""
    return int(os.environ.get(RESTARTS, "0"))


def _replace(pids: list[int]) -> None:
    """The worker does not even stop: its idle pool processes are ended, and it begins anew."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    start_again()

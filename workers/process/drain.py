"""Draining: a stopping worker tells its pool processes to finish soon, and then to give their tasks back.

A supervisor may send its signal to the main process alone, or to all processes at once (systemd, supervisord,
``timeout``, a terminal that is closed). A pool process does not die of it: what happens to its task is the same.
"""

from __future__ import annotations

import logging
import mmap
import os
import signal
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

ASKS = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
)  # signals that ask a process to end; pool processes ignore SIGINT
ALONE_SECONDS = 2.0  # a pool process that was asked and whose main process was not, after this long, was asked alone


class DrainFlag:
    """One byte shared by a worker's main process and the pool processes forked from it.

    Shared memory without a lock: a pool process that is killed while it looks cannot block the others.
    """

    STOPPING, DRAINING = 1, 2

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def begin(self) -> None:
        """Tell the pool processes to begin nothing new."""
        # A flag that was raised already stays raised: signals come in any order and more than once.
        self._memory[0] = max(self._memory[0], self.STOPPING)

    def raise_(self) -> None:
        """Tell the pool processes to give their tasks back."""
        self._memory[0] = self.DRAINING

    def is_begun(self) -> bool:
        """Whether the worker is to end."""
        return self._memory[0] >= self.STOPPING

    def is_raised(self) -> bool:
        """Whether tasks must be given back now."""
        return self._memory[0] == self.DRAINING


class Asked:
    """Receives the signals that ask this pool process to end.

    They are noted by a thread, through a pipe: a model that computes for minutes in native code keeps Python from
    calling a signal handler.

    Args:
        flag: what the main process wants.
        busy: whether a task is at hand. Without one, a process that was asked alone ends at once.
    """

    def __init__(self, flag: DrainFlag, busy: Callable[[], bool]) -> None:
        self._flag = flag
        self._busy = busy
        self._at = 0.0
        self._listens = False

    def listen(self) -> None:
        """Begin, unless it has begun; called by the main thread of the process."""
        if self._listens:
            return
        self._listens = True
        reader, writer = os.pipe()
        # Python writes the number of a signal into the pipe from within the C handler, where waiting for room would
        # hang the process. A byte that finds no room is lost without harm: signals before it are there to be read.
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in ASKS:
            # Only a signal with a Python handler is written into the pipe; the handler itself has nothing to do.
            signal.signal(number, lambda *_: None)
        threading.Thread(target=self._run, args=(reader,), name="rollq-asked", daemon=True).start()

    def alone(self) -> bool:
        """Whether this process was asked to end, and its main process was not."""
        return bool(self._at) and not self._flag.is_begun() and time.monotonic() - self._at > ALONE_SECONDS

    def _run(self, received: int) -> None:
        """Note the first signal that asks to end; a process that was asked alone, and has no task, ends at once."""
        while number := os.read(received, 1):
            if number[0] not in ASKS:
                continue
            log.info("asked to end (signal %s)", number[0])
            self._at = self._at or time.monotonic()
            while not self._flag.is_begun():  # then the main process ends this one in its own time
                # This is a thread: `sys.exit` would end it and nothing else.
                if self.alone() and not self._busy():
                    os._exit(0)
                time.sleep(0.1)

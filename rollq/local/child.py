"""Server processes that never outlive the process that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rollq.tasks.errors import Unavailable

# A store that recovers after a kill, on a busy machine, takes some seconds.
READY_SECONDS = 20.0
# A store that stops writes a checkpoint; one that is killed instead has to recover at the next start.
STOP_SECONDS = 10.0
# From Linux's `sys/prctl.h`: which signal a process gets when its parent dies.
PR_SET_PDEATHSIG = 1


class Child:
    """A server process whose output goes to a log file.

    On Linux the kernel kills it when its parent dies, even by SIGKILL. It has a session of its own, so that Ctrl-C in a
    terminal reaches only the parent, which then stops its children in order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process. The log is appended to, so that what a crash said is there after the next start."""
        self.name = name
        self._log = log
        self._is_ready = is_ready
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()) if sys.platform == "linux" else None,
            )

    def wait_ready(self) -> None:
        """Wait until the server answers.

        Raises:
            Unavailable: it ended, or does not answer in time; the message shows the end of its log.
        """
        end = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                tail = self._log.read_text(errors="replace")[-500:]
                raise Unavailable(f"The embedded {self.name} did not start: {tail}", f"Its log is {self._log}.")
            time.sleep(0.01)

    def stop(self) -> None:
        """Ask it to end, wait, and kill it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


def free_port() -> int:
    """A port on loopback that no process listens on now; another one may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent(parent: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: the child must not load libraries

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before prctl was called, so no signal will come
            os._exit(1)

    return prepare

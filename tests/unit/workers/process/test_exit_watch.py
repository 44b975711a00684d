"""How a pool process ended, told before and after billiard reaps it."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

from billiard.context import ForkContext

from rollq.workers.process.exit_watch import GONE, PoolWatch


def _started(seconds: float = 60.0) -> tuple[PoolWatch, object]:
    process = ForkContext().Process(target=time.sleep, args=(seconds,))
    process.start()
    watch = PoolWatch(SimpleNamespace(_pool=[process]))
    watch.look()
    return watch, process


def _wait(watch: PoolWatch, pid: int) -> str | None:
    end = time.monotonic() + 10
    while watch.ended(pid) is None and time.monotonic() < end:
        time.sleep(0.01)
    return watch.ended(pid)


def test_a_killed_process_is_known_before_and_after_it_is_reaped() -> None:
    watch, process = _started()
    assert watch.ended(process.pid) is None
    assert watch.pids() == [process.pid]
    os.kill(process.pid, signal.SIGKILL)
    assert _wait(watch, process.pid) == "signal 9 (SIGKILL)"
    assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT), "it is left to billiard to reap it"
    assert process.exitcode == -9
    assert watch.ended(process.pid) == "signal 9 (SIGKILL)"
    assert watch.pids() == []


def test_an_exit_code_is_told() -> None:
    watch, process = _started(0.0)
    assert _wait(watch, process.pid) == "exitcode 0"
    process.join()


def test_a_process_that_was_never_ours() -> None:
    assert PoolWatch().ended(os.getppid()) is None
    assert PoolWatch().ended(2**22 + 1) == GONE

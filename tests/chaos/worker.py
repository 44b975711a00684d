"""A real ``rollq worker`` that runs the short work of ``job.py`` and keeps a journal.

Argument: by how many seconds its clock is wrong. While the file ``ten-times`` is in the state folder, it sends every
message ten times.
"""

from __future__ import annotations

import sys
import time

SKEW = float(sys.argv[1])
if SKEW:
    # Python's clocks, before anything else reads them; the kernel's clock belongs to the whole machine.
    _time, _time_ns = time.time, time.time_ns
    time.time = lambda: _time() + SKEW
    time.time_ns = lambda: _time_ns() + int(SKEW * 1e9)

from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

from rollq.service import run_worker  # noqa: E402
from rollq.tasks.backend import Backend  # noqa: E402
from rollq.tasks.broker.notifier import Notifier  # noqa: E402
from rollq.tasks.config.settings import load_settings  # noqa: E402
from rollq.tasks.errors import LeaseLost  # noqa: E402
from rollq.tasks.queue.claims import TaskClaims  # noqa: E402
from rollq.tasks.queue.prefetch import Claim  # noqa: E402
from rollq.workers.jobs.attempt import Outcome  # noqa: E402
from rollq.workers.process.watchdog import RESTART, start_again  # noqa: E402
from tests.chaos import job  # noqa: E402
from tests.chaos.journal import Journal, What  # noqa: E402

settings = load_settings()
journal = Journal(settings.state_dir / "journal")
ten_times = settings.state_dir / "ten-times"


def run(backend: Backend, claim: Claim, draining: Callable[[], bool]) -> Outcome:
    """The work, and that it was claimed."""
    journal.write(What.CLAIMED, claim, time.monotonic_ns())
    return job.run(backend, claim, draining)


def witnessed(write: Callable[..., None], done: What, refused: What) -> Callable[..., None]:
    """A write on a claim, and what the store said to it."""

    def witness(tasks: TaskClaims, claim: Claim, *args: Any, **kwargs: Any) -> None:
        asked = time.monotonic_ns()
        try:
            write(tasks, claim, *args, **kwargs)
        except LeaseLost:
            journal.write(refused, claim, asked)
            raise
        journal.write(done, claim, asked)

    return witness


def tenfold(send: Callable[..., None]) -> Callable[..., None]:
    """A message, or ten of the same."""

    def notify(notifier: Notifier, *args: Any) -> None:
        send(notifier, *args)
        if ten_times.exists():
            for _ in range(9):
                send(notifier, *args)
            journal.write(What.DOUBLED, None, time.monotonic_ns())

    return notify


if __name__ == "__main__":
    TaskClaims.renew = witnessed(TaskClaims.renew, What.RENEWED, What.RENEWAL_REFUSED)  # type: ignore[method-assign]
    TaskClaims.commit = witnessed(TaskClaims.commit, What.COMMITTED, What.COMMIT_REFUSED)  # type: ignore[method-assign]
    Notifier._send = tenfold(Notifier._send)  # type: ignore[method-assign]
    code = run_worker(settings, settings.concurrency, run)
    if code == RESTART:
        journal.write(What.BEGAN_ANEW, None, time.monotonic_ns())
        start_again()
    sys.exit(code)

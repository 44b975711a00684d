"""What a worker process and beat are made of: one Celery application with the tasks of both rooms on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings
from rollq.tasks.logs import setup_logging

if TYPE_CHECKING:
    from rollq.workers.jobs.attempt import Run

# A parent that has used more than one OpenMP thread must not fork; and one worker process is one thread.
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run_worker(settings: Settings, concurrency: int, run: Run | None = None) -> int:
    """Run a worker in this process until it is told to stop; returns its exit code.

    It may want to be started again, because its watchdog says so or Celery met an error that it has no answer to: then
    the code is ``rollq.workers.process.watchdog.RESTART``.

    Args:
        run: what its processes do with a claim; by default they train it.
    """
    settings = settings.model_copy(update={"concurrency": concurrency})
    os.environ.update(THREADS)
    # Only here: numerical libraries read these variables once, when they are imported.
    from rollq.scheduler import reconciler
    from rollq.scheduler.rounds import coordinator
    from rollq.scheduler.routine import driver as routine
    from rollq.workers.process.app import WorkerLife
    from rollq.workers.process.names import host
    from rollq.workers.process.watchdog import RESTART

    backend = Backend.of(settings)
    backend.prepare()
    setup_logging(settings.log_level, settings.log_format)
    backend.store.close()  # nothing open is taken into the pool processes
    life = WorkerLife(backend, run, [lambda: routine.notify_unfinished(backend)])
    life.register(backend.app)
    coordinator.register(backend.app, backend, f"{host()}/{os.getpid()}")
    routine.register(backend.app, backend, f"{host()}/{os.getpid()}")
    reconciler.register(backend.app, backend, tracked=run is None)
    worker = backend.app.Worker(
        concurrency=concurrency,
        pool="prefork",
        hostname=f"rollq-{os.getpid()}@{host()}",
        loglevel=settings.log_level,
        # Neither gossip nor mingle: workers know of each other by the registry in MongoDB, and need no messages for it.
        without_gossip=True,
        without_mingle=True,
        quiet=True,  # no banner: standard error holds log lines alone
    )
    code = _run(worker.start) or int(worker.exitcode or 0)
    return RESTART if life.restart_wanted or life.stumbled(code) else life.exit_code(code)


def run_beat(settings: Settings) -> int:
    """Run Celery beat in this process until it is told to stop; returns its exit code."""
    from rollq.scheduler.routine.beat import make_scheduler

    backend = Backend.of(settings)
    backend.prepare()
    setup_logging(settings.log_level, settings.log_format)
    return _run(
        lambda: backend.app.Beat(scheduler_cls=make_scheduler(backend), quiet=True, loglevel=settings.log_level).run()
    )


def _run(start: Callable[[], object]) -> int:
    """Run Celery's loop to its end; Celery leaves by SystemExit, whose code is the answer."""
    try:
        start()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    finally:
        sys.stdout.flush()
    return 0

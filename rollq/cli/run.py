"""Verbs that run something: up, worker, beat."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import of, say

if TYPE_CHECKING:
    from rollq.tasks.config.settings import Settings

COMPONENTS = "ROLLQ_COMPONENTS"


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(up)
    app.command()(worker)
    app.command()(beat)


def up(context: typer.Context) -> None:
    """Run the embedded broker, task store and tracking store until Ctrl-C."""
    from rollq.local.stack import LocalStack

    settings = of(context).settings()
    stop = threading.Event()
    # An event and no exception: the servers are stopped in order, whatever the main thread is at.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with LocalStack(settings.state_dir, lock_seconds=5.0) as stack:
        runtime = stack.runtime
        assert runtime  # noqa: S101 - a started stack has one
        say(f"The stack runs in {stack.state_dir}")
        say(f"  broker      {runtime.redis_url}\n  task store  {runtime.mongo_uri}\n  MLflow      {runtime.mlflow_uri}")
        say("Other rollq commands in this folder find it. Ctrl-C stops it.")
        while not stop.wait(1.0):
            stack.repair()
    say("The stack is stopped.")


def worker(
    context: typer.Context,
    concurrency: Annotated[int | None, typer.Option("--concurrency", "-c", help="Processes [one per core]")] = None,
    queues: Annotated[str | None, typer.Option(help="Queues to serve, with commas [default]")] = None,
) -> None:
    """Run a worker: it claims tasks, trains them, and logs to MLflow. SIGTERM drains it."""
    from rollq.service import run_worker
    from rollq.workers.process.machine import this_machine
    from rollq.workers.process.watchdog import RESTART, start_again

    more: dict[str, object] = {"concurrency": concurrency, "queues": tuple(queues.split(",")) if queues else None}
    with of(context).backend(serve=True, **more) as backend:
        # The servers of this stack, which no variable names yet, are written into the environment: pool processes read
        # it.
        _share(backend.settings)
        code = run_worker(backend.settings, backend.settings.concurrency or this_machine().cores)
    if code == RESTART:
        # Only here, after the stack has been left: the new process takes its lock.
        start_again()
    raise typer.Exit(code)


def beat(context: typer.Context) -> None:
    """Run Celery beat: it sweeps (notifies again, takes back what dead workers held). As many as one likes may run."""
    from rollq.service import run_beat

    with of(context).backend(serve=True) as backend:
        code = run_beat(backend.settings)
    raise typer.Exit(code)


def _share(settings: Settings) -> None:
    """Let the pool processes, and the classes that they build, see the same settings."""
    from rollq.tasks.config.settings import worker_environment

    own = COMPONENTS in os.environ
    os.environ.update(worker_environment(settings))
    # What only rollq.toml says stays there: a process that meets a class it does not know reads the file again.
    if not own:
        del os.environ[COMPONENTS]

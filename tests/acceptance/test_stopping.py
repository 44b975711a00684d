"""Stops and outages of real workers: a signal to all their processes is no loss, a broker that refuses is no end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from rollq import Backend, LocalStack, Settings, Task, TaskState, Unavailable
from rollq.service import THREADS
from rollq.tasks.config.settings import worker_environment
from tests.acceptance.processes.worker_processes import children, wait_until
from tests.chaos.job import definition

ROOT = Path(__file__).parents[2]


@contextmanager
def group(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that leads a process group of its own."""
    environment = {**worker_environment(settings), **THREADS, "PYTHONPATH": str(ROOT), "ROLLQ_CONCURRENCY": "1"}
    with (settings.state_dir / "group.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.worker", "0"],
            env=environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def start(backend: Backend, seconds: float) -> str:
    (ident,) = backend.tasks.create_tasks("pool", [definition(0, seconds)]).ids
    backend.notifier.top_up("pool")
    return ident


def task(backend: Backend) -> Task:
    (found,) = backend.tasks.find("pool")
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_the_group_lets_the_task_finish(backend: Backend, number: signal.Signals) -> None:
    start(backend, 3.0)
    with group(backend.settings) as process:
        wait_until(lambda: task(backend).status is TaskState.RUNNING)
        os.killpg(process.pid, number)
        process.wait(60)
    assert (task(backend).status, task(backend).attempts, task(backend).losses) == (TaskState.DONE, 1, 0)


@pytest.mark.parametrize("numbers", [[signal.SIGTERM] * 2, [signal.SIGINT] * 2, [signal.SIGQUIT]], ids=str)
def test_a_second_signal_gives_the_task_back_at_once(backend: Backend, numbers: list[signal.Signals]) -> None:
    start(backend, 600.0)
    with group(backend.settings) as process:
        wait_until(lambda: task(backend).status is TaskState.RUNNING)
        for number in numbers:
            time.sleep(1.0)
            os.killpg(process.pid, number)
        wait_until(lambda: task(backend).status is TaskState.WAITING, 30)
    found = task(backend)
    assert (found.failures, found.losses, found.given_back) == (0, 0, "the worker was stopped")


def test_a_process_that_is_asked_alone_gives_its_task_back(backend: Backend) -> None:
    start(backend, 600.0)
    with group(backend.settings) as process:
        wait_until(lambda: task(backend).status is TaskState.RUNNING)
        fence = task(backend).fence
        for pid in children(process):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: task(backend).fence > fence or task(backend).status is TaskState.WAITING, 30)
        assert any(step.why == "the worker was stopped" for step in task(backend).history)
    assert (task(backend).failures, task(backend).losses) == (0, 0)


def test_a_worker_that_is_killed_while_it_drains_is_no_loss(backend: Backend) -> None:
    start(backend, 600.0)
    with group(backend.settings) as process:
        wait_until(lambda: task(backend).status is TaskState.RUNNING)
        process.terminate()
        wait_until(lambda: bool(backend.store.collection("tasks").find_one({"lease.asked": True})), 30)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: bool(backend.tasks.reclaim("sweeper")), 30)
    assert (task(backend).status, task(backend).losses) == (TaskState.WAITING, 0)


def test_a_broker_that_becomes_a_replica_ends_no_worker(backend: Backend, tmp_path: Path) -> None:
    with LocalStack(tmp_path) as own:  # the other tests need theirs
        assert own.runtime
        settings = backend.settings.model_copy(update={"redis_url": own.runtime.redis_url})
        served = Backend.of(settings)
        with group(settings) as process, redis.Redis.from_url(settings.redis_url) as client:
            start(served, 0.1)
            wait_until(lambda: task(backend).status is TaskState.DONE)
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(Unavailable, match="read only"):
                served.notifier.notify("pool", "x", "default")
            time.sleep(4.0)
            client.execute_command("REPLICAOF", "NO", "ONE")
            (later,) = backend.tasks.create_tasks("pool", [definition(1, 0.1)]).ids
            wait_until(lambda: backend.tasks.get(later).status is TaskState.DONE)
            assert process.poll() is None
    log = (backend.settings.state_dir / "group.log").read_text(errors="replace")
    assert "Unrecoverable" not in log
    served.store.close()
    served.app.close()

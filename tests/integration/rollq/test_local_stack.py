"""The embedded stack: it stops with its parent, however that ends, and keeps its data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from pymongo import MongoClient

from rollq import LocalStack, Settings, SettingsError, Unavailable
from rollq.local.attach import attach
from rollq.tasks.errors import StackRunning
from rollq.tasks.runtime import RUNTIME, Runtime, find_running, is_locked
from tests.acceptance.processes.worker_processes import wait_until


def rollq(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "rollq", "--state-dir", str(folder), *words]
    with (folder / f"{words[0]}.err").open("ab") as errors:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)


def up(folder: Path) -> tuple[subprocess.Popen[bytes], Runtime]:
    process = rollq(folder, "up")
    wait_until(lambda: find_running(folder) is not None, 30)
    runtime = find_running(folder)
    assert runtime
    return process, runtime


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def write(runtime: Runtime, value: str) -> None:
    with MongoClient(runtime.mongo_uri) as client:
        client["t"]["t"].replace_one({"_id": 1}, {"value": value}, upsert=True)
    with redis.Redis.from_url(runtime.redis_url) as broker:
        broker.set("key", value)
        broker.execute_command("WAITAOF", 1, 0, 2000)


def read(runtime: Runtime) -> tuple[str, str]:
    with (
        MongoClient(runtime.mongo_uri) as client,
        redis.Redis.from_url(runtime.redis_url, decode_responses=True) as broker,
    ):
        found = client["t"]["t"].find_one({"_id": 1})
        return (found or {})["value"], str(broker.get("key"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_stop_with_their_parent_and_the_data_stays(tmp_path: Path, number: int) -> None:
    process, runtime = up(tmp_path)
    servers = children(process.pid)
    assert len(servers) == 2
    write(runtime, "kept")
    process.send_signal(number)
    process.wait(30)
    wait_until(lambda: not any(map(alive, servers)), 20)
    assert find_running(tmp_path) is None
    with LocalStack(tmp_path) as stack:
        assert stack.runtime
        assert read(stack.runtime) == ("kept", "kept")


def test_a_second_stack_says_who_runs(tmp_path: Path) -> None:
    with LocalStack(tmp_path), pytest.raises(StackRunning, match=str(os.getpid())):
        LocalStack(tmp_path).start()


def test_attach_prefers_what_is_set_then_what_runs_then_what_was(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    with pytest.raises(Unavailable, match="rollq up"), attach(settings):
        pass
    with LocalStack(tmp_path) as stack, attach(settings) as attached:
        assert stack.runtime
        assert attached.mongo_uri == stack.runtime.mongo_uri
    with attach(settings) as attached:  # a stack for the length of the block
        assert attached.mongo_uri
        assert find_running(tmp_path) is None
    own = settings.model_copy(update={"mongo_uri": "mongodb://a", "redis_url": "redis://b", "mlflow_uri": "http://c"})
    with attach(own) as attached:
        assert attached == own
    with (
        pytest.raises(SettingsError, match="ROLLQ_REDIS_URL"),
        attach(settings.model_copy(update={"mongo_uri": "mongodb://a"})),
    ):
        pass


def test_servers_that_ended_or_take_nothing_are_started_again(tmp_path: Path) -> None:
    with LocalStack(tmp_path) as stack:
        assert stack.runtime
        assert stack._broker
        assert stack._store
        write(stack.runtime, "kept")
        stack.repair()
        first = (stack._broker.process.pid, stack._store.process.pid)
        with redis.Redis.from_url(stack.runtime.redis_url) as broker:
            broker.execute_command("REPLICAOF", "127.0.0.1", "1")
        stack._store.kill()
        stack.repair()
        assert first[0] != stack._broker.process.pid
        assert first[1] != stack._store.process.pid
        assert read(stack.runtime) == ("kept", "kept")


def test_servers_wait_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStack(tmp_path) as stack:
        assert stack._store
        monkeypatch.setattr("rollq.local.stack.free_bytes", lambda _: 0)
        stack._store.kill()
        for _ in range(20):
            stack.repair()
        assert not alive(stack._store.process.pid)
        monkeypatch.undo()
        stack.repair()
        assert alive(stack._store.process.pid)


def test_verbs_that_begin_while_a_stack_starts_use_it(tmp_path: Path) -> None:
    stale = Runtime(1, "h", "then", "mongodb://127.0.0.1:1", "redis://127.0.0.1:1/0", "sqlite:///none.db")
    (tmp_path / RUNTIME).write_text(stale.to_json())  # what a stack that was killed leaves
    starts = rollq(tmp_path, "up")
    wait_until(lambda: is_locked(tmp_path), 30)
    # None of them has a stack of its own to start, or a way to know that there will be one but the held folder.
    others = [rollq(tmp_path, "status"), rollq(tmp_path, "beat")]
    try:
        assert others[0].wait(60) == 0, (tmp_path / "status.err").read_text()
        runtime = find_running(tmp_path)
        assert runtime
        assert runtime.pid == starts.pid
        wait_until(lambda: "beat: Starting" in (tmp_path / "beat.err").read_text(), 60)
        assert [process.poll() for process in (starts, others[1])] == [None, None]
    finally:
        for process in (*others, starts):
            process.terminate()
            process.wait(30)


def test_of_verbs_that_start_at_once_one_has_the_stack_and_all_use_it(tmp_path: Path) -> None:
    processes, runtime = [rollq(tmp_path, "beat") for _ in range(2)], None
    try:
        wait_until(lambda: (tmp_path / "beat.err").read_text().count("beat: Starting") == len(processes), 60)
        runtime = find_running(tmp_path)
        assert runtime
        assert runtime.pid in [process.pid for process in processes]
        assert sum(len(children(process.pid)) for process in processes) == 2  # one broker, one task store
    finally:
        for process in sorted(processes, key=lambda one: one.pid == (runtime.pid if runtime else 0)):
            process.terminate()
            process.wait(30)


def test_a_folder_that_is_held_for_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollq.local.attach.LOCK_SECONDS", 0.0)
    with (
        LocalStack(tmp_path, announce=False),
        pytest.raises(StackRunning, match="Another rollq command"),
        attach(Settings(state_dir=tmp_path)),
    ):
        pass

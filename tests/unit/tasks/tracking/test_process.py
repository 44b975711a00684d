"""Whether the process of a run lives: its number alone does not say it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from rollq.tasks.tracking.runs import process
from rollq.tasks.tracking.runs.process import OUTERMOST, Life, Process

ME = Process.this()


def test_this_process_lives_and_its_tags_say_so() -> None:
    assert ME.life() is Life.ALIVE
    assert Process.of_tags(ME.tags()) == ME
    assert ME.tags()["rollq.pid"] == str(os.getpid())
    assert ME.tags()["rollq.process_started"].endswith("Z")
    assert str(os.getpid()) in str(ME)


@pytest.mark.parametrize(
    "tags",
    [{}, {"rollq.pid": "1"}, {"rollq.pid": "x", "rollq.process": "a/b/c/d"}, {"rollq.pid": "1", "rollq.process": "a"}],
)
def test_of_other_tags_nothing_is_known(tags: dict[str, str]) -> None:
    assert Process.of_tags(tags) is None


def test_a_child_lives_until_it_is_killed_also_as_a_zombie() -> None:
    source = "from rollq.tasks.tracking.runs.process import Process; print(Process.this().tags(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        told = child.stdout.readline()
        found = Process.of_tags(dict(part.split("': '") for part in told.strip("{}'\n").split("', '")))
        assert found
        assert (found.pid, found.life()) == (child.pid, Life.ALIVE)
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not buried
        assert found.life() is Life.GONE
        child.wait()
        assert found.life() is Life.GONE


@pytest.mark.parametrize(
    ("other", "life"),
    [
        ({"ticks": "1"}, Life.GONE),  # the number was given to this process since
        ({"host": "renamed"}, Life.ALIVE),
        ({"pid": 2**22 + 1}, Life.GONE),
        ({"namespace": "pid:[1]"}, Life.UNKNOWN),  # another container of this machine
        ({"boot": "other", "host": "elsewhere"}, Life.UNKNOWN),
        ({"boot": "other", "machine": "other"}, Life.UNKNOWN),  # another machine that is called the same
    ],
)
def test_others(other: dict[str, object], life: Life) -> None:
    assert replace(ME, **other).life() is life  # type: ignore[arg-type]


@pytest.mark.parametrize(("namespace", "life"), [(OUTERMOST, Life.GONE), ("pid:[9]", Life.UNKNOWN)])
def test_a_machine_that_was_started_again(monkeypatch: pytest.MonkeyPatch, namespace: str, life: Life) -> None:
    monkeypatch.setattr(process, "_place", lambda: ("machine", "second boot", namespace))
    before = Process(ME.host, os.getpid(), "machine", "first boot", namespace, ME.ticks)
    assert before.life() is life


def test_a_process_that_is_hidden_from_us_is_not_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_stat", lambda _: None)
    assert ME.life() is Life.UNKNOWN


def test_a_system_that_tells_nothing_but_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_place", lambda: ("", "", ""))
    assert Process(ME.host, os.getpid()).life() is Life.UNKNOWN
    assert Process(ME.host, 2**22 + 1).life() is Life.GONE
    assert Process("elsewhere", 2**22 + 1).life() is Life.UNKNOWN

"""Backfills with real workers and through the real command line: kills, restarts, bad input."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rollq import Backend, BackfillState, LocalStack, TaskState, load_settings
from rollq.scheduler.backfill_plan import begin_backfill, plan_backfill
from rollq.scheduler.strategies.plan import Plan
from tests.acceptance.processes.worker_processes import children, kill, wait_until, worker
from tests.acceptance.test_command_line import run, template
from tests.acceptance.test_short_tasks import live_worker
from tests.chaos.job import definition

EVER = ("--from", "2019-01-01", "--to", "2021-12-31")


def ask(*arguments: str, cwd: Path, code: int = 0) -> Any:
    """The JSON that a command prints."""
    found = run(*arguments, "--json", cwd=cwd)
    assert found.returncode == code, found.stderr
    return json.loads(found.stdout)


def at_once(histories: list[list[dict[str, Any]]]) -> int:
    """How many tasks ran at the same time at most, by their histories."""
    events = []
    for history in histories:
        for entry in history:
            if entry["end"] == "RUNNING":
                events.append((entry["at"], 1))
            elif entry["start"] == "RUNNING":
                events.append((entry["at"], -1))
    most = now = 0
    for _, step in sorted(events):
        now += step
        most = max(most, now)
    return most


def test_it_survives_restarts_of_everything(tmp_path: Path) -> None:
    path = template(tmp_path, slow)
    with LocalStack(tmp_path / ".rollq") as stack:
        made = ask("backfill", "create", path, *EVER, "--max-active", "1", "--newest-first", cwd=tmp_path)["backfill"]
        settings = _settings(stack)
        backend = Backend.of(settings)
        with worker(settings) as process:
            wait_until(lambda: backend.tasks.stat("sp500-small")[TaskState.DONE] >= 1)
            pids = children(process)
            process.kill()
            for pid in pids:
                kill(pid)
        backend.store.close()
    before = ask("backfill", "show", made["id"], cwd=tmp_path)  # the stack runs for this command alone
    assert (before["status"], before["progress"]["done"] < made["total"]) == ("active", True)
    with LocalStack(tmp_path / ".rollq") as stack:
        backend = Backend.of(_settings(stack))
        with worker(backend.settings):
            wait_until(lambda: backend.backfills.get(made["id"]).status is BackfillState.FINISHED)
        tasks = [task.to_dict() for task in backend.tasks.find()]
        backend.store.close()
        assert ask("online", "show", cwd=tmp_path) == [], "a backfill promotes nothing"
        assert ask("backfill", "create", path, *EVER, cwd=tmp_path)["backfill"] is None
    assert len(tasks) == made["total"] >= 6
    assert {task["status"] for task in tasks} == {"DONE"}
    tests = [task["segments"]["test"][0] for task in sorted(tasks, key=lambda task: task["started_at"])]
    assert tests == sorted(tests, reverse=True)
    assert at_once([task["history"] for task in tasks]) == 1


def _settings(stack: LocalStack) -> Any:
    assert stack.runtime
    base = load_settings(state_dir=stack.state_dir, sweep_seconds=0.5, lease_seconds=2.0)
    return stack.runtime.settings(base)


def slow(content: dict[str, Any]) -> None:
    """A window takes a moment, so that there is time to kill a process."""
    content["model"]["kwargs"] |= {"num_boost_round": 100, "learning_rate": 0.001}


def test_the_next_window_does_not_wait_for_a_sweep(backend: Backend) -> None:
    plan = Plan("pool", tuple(definition(n, 0.02) | _tested(n) for n in range(60)), ())
    found = plan_backfill(plan, backend, ("2000-01-01", "2100-01-01"))
    with live_worker(backend.settings, 2, sweep_seconds=30.0) as process:
        wait_until(lambda: bool(backend.worker_registry.workers()))
        made = begin_backfill(backend, found, 3)
        assert made
        backend.notifier.top_up("pool")
        began, deepest = time.monotonic(), 0
        while backend.backfills.get(made.id).status is BackfillState.ACTIVE:
            assert process.process.poll() is None
            assert time.monotonic() < began + 25, "it waits for the sweep"
            deepest = max(deepest, backend.notifier.depth("default"))
            time.sleep(0.02)
    assert backend.tasks.stat("pool")[TaskState.DONE] == 60
    assert deepest <= 10, "messages multiply"
    histories = [json.loads(json.dumps(task.to_dict()))["history"] for task in backend.tasks.find("pool")]
    assert at_once(histories) <= 2


def _tested(number: int) -> dict[str, Any]:
    segments = {"train": ["1990-01-01", "1999-12-31"], "test": [f"{2001 + number}-01-01", f"{2001 + number}-12-31"]}
    return {"dataset": {"kwargs": {"segments": segments}}}


def test_the_verbs(tmp_path: Path) -> None:
    path = template(tmp_path)
    nowhere = ask("backfill", "create", path, *EVER, "--dry-run", cwd=tmp_path)
    assert not (tmp_path / ".rollq" / "mongo").exists()
    windows = len(nowhere["windows"])
    assert nowhere["counts"] == {"create": windows, "retry": 0, "train anew": 0, "leave": 0}
    assert ask("backfill", "create", path, *EVER, "--failed", "--dry-run", cwd=tmp_path)["counts"]["leave"] == windows
    assert run("backfill", "list", cwd=tmp_path).returncode == 4
    with LocalStack(tmp_path / ".rollq"):
        assert ask("backfill", "list", cwd=tmp_path) == []
        some = ("--from", "2020-01-01", "--to", "2020-12-31")
        created = ask("backfill", "create", path, *some, "--max-active", "2", "--pool", "history", cwd=tmp_path)
        made = created["backfill"]
        assert created["counts"]["create"] == made["total"] < windows
        again = ask("backfill", "create", path, *EVER, "--all", "--pool", "history", "--dry-run", cwd=tmp_path)
        assert again["counts"]["leave"] == made["total"]
        assert {w["why"] for w in again["windows"] if w["fate"] == "leave"} == {f"belongs to backfill {made['id']}"}
        (listed,) = ask("backfill", "list", "--pool", "history", "--status", "active", cwd=tmp_path)
        assert (listed["id"], listed["progress"]["waiting"], listed["max_active"]) == (made["id"], 2, 2)
        assert listed["progress"]["pending"] == made["total"] - 2
        paused = ask("backfill", "pause", made["id"][:5], cwd=tmp_path)
        assert (paused["status"], paused["progress"]["pending"]) == ("paused", made["total"])
        found = run("backfill", "pause", made["id"], cwd=tmp_path)
        assert (found.returncode, "Fix: It may become" in found.stderr) == (5, True)
        assert ask("backfill", "resume", made["id"], cwd=tmp_path)["progress"]["waiting"] == 2
        assert "not admitted yet" in run("backfill", "show", made["id"], cwd=tmp_path).stdout
        declined = run("backfill", "cancel", made["id"], cwd=tmp_path)  # nobody says yes
        assert declined.returncode == 130, declined.stderr
        assert ask("backfill", "show", made["id"], cwd=tmp_path)["status"] == "active"
        cancelled = ask("backfill", "cancel", made["id"], "--yes", cwd=tmp_path)
        assert (cancelled["status"], cancelled["progress"]["cancelled"]) == ("cancelled", made["total"])
        assert run("backfill", "cancel", made["id"], "--yes", cwd=tmp_path).returncode == 5
        again = ask("backfill", "create", path, *EVER, "--pool", "history", cwd=tmp_path)
        assert (again["counts"]["retry"], again["backfill"]["total"]) == (made["total"], windows)
        for verb in (["list"], ["create", path, *EVER, "--dry-run"]):
            assert run("backfill", *verb, cwd=tmp_path).returncode == 0  # the tables, too


BAD = {
    "no date": (["--from", "soon", "--to", "2020-12-31"], "--from: 'soon' is not a date", "YYYY-MM-DD"),
    "no such day": (["--from", "2020-01-01", "--to", "2020-02-31"], "--to: '2020-02-31'", "YYYY-MM-DD"),
    "reversed": (["--from", "2020-12-31", "--to", "2020-01-01"], "after --to 2020-01-01", "Swap"),
    "nothing there": (["--from", "2010-01-01", "--to", "2010-12-31"], "No window of sp500-small", "reach from 2019"),
    "two modes": ([*EVER, "--all", "--failed"], "exclude each other", "Give one"),
    "bad pool": ([*EVER, "--pool", "../x"], "--pool", "letters"),
    "no limit": ([*EVER, "--max-active", "0"], "--max-active", "--help"),
    "no end": (["--from", "2020-01-01"], "--to", "--help"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_with_its_fix(name: str, tmp_path: Path) -> None:
    arguments, message, fix = BAD[name]
    _refused(run("backfill", "create", template(tmp_path), *arguments, cwd=tmp_path), 2, message, fix)
    assert not (tmp_path / ".rollq" / "mongo").exists()


def test_what_is_not_there(tmp_path: Path) -> None:
    _refused(run("backfill", "create", "nowhere.yaml", *EVER, cwd=tmp_path), 2, "nowhere.yaml", "path")
    _refused(run("backfill", "create", template(tmp_path), *EVER, cwd=tmp_path), 4, "No rollq stack", "rollq up")
    with LocalStack(tmp_path / ".rollq"):
        for verb in (["show"], ["cancel", "--yes"]):
            _refused(run("backfill", *verb, "ffffffffffff", cwd=tmp_path), 3, "ffffffffffff", "rollq backfill list")
        _refused(run("backfill", "list", "--status", "actve", cwd=tmp_path), 2, "actve", "active")


def _refused(found: subprocess.CompletedProcess[str], code: int, message: str, fix: str) -> None:
    assert found.returncode == code, found.stderr
    assert found.stdout == ""
    assert message in found.stderr
    assert "Fix: " in found.stderr
    assert fix in found.stderr
    assert "Traceback" not in found.stderr

"""A short chaos run, and proof that the checker sees what it must see."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollq import Backend, Task, TaskState
from rollq.tasks.queue.task import Transition
from tests.chaos.checker import violations
from tests.chaos.driver import OTHERS, run
from tests.chaos.job import definition, digest, predict
from tests.chaos.journal import Entry, What, contradictions


def test_a_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    report = run(tmp_path, seed=20_261_124, tasks=2_000, kills=100)
    assert report.wrong == ()
    assert report.kills >= 100
    assert set(report.faults) == {"kill_child", "kill_worker", *OTHERS}
    assert report.losses > 10  # they hit workers that were at work
    assert report.seen[What.COMMIT_REFUSED] >= 1  # the paused worker tried to commit
    assert report.seen[What.RENEWED] >= 10
    assert report.seen[What.DOUBLED] >= 1


@pytest.fixture
def good(backend: Backend) -> Task:
    """A task with an honest history: lost once, then done."""
    (ident,) = backend.tasks.create_tasks("pool", [definition(1, 0.0)]).ids
    backend.tasks.claim("pool", "first")
    backend.tasks.reclaim("sweeper", ["first"])
    second = backend.tasks.claim("pool", "second")
    assert second
    backend.tasks.commit(second, {"sha256": digest(predict(second.definition))})
    return backend.tasks.get(ident)


def wrong(task: Task, expected: set[str] | None = None) -> str:
    return " ".join(violations([task], expected or {task.id}, lambda found: digest(predict(found.definition))))


def test_the_checker_accepts_an_honest_history(good: Task) -> None:
    assert wrong(good) == ""


def test_the_checker_sees_each_fault(good: Task) -> None:
    claim, commit = good.history[-2], good.history[-1]
    late = Transition(datetime.now(UTC) + timedelta(hours=1), TaskState.DONE, TaskState.DONE, "x", 9)
    assert "is lost" in wrong(good, {good.id, "other"})
    assert "never created" in wrong(good, {"other"})
    assert "2 results" in wrong(replace(good, history=(*good.history, late)))
    assert "0 results" in wrong(replace(good, history=good.history[:-1]))
    assert "stale claim" in wrong(replace(good, history=(*good.history[:-1], replace(commit, fence=1))))
    assert "stale claim" in wrong(replace(good, history=(*good.history[:-1], replace(commit, by="first"))))
    assert "did not rise" in wrong(replace(good, history=(*good.history[:-2], replace(claim, fence=1), commit)))
    assert "back in time" in wrong(
        replace(good, history=(*good.history[:-1], replace(commit, at=claim.at.min.replace(tzinfo=UTC))))
    )
    assert "it went from" in wrong(replace(good, history=(good.history[0], *good.history[2:])))
    assert "not DONE" in wrong(replace(good, status=TaskState.WAITING))
    assert "calm run" in wrong(replace(good, result={"sha256": "0"}))
    assert "shows 2 attempts, it says 3" in wrong(replace(good, attempts=3))
    assert "shows 1 losses, it says 0" in wrong(replace(good, losses=0))
    assert "its fence is 9" in wrong(replace(good, fence=9))
    assert "begin with its creation" in wrong(replace(good, history=good.history[1:]))


def test_the_journal_sees_what_histories_cannot(good: Task) -> None:
    fence = good.fence

    def seen(*entries: tuple[What, int, int]) -> str:
        made = [Entry(what, good.id, number, "w", at, at + 1) for what, number, at in entries]
        return " ".join(contradictions(made, [good]))

    honest = ((What.CLAIMED, 1, 0), (What.RENEWED, 1, 10), (What.CLAIMED, fence, 20), (What.COMMITTED, fence, 30))
    assert seen(*honest) == ""
    assert seen(*honest, (What.COMMIT_REFUSED, 1, 40), (What.RENEWAL_REFUSED, 1, 40)) == ""
    assert "2 results were acknowledged" in seen(*honest, (What.COMMITTED, 1, 15))
    assert "fence 1 was acknowledged and is lost" in seen((What.COMMITTED, 1, 15))
    assert f"fence {fence} was refused and is stored" in seen(*honest, (What.COMMIT_REFUSED, fence, 40))
    assert "a stale claim (fence 1) was renewed" in seen(*honest, (What.RENEWED, 1, 40))
    assert "a stale claim (fence 1) was committed" in seen(*honest, (What.COMMITTED, 1, 40))

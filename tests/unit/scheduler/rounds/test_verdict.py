"""The judgement on a round: how many tasks must be done, and which sessions their predictions must cover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from rollq import CoverageError, RoundFailed, TaskState
from rollq.scheduler.rounds.results import RoundResults
from rollq.scheduler.rounds.verdict import check_policy, expected
from rollq.scheduler.signals.coverage import WindowPrediction, join_windows
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.documents import TASKS, Options, new_document
from rollq.tasks.queue.task import Task
from rollq.tasks.resources import Resources
from rollq.tasks.rounds.documents import Round, RoundState
from rollq.tasks.rounds.purpose import Purpose, Research, Serve

AT = datetime(2021, 1, 4, tzinfo=UTC)
DAYS = tuple(f"2021-01-{day:02}" for day in range(4, 10))
WINDOWS = [DAYS[:2], DAYS[2:4], DAYS[4:]]


def task(number: int, status: TaskState = TaskState.DONE, variant: str = "", kept: bool = False) -> Task:
    first, last = WINDOWS[number][0], WINDOWS[number][-1]
    definition: dict[str, Any] = {"dataset": {"kwargs": {"segments": {"test": [first, last]}}}, "model": {}}
    named = {**definition, "variant": variant} if variant else definition
    ident = f"{variant}{number}"
    document = new_document(ident, "p", ident, named, AT, number, Options(0, "default", False, Resources(), None))
    run = {"recorder_id": f"run-{ident}"}
    changes = {"status": status, "result": run if status is TaskState.DONE else None, "kept": run if kept else None}
    return TASKS.read({**document, **changes, "schema": SCHEMA})


def results(tasks: list[Task], purpose: Purpose, count: int) -> RoundResults:
    ids = tuple(f"t{number}" for number in range(count))
    made = Round(
        id="r", pool="p", task_ids=ids, policy="all", purpose=purpose, status=RoundState.GATHERING,
        held=False, after=(), unblocked=True, fence=1, lease=None, created_at=AT, finished_at=None,
        result=None, reason="",
    )  # fmt: skip
    return RoundResults(made, tasks, None, "")


@pytest.mark.parametrize(
    ("policy", "done", "enough"),
    [("all", 3, True), ("all", 2, False), ("0.6", 2, True), ("0.7", 2, False), ("best_effort", 1, True)],
)
def test_a_policy_says_how_many_tasks_must_be_done(policy: str, done: int, enough: bool) -> None:
    tasks = [task(number, TaskState.DONE if number < done else TaskState.FAILED) for number in range(3)]
    if enough:
        assert check_policy(policy, tasks, 3) == tasks[:done]
    else:
        with pytest.raises(RoundFailed, match=r"To blame: 2 \(FAILED"):
            check_policy(policy, tasks, 3)


def test_an_earlier_result_counts_and_one_that_was_removed_does_not() -> None:
    again = task(2, TaskState.FAILED, kept=True)
    assert check_policy("all", [task(0), task(1), again], 3)[-1] == again
    with pytest.raises(RoundFailed, match="2 of 3 tasks"):
        check_policy("all", [task(0), task(1)], 3)


def window(member: str, days: Sequence[str], value: float = 1.0) -> WindowPrediction:
    """A window of two instruments, which the model tells apart by ``value``."""
    index = pd.MultiIndex.from_product([pd.DatetimeIndex(days), ["A", "B"]], names=["datetime", "instrument"])
    frame = pd.DataFrame({"score": [value, -value] * len(days)}, index)
    return WindowPrediction((days[0], days[-1]), frame, frame.index, member)


def test_models_that_serve_together_are_averaged_and_each_covers_every_session() -> None:
    parts = [window("a", days) for days in WINDOWS] + [window("b", days, -3.0) for days in WINDOWS]
    joined = join_windows(parts, DAYS)
    assert list(joined.columns) == ["score", "a", "b"]
    assert joined["score"].abs().max() < 1e-12  # they say the opposite, and count alike
    assert joined["b"].abs().eq(3).all()
    # A window of one model has failed: the other one's are used on the sessions that are left.
    left = [*DAYS[:2], *DAYS[4:]]
    assert len(join_windows([*parts[:4], parts[5]], left)) == 2 * len(left)
    with pytest.raises(CoverageError, match=DAYS[2]):
        join_windows([*parts[:4], parts[5]], DAYS)
    alone = [window("", days) for days in WINDOWS]
    assert list(join_windows(alone, DAYS).columns) == ["score"]


def test_sessions_of_windows_that_failed_are_gaps() -> None:
    tasks = [task(0), task(1, TaskState.FAILED), task(2)]
    assert expected(DAYS, tasks, [tasks[0], tasks[2]]) == ([*DAYS[:2], *DAYS[4:]], [*DAYS[2:4]])


def test_what_serves_depends_on_the_champion_alone_and_research_on_all() -> None:
    tasks = [task(0), task(1), task(0, variant="deep")]
    serving = results(tasks, Serve("s", DAYS, champion="deep"), 4)
    assert ([one.id for one in serving.judged], serving.asked) == (["deep0"], 2)  # one of the four was removed
    assert [one.id for one in results(tasks, Serve("s", DAYS), 3).judged] == ["0", "1"]
    measured = results(tasks, Research("s", DAYS, "s"), 3)
    assert (len(measured.judged), measured.asked) == (3, 3)

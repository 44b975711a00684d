"""The judgement on a finished round: are enough tasks done, and do their predictions cover what they must?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from rollq.scheduler.rounds.portfolios import joined_portfolios
from rollq.scheduler.rounds.remedies import steps_after
from rollq.scheduler.rounds.results import RoundResults, load_window, window_metrics
from rollq.scheduler.signals.coverage import Bounds, check_tests, join_windows, shown
from rollq.scheduler.signals.members import Member
from rollq.scheduler.strategies.plan import member_of
from rollq.tasks.definition import planned_test
from rollq.tasks.errors import RoundFailed
from rollq.tasks.predictions.window_metrics import WindowMetrics, pooled_windows
from rollq.tasks.queue.task import Task
from rollq.tasks.rolling.members.role import role_of
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.rounds.rounds import needed


@dataclass(frozen=True)
class Verdict:
    """What counts of a round that may be published.

    Args:
        done: the tasks whose models count.
        sessions: those that they cover, ``YYYY-MM-DD``.
        gaps: sessions that the policy leaves out, with the windows that failed.
        measured: the metrics of all rows of all windows.
        signals: the joint predictions; empty where a routine publishes them.
    """

    done: tuple[Task, ...]
    sessions: tuple[str, ...]
    gaps: tuple[str, ...]
    measured: WindowMetrics
    signals: pd.DataFrame

    @property
    def metrics(self) -> dict[str, float]:
        """Of all rows of all windows, by name."""
        return {name: float(value) for name, value in self.measured.values.items()}

    @property
    def better(self) -> dict[str, str]:
        """What is better of those metrics whose record says it."""
        return dict(self.measured.better)


def judge(results: RoundResults) -> Verdict:
    """Judge a round by its policy, its purpose and the coverage of its sessions.

    Raises:
        RoundFailed: too few of its tasks are done.
        CoverageError: its predictions leave a hole, or overlap.
        NotFound, ArtifactCorrupted: an artifact is missing, or is not what was written.
    """
    purpose, tasks = results.round.purpose, results.judged
    done = check_policy(results.round.policy, tasks, results.asked, routine=_of_routine(results))
    sessions, gaps = expected(purpose.sessions, tasks, done)
    # Of several horizons the first one speaks for all: they measure other things.
    first = [task for task in done if not role_of(task.definition).order]
    measured = pooled_windows([window_metrics(results.mlflow_uri, task) for task in first])
    signals = pd.DataFrame({"score": []})
    if isinstance(purpose, Serve) and purpose.session:  # the routine looks for holes when it publishes
        check_tests([(planned_test(task.definition), _member(task)) for task in done], sessions)
    else:
        whole = _without(done, [task for task in tasks if task not in done])
        signals = join_windows([load_window(results.mlflow_uri, task) for task in whole], sessions)
        # Positions run on from window to window, which sums over windows cannot say.
        for one in joined_portfolios(results.mlflow_uri, first, signals):
            measured = measured.and_those_of(WindowMetrics(one.pooled))
    return Verdict(tuple(done), tuple(sessions), tuple(gaps), measured, signals)


def check_policy(policy: str, tasks: Sequence[Task], asked: int, *, routine: bool = False) -> list[Task]:
    """The tasks that have a result that counts, if they are enough.

    Args:
        asked: how many tasks there should be.
        routine: they were made by the routine of a strategy.

    Raises:
        RoundFailed: they are not; the message names the tasks to blame.
    """
    done = [task for task in tasks if task.committed is not None]
    if len(done) >= needed(policy, asked):
        return done
    # Not those that are not DONE: a task that is trained again has a result that counts.
    others = [task for task in tasks if task.committed is None]
    raise RoundFailed(
        f"{len(done)} of {asked} tasks are done, policy {policy!r} asks for more. To blame: {blamed(others)}.",
        steps_after(others, routine),
    )


def blamed(tasks: Sequence[Task]) -> str:
    """Some of the tasks that are not DONE, each with its state and what it said."""
    return shown([f"{task.id} ({task.status}: {(task.error or {}).get('message', '')[:120]})" for task in tasks])


def expected(sessions: Sequence[str], tasks: Sequence[Task], done: Sequence[Task]) -> tuple[list[str], list[str]]:
    """Sessions that ``done`` must cover, and those that the policy leaves out with the windows that failed.

    A model that has rows of its own leaves out these: ``YYYY-MM-DD zone=DE``; a session on which no other model has a
    window is left out as a whole.
    """
    finished = {task.id for task in done}
    failed = [task for task in tasks if task.id not in finished]
    # By the planned segments: what a failed window would have predicted is known, though it predicted nothing.
    lost = [(planned_test(task.definition), role_of(task.definition).group) for task in failed]
    kept = [planned_test(task.definition) for task in _without(done, failed) if role_of(task.definition).group]
    gaps, own = [], []
    for day in sessions:
        groups = {group for test, group in lost if _contains(test, day)}
        if "" in groups or (groups and not any(_contains(test, day) for test in kept)):
            gaps.append(day)
        else:
            own += [f"{day} {group}" for group in sorted(groups)]
    return [day for day in sessions if day not in set(gaps)], sorted([*gaps, *own])


def _member(task: Task) -> Member:
    return Member(member_of(task.definition), role_of(task.definition))


def _without(done: Sequence[Task], failed: Sequence[Task]) -> list[Task]:
    """The tasks without those of other horizons whose rows another horizon lacks: a row has all of them, or none."""
    lost = {(role_of(task.definition).group, planned_test(task.definition)) for task in failed}
    return [
        task
        for task in done
        if not (group := role_of(task.definition).group) or (group, planned_test(task.definition)) not in lost
    ]


def _contains(test: Bounds, day: str) -> bool:
    return test[0] <= day and (test[1] is None or day <= test[1])


def _of_routine(results: RoundResults) -> bool:
    return isinstance(results.round.purpose, Serve) and bool(results.round.purpose.routine)

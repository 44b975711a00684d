"""What must be true after any chaos, read from the histories of the tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from rollq.tasks.queue.states import TASK_STATES, TaskState
from rollq.tasks.queue.task import Task

DONE, RUNNING = TaskState.DONE, TaskState.RUNNING


def sha256_of(task: Task) -> str:
    """SHA-256 of the predicted values that a task committed."""
    return str((task.result or {}).get("sha256"))


def violations(
    tasks: Iterable[Task],
    expected: set[str],
    truth: Callable[[Task], str],
    committed: Callable[[Task], str] = sha256_of,
) -> list[str]:
    """What is wrong, one line each; empty if nothing is.

    Args:
        expected: ids of all tasks that were created.
        truth: SHA-256 of a task's predicted values in a calm serial run.
        committed: SHA-256 of those that it committed.
    """
    found = {task.id: task for task in tasks}
    wrong = [f"{ident} is lost" for ident in sorted(expected - set(found))]
    wrong += [f"{ident} was never created" for ident in sorted(set(found) - expected)]
    for task in found.values():
        wrong += [f"{task.id}: {fault}" for fault in _faults(task)]
        if task.status is DONE and committed(task) != truth(task):
            wrong.append(f"{task.id}: its values are not those of a calm run")
    return wrong


def _faults(task: Task) -> list[str]:
    faults = []
    if task.status is not DONE:
        faults.append(f"it is {task.status}, not DONE")
    steps = task.history
    commits = [step for step in steps if step.end is DONE]
    claims = [step for step in steps if step.end is RUNNING]
    if len(commits) != 1:
        faults.append(f"{len(commits)} results were committed")
    if commits and claims and (commits[0].fence != claims[-1].fence or commits[0].by != claims[-1].by):
        faults.append("a stale claim was committed")
    faults += _gaps(task)
    fences = [step.fence for step in claims]
    if any(later <= earlier for earlier, later in pairwise(fences)):
        faults.append("the fence did not rise with every claim")
    for earlier, later in pairwise(steps):
        if later.start != earlier.end or later.start is None or later.end not in TASK_STATES.ends(later.start):
            faults.append(f"it went from {later.start} to {later.end}")
        if later.at < earlier.at:
            faults.append("its history goes back in time")
    return faults


def _gaps(task: Task) -> list[str]:
    """Where the history does not add up to what the task says of itself."""
    steps, faults = task.history, []
    if not steps or steps[0].start is not None:
        faults.append("its history does not begin with its creation")
    claims = sum(step.end is RUNNING for step in steps)
    losses = sum(step.start is RUNNING and "was lost" in step.why for step in steps)
    for name, counted, said in (("attempts", claims, task.attempts), ("losses", losses, task.losses)):
        if counted != said:
            faults.append(f"its history shows {counted} {name}, it says {said}")
    if steps and steps[-1].fence != task.fence:
        faults.append(f"its history ends at fence {steps[-1].fence}, its fence is {task.fence}")
    return faults

"""``run_task``: a plain worker loop without Celery, for a script or a notebook."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from rollq.tasks.attempts.attempt_lease import AttemptLease
from rollq.tasks.attempts.attempt_runs import made_under
from rollq.tasks.backend import Backend
from rollq.tasks.client.child import in_child
from rollq.tasks.client.manager import TaskManager
from rollq.tasks.client.queries import as_state
from rollq.tasks.client.results import from_result
from rollq.tasks.components.user_code import place_of
from rollq.tasks.errors import BadInput, LeaseLost, StateError, UnknownClass
from rollq.tasks.failures import Kind, described, kind_of, text_of, wait_after
from rollq.tasks.ingredients.code_check import StaleCode, check_code
from rollq.tasks.queue.prefetch import Claim, claim_on
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task

log = logging.getLogger(__name__)

WHOLE = (TaskState.WAITING, TaskState.DONE)
PHASES = (WHOLE, (TaskState.WAITING, TaskState.PART_DONE), (TaskState.PART_DONE, TaskState.DONE))

TaskFunction = Callable[..., object]  # its result: small JSON, a recorder, or None


@dataclass(frozen=True)
class TaskWork:
    """What is done with tasks: the function, from which state to which, and how.

    Raises:
        BadInput: a state is none of ``PHASES``.
    """

    func: TaskFunction
    before: TaskState = TaskState.WAITING
    after: TaskState = TaskState.DONE
    kwargs: Mapping[str, object] = field(default_factory=dict)
    force_release: bool = False

    def __post_init__(self) -> None:
        """Refuse what no task goes through."""
        if (self.before, self.after) not in PHASES:
            shown = ", ".join(f"{start} to {end}" for start, end in PHASES)
            raise BadInput(f"Tasks cannot be run from {self.before} to {self.after}.", f"Known: {shown}.")


def run_task(
    task_func: TaskFunction,
    task_pool: str,
    query: Mapping[str, object] | None = None,
    force_release: bool = False,
    before_status: object = TaskState.WAITING,
    after_status: object = TaskState.DONE,
    *,
    backend: Backend | None = None,
    **kwargs: object,
) -> int:
    """Take task after task of a pool, each under a renewed lease, until none can be taken.

    A task whose function raises is tried again later, or FAILED (attempts used up, or trying again cannot help): it
    stops neither this loop nor others. Servers that are away and data that are not there use up no attempt. A task that
    has to wait is left to a later caller. Loops and Celery workers may share a pool, any number of each.

    Args:
        task_func: called with a task's definition, or, if ``before_status`` is PART_DONE, with the result of its first
            phase; and with ``kwargs``. Returns the result: a mapping of small JSON, a recorder, or None.
        task_pool: its name.
        query: only tasks that it finds, as for ``TaskManager.query``.
        force_release: call the function in a process of its own for each task, which gives its memory back; if that
            process dies, the attempt has failed.
        before_status: WAITING or PART_DONE.
        after_status: DONE or PART_DONE.
        backend: the servers; None: as for ``TaskManager``.
        kwargs: for ``task_func``.

    Returns:
        How many results were committed.

    Raises:
        BadInput: a state is none of these.
        StaleCode: this process has imported older code of a component than a task was made with: start it again.
    """
    work = TaskWork(task_func, as_state(before_status), as_state(after_status), kwargs, force_release)
    manager = TaskManager(task_pool, backend)
    committed = 0
    while (done := run_next(manager, query, work)) is not None:
        committed += done
    return committed


def run_next(manager: TaskManager, query: Mapping[str, object] | None, work: TaskWork) -> bool | None:
    """One attempt at the best task that a query finds; whether its result was committed. None: there is no task.

    Raises:
        StaleCode: as ``run_task``.
    """
    # Before the claim: by this process's clock the lease then ends no later than by the store's.
    since = time.monotonic()
    task = manager.fetch_task(query, work.before)
    if task is None:
        return None
    claim = replace(claim_on(task), since=since)
    with AttemptLease(manager.backend.tasks, claim):
        if work.before is TaskState.WAITING:
            try:
                check_code(task.definition, manager.backend.settings.components, as_found=task.any_code)
            except (StaleCode, UnknownClass):
                manager.return_task(task)
                raise
        if not work.force_release:
            return _attempt(manager, task, claim, work)
        try:
            return in_child(lambda: _attempt(manager, task, claim, work))
        except StateError as error:
            _give_up(manager, task, error)
            return False


def _attempt(manager: TaskManager, task: Task, claim: Claim, work: TaskWork) -> bool:
    """Call the function under a lease that this process, or its parent, renews; whether its result was committed."""
    try:
        with made_under(claim):
            first = work.before is TaskState.WAITING
            given = task.definition if first else from_result(task.result, manager.backend.settings)
            result = work.func(given, **work.kwargs)
        manager.commit_task_res(task, result, work.after)
    except LeaseLost as error:
        log.warning("%s", error)
    except BaseException as error:
        _give_up(manager, task, error)
        if kind_of(error) is Kind.STOP:
            raise
    else:
        return True
    return False


def _give_up(manager: TaskManager, task: Task, error: BaseException) -> None:
    """Only the task's own error is a failure of it; else it goes back untried."""
    kind = kind_of(error)
    try:
        if kind is Kind.OWN:
            log.warning("task %s failed: %s %s", task.id, described(error), place_of(error))
            manager.fail_task(task, error)
            return
        claim = claim_on(task)
        wait = 0.0 if kind is Kind.STOP else wait_after(kind, max(1, claim.attempt - claim.failures))
        log.warning("task %s is given back: %s: %s", task.id, kind, described(error))
        manager.backend.tasks.release(claim, f"{kind}: {text_of(error)}", wait)
    except LeaseLost as lost:
        log.warning("%s", lost)

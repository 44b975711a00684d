"""Verbs that change the fate of tasks: retry, cancel, hold, unhold, remove, prioritize, reset-waiting, reset-status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import JSON, of, print_json, say
from rollq.cli.tasks.selection import ERROR, IDS, MODEL, OLDER, POOL, STATUS, WINDOW, YES, Selection, confirm
from rollq.cli.values import check_pool

if TYPE_CHECKING:
    from rollq.tasks.backend import Backend
    from rollq.tasks.queue.task import Task

PERSON = "command line"
NOTHING: Mapping[str, str] = {}
SHOWN = 20  # ids that are printed one by one


@dataclass(frozen=True)
class Verb:
    """A verb on tasks that were chosen: what it does (it returns the ids that it changed), what it destroys, and
    whether tasks may be DONE again by it, with an earlier result."""

    name: str
    done: str
    help: str
    act: Callable[[Backend, Sequence[str]], Sequence[str]]
    destroys: str = ""
    gives_back: bool = False


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    for verb in VERBS:
        app.command(verb.name, help=verb.help)(_command(verb))
    app.command()(prioritize)
    app.command("reset-waiting")(reset_waiting)
    app.command("reset-status")(reset_status)


def _command(verb: Verb) -> Callable[..., None]:
    """The command of a verb: choose tasks, ask if something is destroyed, act, notify workers, and say what became of
    each.
    """

    def command(
        context: typer.Context,
        tasks: IDS = None,
        pool: POOL = None,
        status: STATUS = None,
        window: WINDOW = None,
        model: MODEL = None,
        older_than: OLDER = None,
        error: ERROR = None,
        yes: YES = False,
        as_json: Annotated[bool, JSON] = False,
    ) -> None:
        selection = Selection(tasks, pool, status, window, model, older_than, error)
        with of(context).backend() as backend:
            found = selection.find_some(backend)
            if verb.destroys:
                confirm(verb.destroys.format(count=len(found)), yes)
            moved = verb.act(backend, [task.id for task in found])
            _afterwards(backend, found)
            kept = _done_again(backend, moved) if verb.gives_back else []
            serving = _serving(backend, found, moved) if verb.destroys else {}
        _report(verb.done, moved, found, as_json, kept, serving)

    return command


def _done_again(backend: Backend, moved: Sequence[str]) -> list[str]:
    from rollq.tasks.queue.states import TaskState

    return [task.id for task in backend.tasks.find(ids=moved, status=[TaskState.DONE])]


def _serving(backend: Backend, found: Sequence[Task], moved: Sequence[str]) -> dict[str, str]:
    """What refers to the tasks that were left, by their ids."""
    from rollq.tasks.tracking.runs.references import shown

    left = backend.tasks.references.of_tasks({task.id for task in found} - set(moved))
    return {ident: shown(what) for ident, what in left.items()}


def _retry(backend: Backend, ids: Sequence[str]) -> list[str]:
    moved = backend.tasks.retry(ids, PERSON)
    # A failed round whose tasks are tried again is open again, or nothing would come of them.
    for pool in {task.pool for task in backend.tasks.find(ids=moved)}:
        backend.rounds.reopen(pool, moved)
    return moved


def _cancel(backend: Backend, ids: Sequence[str]) -> list[str]:
    return backend.tasks.cancel(ids, PERSON)


def _hold(backend: Backend, ids: Sequence[str]) -> list[str]:
    backend.tasks.hold(ids)
    # The store counts what it changed and does not name it, so the tasks are read once more.
    return [task.id for task in backend.tasks.find(ids=ids) if task.held]


def _unhold(backend: Backend, ids: Sequence[str]) -> list[str]:
    held = [task.id for task in backend.tasks.find(ids=ids) if task.held]
    backend.tasks.unhold(held)
    return held


def _remove(backend: Backend, ids: Sequence[str]) -> list[str]:
    return backend.tasks.remove(ids)


VERBS = (
    Verb(
        "retry",
        "retried",
        "Let failed, quarantined or cancelled tasks wait again; rounds that failed with them are opened again.",
        _retry,
    ),
    Verb(
        "cancel",
        "cancelled",
        "Cancel tasks that are not finished; a running one stops at its next checkpoint. One that was done and is "
        "trained again is done again, with its earlier result.",
        _cancel,
        gives_back=True,
    ),
    Verb("hold", "held", "Keep waiting tasks from being claimed until unhold; running ones go on.", _hold),
    Verb("unhold", "unheld", "Let held tasks be claimed.", _unhold),
    Verb(
        "remove",
        "removed",
        "Delete tasks with their history, except running ones and those whose models serve or ever served. "
        "Their MLflow runs stay.",
        _remove,
        "Delete {count} tasks and their history for ever?",
    ),
)


def prioritize(
    context: typer.Context,
    priority: Annotated[int, typer.Option(help="Higher is sooner; 0 is usual")],
    tasks: IDS = None,
    pool: POOL = None,
    status: STATUS = None,
    window: WINDOW = None,
    model: MODEL = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Set the priority of tasks that are not finished."""
    selection = Selection(tasks, pool, status, window, model)
    with of(context).backend() as backend:
        found = selection.find_some(backend)
        active = [task.id for task in found if not task.status.is_terminal]
        backend.tasks.prioritize(active, priority)
        _afterwards(backend, found)
    _report("prioritized", active, found, as_json)


def reset_waiting(
    context: typer.Context,
    pool: Annotated[str, typer.Option("--pool", help="The pool")],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Take back running tasks whose lease is gone, and only those. Workers and beat do it all the time."""
    from rollq.tasks.client.manager import TaskManager

    with of(context).backend() as backend:
        check_pool(backend, pool)
        taken = TaskManager(pool, backend).reset_waiting()
    if as_json:
        print_json({"taken back": taken})
        return
    say(f"{len(taken)} tasks were taken back.")


def reset_status(
    context: typer.Context,
    to: Annotated[str, typer.Option("--to", help="waiting or cancelled")],
    tasks: IDS = None,
    pool: POOL = None,
    status: STATUS = None,
    window: WINDOW = None,
    model: MODEL = None,
    yes: YES = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Move tasks by hand, finished ones too: the results of those that wait again count until there are new ones."""
    from rollq.tasks.client.queries import as_state
    from rollq.tasks.queue.states import TaskState

    end = as_state(to)
    selection = Selection(tasks, pool, status, window, model)
    with of(context).backend() as backend:
        found = selection.find_some(backend)
        if done := sum(task.status is TaskState.DONE for task in found if end is TaskState.WAITING):
            confirm(f"Train {done} finished tasks again? Their results count until there are new ones.", yes)
        moved = backend.tasks.reset([task.id for task in found], end, PERSON)
        for name in {task.pool for task in found}:
            backend.rounds.reopen(name, moved)
        _afterwards(backend, found)
    _report(f"moved to {end}", moved, found, as_json)


def _afterwards(backend: Backend, found: Sequence[Task]) -> None:
    """Notify of what waits now, and of rounds that this has finished."""
    for pool in {task.pool for task in found}:
        backend.notifier.top_up(pool)
        backend.gather_notifier.notify_if_finished(pool)


def _report(
    done: str,
    moved: Sequence[str],
    found: Sequence[Task],
    as_json: bool,
    kept: Sequence[str] = (),
    serving: Mapping[str, str] = NOTHING,
) -> None:
    """Say what was changed and what was left, and why. Exit code 5 where nothing was, so that scripts notice."""
    changed = set(moved)
    left = [task for task in found if task.id not in changed]
    if as_json:
        more = {"done again": list(kept), "serving": dict(serving)}
        answer = {done: list(moved), "left": {task.id: task.status for task in left}}
        print_json({**answer, **{name: value for name, value in more.items() if value}})
    else:
        again = ": it is DONE again, with its earlier result"
        lines = [f"{done} {ident}{again if ident in set(kept) else ''}" for ident in moved]
        belongs = {ident: f", and belongs to {what}" for ident, what in serving.items()}
        lines += [f"left as it is: {task.id} is {task.status}{belongs.get(task.id, '')}" for task in left]
        for line in lines[:SHOWN]:
            say(line)
        if len(lines) > SHOWN:
            say(f"... {len(moved)} {done} in all, {len(left)} left as they are")
    if not moved:
        raise typer.Exit(5)

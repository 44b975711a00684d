"""Verbs that look at tasks: list, show, explain, stat, wait, pools."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import JSON, of, print_json, print_table, say, segment
from rollq.cli.tasks.selection import ERROR, MODEL, OLDER, POOL, STATUS, WINDOW, Selection
from rollq.cli.values import amount, check_pool

if TYPE_CHECKING:
    from rollq.tasks.identity import Identity
    from rollq.tasks.queue.task import Task


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command("list")(list_tasks)
    for verb in (show, explain, stat, wait, pools):
        app.command()(verb)


def list_tasks(
    context: typer.Context,
    pool: POOL = None,
    status: STATUS = None,
    window: WINDOW = None,
    model: MODEL = None,
    older_than: OLDER = None,
    error: ERROR = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all")] = 200,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List tasks in the order in which they were created."""
    selection = Selection(None, pool, status, window, model, older_than, error)
    with of(context).backend() as backend:
        found = selection.find(backend, limit)
    if as_json:
        print_json([task.to_dict() for task in found])
        return
    names = ["id", "pool", "status", "attempts", "prio", "model", "test", "worker", "error"]
    rows = [_row(task) for task in found]
    if not any(task.member for task in found):  # each model serves alone, or is of no strategy
        at = names.index("model")
        names, rows = [*names[:at], *names[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]
    print_table(f"{len(found)} tasks", names, rows)
    if limit and len(found) == limit:
        say(f"These are the first {limit}; --limit 0 shows all.")


def _row(task: Task) -> list[object]:
    test = segment(task.segments.get("test"))
    worker = task.worker or next((attempt.worker for attempt in reversed(task.attempts_made())), "")
    return [task.id[:12], task.pool, task.status, task.attempts, task.priority, task.member, test, worker, why(task)]


def show(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="Task id, which may be shortened")],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show one task: what it is, the attempts at it, and everything that happened to it."""
    from rollq.tasks.definition import MODEL, class_of
    from rollq.tasks.identity import identity_of

    with of(context).backend() as backend:
        found = backend.tasks.get(task)
    if as_json:
        timeline = [attempt.to_dict() for attempt in found.attempts_made()]
        print_json({**found.to_dict(), "identity": identity_of(found.definition), "timeline": timeline})
        return
    say(f"Task {found.id} of pool {found.pool}: {found.status}")
    for name, bounds in found.segments.items():
        say(f"  {name:6} {segment(bounds)}")
    model = class_of(found.definition.get(MODEL)) or "-"
    which = f"{found.member} " if found.member else ""
    say(f"  model  {which}{model}, recorder {(found.result or {}).get('recorder_id', '-')}")
    _show_identity(identity_of(found.definition))
    say(f"  queue  {found.queue}, requests {found.requested}, priority {found.priority}")
    if found.error:
        _show_error(found.error)
    rows = [
        [
            one.number,
            one.worker,
            f"{one.started_at:%Y-%m-%d %H:%M:%S}",
            _took(one.seconds),
            one.end or "running",
            one.why,
        ]
        for one in found.attempts_made()
    ]
    if rows:
        print_table("Attempts (UTC)", ["#", "worker", "started", "took", "ended", "why"], rows)
    rows = [[f"{e.at:%Y-%m-%d %H:%M:%S}", e.start or "", e.end, e.fence, e.by, e.why] for e in found.history]
    print_table("History (UTC)", ["at", "from", "to", "fence", "by", "why"], rows)


def _show_identity(identity: Identity | None) -> None:
    """What the task is made of, each part with the first digits of its hash."""
    if identity is None:
        return
    data = [
        f"{name} {str(one.get('sha256', ''))[:8]}" for name, one in identity["data"].items() if isinstance(one, dict)
    ]
    code = [f"{str(one['class']).rpartition(':')[2]} {one['sha256'][:8]}" for one in identity["code"].values()]
    libraries = [f"{name} {version}" for name, version in identity["libraries"].items()]
    parts = {"template": [identity["template"][:8]], "data": data, "code": code, "libraries": libraries}
    say("  is     " + "; ".join(f"{name}: {', '.join(found)}" for name, found in parts.items() if found))


def _show_error(error: dict[str, object]) -> None:
    say(f"  error  {error.get('type')}: {error.get('message')}")
    if where := error.get("where"):
        say(f"  where  {where}")
    known = {name: error.get(name) for name in ("host", "attempt", "worker", "signal", "memory_mb") if error.get(name)}
    say("         " + ", ".join(f"{name} {value}" for name, value in known.items()))
    if trace := str(error.get("traceback", "")).rstrip():
        say(trace)


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"


def explain(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="Task id, which may be shortened")],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Say why a task is not running, or who runs it, and what to do about it."""
    from rollq.tasks.client.explain import explain as reasons_of

    with of(context).backend() as backend:
        found = backend.tasks.get(task)
        reasons = reasons_of(backend, found)
    if as_json:
        print_json({"task": found.id, "status": found.status, "reasons": reasons})
        return
    say(f"Task {found.id} of pool {found.pool}: {found.status}")
    for reason in reasons:
        say(f"  {reason}")


def stat(
    context: typer.Context,
    pool: POOL = None,
    window: WINDOW = None,
    model: MODEL = None,
    older_than: OLDER = None,
    error: ERROR = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Count tasks by state."""
    from rollq.tasks.queue.states import TaskState

    selection = Selection(None, pool, None, window, model, older_than, error)
    with of(context).backend() as backend:
        check_pool(backend, pool)
        # Without filters the store counts; with some, tasks must be read to be counted.
        if Selection(pool=pool) == selection:
            counts = backend.tasks.stat(pool)
        else:
            found = [task.status for task in selection.find(backend)]
            counts = {state: found.count(state) for state in TaskState}
    if as_json:
        print_json({str(state): count for state, count in counts.items()})
        return
    for state, count in counts.items():
        say(f"{state:12} {count:>8}")


def wait(
    context: typer.Context,
    pool: Annotated[str, typer.Option("--pool", help="The pool to wait for")],
    timeout: Annotated[float | None, typer.Option(callback=amount, help="Seconds [for ever]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Wait until every task of a pool is finished; leave with 5 if some will never be DONE, or the time is over."""
    from rollq.tasks.client.manager import TaskManager
    from rollq.tasks.queue.states import ACTIVE, TaskState

    def tell(states: dict[TaskState, int]) -> None:
        left = sum(states[state] for state in ACTIVE)
        # On standard error, over and over on one line: standard output may be read by a program.
        sys.stderr.write(f"\r{sum(states.values()) - left} of {sum(states.values())} tasks are finished ")
        sys.stderr.flush()

    with of(context).backend() as backend:
        check_pool(backend, pool)
        waited = TaskManager(pool, backend).wait(timeout=timeout, progress=None if as_json else tell)
    if as_json:
        print_json(waited.to_dict())
    else:
        sys.stderr.write("\n")
        say(f"{waited.states[TaskState.DONE]} tasks are done, {len(waited.failures)} are not.")
        for task in waited.failures:
            say(f"  {task.id} {task.status}: {why(task)}")
    if waited.failures:
        raise typer.Exit(5)


def pools(context: typer.Context, as_json: Annotated[bool, JSON] = False) -> None:
    """List the pools."""
    with of(context).backend() as backend:
        found = backend.tasks.pools()
    if as_json:
        print_json(found)
        return
    for name in found:
        say(name)


def why(task: Task) -> str:
    """The error of a task in a line."""
    error = task.error or {}
    return f"{error.get('type', '')}: {error.get('message', '')}"[:200] if error else ""

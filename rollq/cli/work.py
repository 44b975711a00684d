"""Verbs on work: enqueue, and what one does with tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollq.cli.context import JSON, of, print_json, print_table, say, segment

if TYPE_CHECKING:
    from tasks.task import Task

PERSON = "command line"
tasks_app = typer.Typer(help="Look at tasks and change their fate.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(enqueue)
    app.add_typer(tasks_app, name="tasks")


def enqueue(
    context: typer.Context,
    template: Annotated[Path, typer.Argument(help="Task template (YAML)")],
    pool: Annotated[str | None, typer.Option(help="Task pool [the template's name]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the windows, enqueue nothing")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Cut a template into rolling windows and put them into the queue. Doing it twice makes nothing twice."""
    from rollq.enqueueing import enqueue_plan, plan_template

    if dry_run:
        plan = plan_template(template, of(context).settings())
        _show_plan(pool or plan.strategy, [task["dataset"]["kwargs"]["segments"] for task in plan.definitions], as_json)
        return
    settings = of(context).settings()
    plan = plan_template(template, settings)  # bad input is refused before any server is needed
    with of(context).backend() as backend:
        trained = enqueue_plan(plan, backend, pool)
        created = trained.created
        if as_json:
            answer = {"pool": trained.pool, "round": trained.id, "tasks": list(created.ids)}
            print_json({**answer, "new": created.new, "existing": created.existing})
            return
        say(f"Pool {trained.pool}: {created.new} new tasks, {created.existing} were there already; round {trained.id}.")
        say("They are trained by `rollq worker`; `rollq status --watch` shows how far they are.")


def _show_plan(pool: str, windows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"pool": pool, "dry_run": True, "windows": windows})
        return
    names = list(windows[0])
    rows = [[number, *(segment(window[name]) for name in names)] for number, window in enumerate(windows, 1)]
    print_table(f"{len(windows)} windows for pool {pool} (dry run: nothing was enqueued)", ["#", *names], rows)


@tasks_app.command("list")
def list_tasks(
    context: typer.Context,
    pool: Annotated[str | None, typer.Option(help="Only this pool")] = None,
    status: Annotated[str | None, typer.Option(help="Only these states, with commas")] = None,
    window: Annotated[str | None, typer.Option(help="Only tasks whose test segment holds this session")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model class")] = None,
    older_than: Annotated[float | None, typer.Option(help="Only tasks created more than so many hours ago")] = None,
    error: Annotated[str | None, typer.Option(help="Only tasks whose error holds this text")] = None,
    limit: Annotated[int, typer.Option(help="At most so many")] = 200,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List tasks in the order in which they were created."""
    seconds = None if older_than is None else older_than * 3600
    with of(context).backend() as backend:
        found = backend.tasks.find(
            pool,
            status=_states(status),
            window=_session(window),
            model=model,
            older_than=seconds,
            error=error,
            limit=limit,
        )
    if as_json:
        print_json([task.to_dict() for task in found])
        return
    rows = [
        [
            t.id[:12],
            t.pool,
            t.status,
            t.attempts,
            t.priority,
            segment(t.segments.get("test")),
            t.worker or _last_worker(t),
            _why(t),
        ]
        for t in found
    ]
    print_table(f"{len(found)} tasks", ["id", "pool", "status", "attempts", "prio", "test", "worker", "error"], rows)


@tasks_app.command()
def show(context: typer.Context, task: str, as_json: Annotated[bool, JSON] = False) -> None:
    """Show one task: what it is, and everything that happened to it."""
    with of(context).backend() as backend:
        found = backend.tasks.get(task)
    if as_json:
        print_json(found.to_dict())
        return
    say(f"Task {found.id} of pool {found.pool}: {found.status}")
    for name, bounds in found.segments.items():
        say(f"  {name:6} {segment(bounds)}")
    say(f"  model  {found.definition['model']['class']}, recorder {(found.result or {}).get('recorder_id', '-')}")
    if found.error:
        say(f"  error  {_why(found)}")
        say(str(found.error.get("traceback", "")).rstrip())
    rows = [[f"{e.at:%Y-%m-%d %H:%M:%S}", e.start or "", e.end, e.fence, e.by, e.why] for e in found.history]
    print_table("History (UTC)", ["at", "from", "to", "fence", "by", "why"], rows)


@tasks_app.command()
def explain(context: typer.Context, task: str, as_json: Annotated[bool, JSON] = False) -> None:
    """Say why a task is not running, or who runs it, and what to do about it."""
    from tasks.explain import explain as reasons_of

    with of(context).backend() as backend:
        found = backend.tasks.get(task)
        reasons = reasons_of(backend, found)
    if as_json:
        print_json({"task": found.id, "status": found.status, "reasons": reasons})
        return
    say(f"Task {found.id} of pool {found.pool}: {found.status}")
    for reason in reasons:
        say(f"  {reason}")


@tasks_app.command()
def remove(
    context: typer.Context,
    tasks: list[str],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Delete tasks with their history, except running ones. Their MLflow runs stay."""
    with of(context).backend() as backend:
        found = [backend.tasks.get(ident) for ident in tasks]
        if not yes:
            typer.confirm(f"Delete {len(found)} tasks and their history for ever?", abort=True, err=True)
        removed = backend.tasks.remove([task.id for task in found])
    _report("removed", removed, found, as_json)


@tasks_app.command()
def retry(context: typer.Context, tasks: list[str], as_json: Annotated[bool, JSON] = False) -> None:
    """Let failed, quarantined or cancelled tasks wait again; rounds that failed with them are opened again."""
    with of(context).backend() as backend:
        found = [backend.tasks.get(ident) for ident in tasks]
        moved = backend.tasks.retry([task.id for task in found], PERSON)
        for pool in {task.pool for task in found}:
            backend.rounds.reopen(pool, moved)
            backend.doorbell.top_up(pool)
    _report("retried", moved, found, as_json)


@tasks_app.command()
def cancel(context: typer.Context, tasks: list[str], as_json: Annotated[bool, JSON] = False) -> None:
    """Cancel tasks that are not finished; a running one stops at its next checkpoint."""
    with of(context).backend() as backend:
        found = [backend.tasks.get(ident) for ident in tasks]
        moved = backend.tasks.cancel([task.id for task in found], PERSON)
        for pool in {task.pool for task in found}:
            backend.doorbell.ring_if_finished(pool)
    _report("cancelled", moved, found, as_json)


@tasks_app.command()
def prioritize(
    context: typer.Context,
    tasks: list[str],
    priority: Annotated[int, typer.Option(help="Higher is sooner; 0 is usual")],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Set the priority of tasks that are not finished."""
    with of(context).backend() as backend:
        found = [backend.tasks.get(ident) for ident in tasks]
        active = [task for task in found if not task.status.is_terminal]
        backend.tasks.prioritize([task.id for task in active], priority)
        for pool in {task.pool for task in active}:
            backend.doorbell.top_up(pool)
    _report("prioritized", [task.id for task in active], found, as_json)


def _report(verb: str, moved: list[str], found: list[Task], as_json: bool) -> None:
    left = [task for task in found if task.id not in moved]
    if as_json:
        print_json({verb: moved, "left": {task.id: task.status for task in left}})
    else:
        for ident in moved:
            say(f"{verb} {ident}")
        for task in left:
            say(f"left as it is: {task.id} is {task.status}")
    if found and not moved:
        raise typer.Exit(5)


def _states(text: str | None) -> list[Any] | None:
    from tasks.components import did_you_mean
    from tasks.errors import BadInput
    from tasks.states import TaskState

    if text is None:
        return None
    names = [name.strip().upper() for name in text.split(",")]
    for name in names:
        if name not in list(TaskState):
            raise BadInput(f"There is no task state {name!r}.", did_you_mean(name, list(TaskState)))
    return [TaskState(name) for name in names]


def _session(text: str | None) -> str | None:
    from datetime import date

    from tasks.errors import BadInput

    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadInput(f"{text!r} is not a date.", "Write it as YYYY-MM-DD.") from None


def _last_worker(task: Task) -> str:
    return next((entry.by for entry in reversed(task.history) if entry.end == "RUNNING"), "")


def _why(task: Task) -> str:
    error = task.error or {}
    return f"{error.get('type', '')}: {error.get('message', '')}"[:200] if error else ""

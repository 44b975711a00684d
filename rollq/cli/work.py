"""The verb enqueue, and the group of verbs on tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rollq.cli import tasks_change, tasks_hand, tasks_look
from rollq.cli.context import JSON, of, print_json, print_table, say, segment

tasks_app = typer.Typer(help="Look at tasks and change their fate.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(enqueue)
    app.add_typer(tasks_app, name="tasks")
    for verbs in (tasks_look, tasks_change, tasks_hand):
        verbs.add_to(tasks_app)


def enqueue(
    context: typer.Context,
    template: Annotated[Path, typer.Argument(help="Task template (YAML)")],
    pool: Annotated[str | None, typer.Option(help="Task pool [the template's name]")] = None,
    policy: Annotated[str, typer.Option(help="Windows that must be done: all, 0.9, best_effort")] = "all",
    after: Annotated[
        list[str] | None, typer.Option(help="A round that must be gathered first; may be repeated")
    ] = None,
    priority: Annotated[int, typer.Option(help="Higher is sooner; 0 is usual")] = 0,
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
        trained = enqueue_plan(plan, backend, pool, policy, after or (), priority)
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

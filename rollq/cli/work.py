"""The verb enqueue, and the group of verbs on tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollq.cli import tasks_change, tasks_hand, tasks_look
from rollq.cli.context import JSON, Context, of, print_json, print_table, say, segment
from rollq.cli.data import Accept, say_odd

if TYPE_CHECKING:
    from scheduler.strategies import Plan
    from scheduler.trainers import TrainedRound
    from tasks.reuse import Verdict
    from tasks.task import Definition

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
    force: Annotated[bool, typer.Option("--force", help="Train all the same what could be reused")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the windows, enqueue nothing")] = False,
    accept: Accept = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Cut a template into rolling windows and put them into the queue. Doing it twice makes nothing twice."""
    from rollq.enqueueing import enqueue_plan, load_strategy
    from tasks.reuse import judge

    settings = of(context).settings()
    strategy = load_strategy(template, settings, accept=accept or ())
    plan = strategy.first_tasks()  # bad input is refused before any server is needed
    say_odd(strategy)
    where = pool or plan.strategy
    if dry_run:
        _show_plan(where, plan.definitions, _as_it_stands(of(context), where, plan), as_json)
        return
    with of(context).backend() as backend:
        verdicts = judge(backend.tasks, where, plan.definitions)
        trained = enqueue_plan(plan, backend, pool, policy, after or (), priority, force)
        if as_json:
            created = trained.created
            answer = {"pool": trained.pool, "round": trained.id, "tasks": list(created.ids)}
            reasons = [verdict.to_dict() for verdict in verdicts]
            print_json({**answer, "new": created.new, "existing": created.existing, "reasons": reasons})
            return
        _tell_enqueued(trained, verdicts, force)


def _as_it_stands(context: Context, pool: str, plan: Plan) -> list[Verdict]:
    """What would become of the windows; without any servers there are no tasks."""
    from rollq.local.attach import has_store
    from tasks.reuse import judge

    if not has_store(context.settings()):
        return judge(None, pool, plan.definitions)
    with context.backend() as backend:
        return judge(backend.tasks, pool, plan.definitions)


def _tell_enqueued(trained: TrainedRound, verdicts: list[Verdict], force: bool) -> None:
    from tasks.reuse import summary

    created = trained.created
    say(f"Pool {trained.pool}: {created.new} new tasks, {created.existing} were there already; round {trained.id}.")
    for line in summary(verdicts):
        say(f"  {line}")
    if force and created.existing:
        say("  --force: those that were there are trained all the same.")
    say("They are trained by `rollq worker`; `rollq status --watch` shows how far they are.")


def _show_plan(pool: str, definitions: Sequence[Definition], verdicts: list[Verdict], as_json: bool) -> None:
    windows: list[dict[str, Any]] = [task["dataset"]["kwargs"]["segments"] for task in definitions]
    if as_json:
        reasons = [verdict.to_dict() for verdict in verdicts]
        print_json({"pool": pool, "dry_run": True, "windows": windows, "reasons": reasons})
        return
    names = list(windows[0])
    rows = [
        [number, *(segment(window[name]) for name in names), verdict.why]
        for number, (window, verdict) in enumerate(zip(windows, verdicts, strict=True), 1)
    ]
    title = f"{len(windows)} windows for pool {pool} (dry run: nothing was enqueued)"
    print_table(title, ["#", *names, "because"], rows)

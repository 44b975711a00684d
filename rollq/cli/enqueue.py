"""The verb enqueue, and the group of verbs on tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import JSON, Context, of, print_json, print_table, say, segment
from rollq.cli.data import Accept, Rtype, Step, say_odd
from rollq.cli.tasks import tasks_change, tasks_manual, tasks_show
from rollq.cli.values import at_home

if TYPE_CHECKING:
    from rollq.scheduler.rounds.trained_round import TrainedRound
    from rollq.scheduler.strategies.plan import Plan
    from rollq.tasks.backend import Backend
    from rollq.tasks.client.reuse import Verdict
    from rollq.tasks.definition import Definition

TRAINED_BY = "They are trained by `rollq worker`; `rollq status --watch` shows how far they are."

tasks_app = typer.Typer(help="Look at tasks and change their fate.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(enqueue)
    app.add_typer(tasks_app, name="tasks")
    for verbs in (tasks_show, tasks_change, tasks_manual):
        verbs.add_to(tasks_app)


def enqueue(
    context: typer.Context,
    template: Annotated[Path, typer.Argument(callback=at_home, help="Task template (YAML)")],
    pool: Annotated[str | None, typer.Option(help="Task pool [the template's name]")] = None,
    policy: Annotated[str, typer.Option(help="Windows that must be done: all, 0.9, best_effort")] = "all",
    after: Annotated[
        list[str] | None, typer.Option(help="A round that must be gathered first; may be repeated")
    ] = None,
    priority: Annotated[int, typer.Option(help="Higher is sooner; 0 is usual")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Train all the same what could be reused")] = False,
    research: Annotated[
        bool, typer.Option("--research", help="Train, gather and measure it, and put nothing online")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the windows, enqueue nothing")] = False,
    accept: Accept = None,
    step: Step = None,
    rtype: Rtype = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Cut a template into rolling windows and put them into the queue. Doing it twice makes nothing twice."""
    from rollq.enqueueing import enqueue_plan, enqueue_research, load_strategy
    from rollq.tasks.client.reuse import judge

    settings = of(context).settings()
    strategy = load_strategy(template, settings, None, accept or (), step, rtype)
    plan = strategy.plan()  # bad input is refused before any server is needed
    say_odd(strategy)
    for remark in plan.remarks:
        typer.echo(remark, err=True)
    where = pool or plan.strategy
    if dry_run:
        _show_plan(where, plan.definitions, _as_it_stands(of(context), where, plan), as_json)
        return
    if research:
        # The challengers' windows, too, are cut before any server is needed.
        strategy.research_plans()
    with of(context).backend() as backend:
        if research:
            _tell_research(
                backend, enqueue_research(strategy, backend, pool, policy, after or (), priority, force), as_json
            )
            return
        # Before the tasks are made: afterwards every window has one.
        verdicts = judge(backend.tasks.reader, where, plan.definitions)
        trained = enqueue_plan(plan, backend, pool, policy, after or (), priority, force)
        if as_json:
            print_json({**_answer(trained), "reasons": [verdict.to_dict() for verdict in verdicts]})
            return
        _tell_enqueued(trained, verdicts, force)
        say(_what_next(backend, trained) if trained.ended else TRAINED_BY)


def _tell_research(backend: Backend, opened: Mapping[str, TrainedRound], as_json: bool) -> None:
    if as_json:
        print_json([{"name": name, **_answer(trained)} for name, trained in opened.items()])
        return
    for name, trained in opened.items():
        created = trained.created
        say(f"Research {name}: {created.new} new tasks, {created.existing} were there already; round {trained.id}.")
        say(_what_next(backend, trained) if trained.ended else TRAINED_BY)
    say("Nothing goes online. `rollq research list` shows how good they are, `rollq research compare` compares them.")


def _answer(trained: TrainedRound) -> dict[str, object]:
    """JSON-able."""
    created = trained.created
    counts = {"new": created.new, "existing": created.existing, "ended": trained.ended}
    return {"pool": trained.pool, "round": trained.id, "tasks": list(created.ids), **counts}


def _what_next(backend: Backend, trained: TrainedRound) -> str:
    """What a round that had ended before came to, and what can be done about it."""
    from rollq.scheduler.champions.research import is_research
    from rollq.scheduler.online.ledger import OnlineSets
    from rollq.tasks.rounds.documents import RoundState

    found = backend.rounds.get(trained.id)
    if found.status is RoundState.FAILED:
        retry = f"`rollq tasks retry --pool {trained.pool} --status failed` tries its tasks again."
        return f"It failed before, nothing was enqueued: {found.reason}\n{retry}"
    if is_research(found):
        return f"It is gathered already, nothing was enqueued: `rollq research show {trained.id}`."
    sets = OnlineSets(backend.store)
    online = sets.of_round(trained.id)
    if online is None:
        return "It is gathered already, nothing was enqueued."
    serving = sets.current(online.strategy).version
    told = f"It is gathered already, as version {online.version} of {online.strategy}: nothing was enqueued."
    if serving == online.version:
        return f"{told} This version serves."
    back = f"`rollq online rollback {online.strategy} --to {online.version}` lets it serve again."
    return f"{told} Version {serving} serves; {back}"


def _as_it_stands(context: Context, pool: str, plan: Plan) -> list[Verdict]:
    """What would become of the windows; without any servers there are no tasks."""
    from rollq.local.attach import has_store
    from rollq.tasks.client.reuse import judge

    if not has_store(context.settings()):
        return judge(None, pool, plan.definitions)
    with context.backend() as backend:
        return judge(backend.tasks.reader, pool, plan.definitions)


def _tell_enqueued(trained: TrainedRound, verdicts: list[Verdict], force: bool) -> None:
    from rollq.tasks.client.reuse import summary

    created = trained.created
    say(f"Pool {trained.pool}: {created.new} new tasks, {created.existing} were there already; round {trained.id}.")
    for line in summary(verdicts):
        say(f"  {line}")
    if force and created.existing:
        say("  --force: those that were there are trained all the same.")


def _show_plan(pool: str, definitions: Sequence[Definition], verdicts: list[Verdict], as_json: bool) -> None:
    """What a dry run would enqueue: a row for each window, and why it is trained or reused."""
    from rollq.tasks.definition import segments_of

    windows = [segments_of(definition) for definition in definitions]
    if as_json:
        reasons = [verdict.to_dict() for verdict in verdicts]
        print_json({"pool": pool, "dry_run": True, "windows": windows, "reasons": reasons})
        return
    names = list(windows[0])
    rows = [
        [number, *_member(definition), *(segment(segments_of(definition)[name]) for name in names), verdict.why]
        for number, (definition, verdict) in enumerate(zip(definitions, verdicts, strict=True), 1)
    ]
    title = f"{len(windows)} windows for pool {pool} (dry run: nothing was enqueued)"
    print_table(title, ["#", *(["model"] if _member(definitions[0]) else []), *names, "because"], rows)


def _member(definition: Definition) -> list[str]:
    """The name of the model among those that serve together, if there are several."""
    from rollq.tasks.definition import MEMBER

    return [str(definition[MEMBER])] if MEMBER in definition else []

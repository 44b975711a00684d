"""The verbs of backfill: a range of windows that is trained a few at a time, while everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import JSON, Context, of, print_json, print_table, say, segment
from rollq.cli.data import Accept, Rtype, Step, say_odd
from rollq.cli.values import at_home, check_pool

if TYPE_CHECKING:
    from rollq.scheduler.backfill_plan import BackfillPlan
    from rollq.tasks.backend import Backend
    from rollq.tasks.backfills.backfill import Backfill, BackfillMode, BackfillState
    from rollq.tasks.client.progress import Progress
    from rollq.tasks.queue.task import Task

SHOWN_FAILURES = 20
backfill_app = typer.Typer(help="Train a range of windows, a few at a time.", no_args_is_help=True)
Ident = Annotated[str, typer.Argument(metavar="ID", help="Backfill; its first digits are enough")]


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.add_typer(backfill_app, name="backfill")


@backfill_app.command()
def create(
    context: typer.Context,
    template: Annotated[Path, typer.Argument(callback=at_home, help="Task template (YAML)")],
    start: Annotated[str, typer.Option("--from", metavar="DAY", help="First day, YYYY-MM-DD")],
    end: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day; windows tested in between are taken")],
    missing: Annotated[bool, typer.Option("--missing", help="Windows without a result [this one]")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only failed, quarantined and cancelled windows")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every window; done ones are trained anew")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train all the same what could be reused: as --all")] = False,
    pool: Annotated[str | None, typer.Option(help="Task pool [the template's name]")] = None,
    max_active: Annotated[int | None, typer.Option(min=1, help="At most so many at a time [as many as run]")] = None,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="The latest test segments first")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, change nothing")] = False,
    accept: Accept = None,
    step: Step = None,
    rtype: Rtype = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Train the windows of a template that are tested in a range of days. Nothing is put online by it."""
    from rollq.enqueueing import load_strategy
    from rollq.scheduler.backfill_plan import begin_backfill, plan_backfill, read_span
    from rollq.tasks.rolling.template_names import check_name

    mode = _mode(missing and not force, failed, everything or force)
    span = read_span(start, end)
    if pool is not None:
        check_name(pool, "--pool")
    settings = of(context).settings()
    strategy = load_strategy(template, settings, None, accept or (), step, rtype)
    plan = strategy.plan()  # bad input is refused before any server is needed
    say_odd(strategy)

    def planned_on(backend: Backend | None) -> BackfillPlan:
        return plan_backfill(plan, backend, span, mode=mode, pool=pool, newest_first=newest_first)

    # Planned without a store first: a range that meets no window is refused before any server is started.
    nowhere = planned_on(None)
    if dry_run:
        _show_plan(_as_it_stands(of(context), planned_on, nowhere), as_json)
        return
    with of(context).backend() as backend:
        planned = planned_on(backend)
        # `planned` and not the plan of above: tasks may be there by now.
        made = begin_backfill(backend, planned, max_active)
        _notify(backend, planned.pool)
    _tell_created(planned, made, as_json)


@backfill_app.command("list")
def list_backfills(
    context: typer.Context,
    pool: Annotated[str | None, typer.Option(help="Only this pool")] = None,
    status: Annotated[str | None, typer.Option(help="Only these states, with commas")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List backfills, oldest first."""
    from rollq.tasks.client.progress import progress_of

    states = _states(status)
    with of(context).backend() as backend:
        check_pool(backend, pool)
        found = [(one, progress_of(backend, one)) for one in backend.backfills.find(pool, states)]
    if as_json:
        print_json([{**one.to_dict(), "progress": progress.to_dict()} for one, progress in found])
        return
    if not found:
        say("There is no backfill. `rollq backfill create TEMPLATE --from DAY --to DAY` makes one.")
        return
    rows = [
        [one.id, one.pool, one.status, one.mode, f"{one.start} to {one.end}", _done(progress), _eta(progress)]
        for one, progress in found
    ]
    print_table(f"{len(rows)} backfills", ["id", "pool", "status", "mode", "range", "finished", "expected end"], rows)


@backfill_app.command()
def show(context: typer.Context, backfill: Ident, as_json: Annotated[bool, JSON] = False) -> None:
    """Show how far a backfill is: states, failures, rate, expected end, and what is next."""
    from rollq.tasks.client.progress import failures_of, progress_of

    with of(context).backend() as backend:
        found = backend.backfills.get(backfill)
        progress, failures = progress_of(backend, found), failures_of(backend, found, SHOWN_FAILURES)
    if as_json:
        failed = [_failure(task) for task in failures]
        print_json({**found.to_dict(), "progress": progress.to_dict(), "failures": failed})
        return
    _show(found, progress, failures)


@backfill_app.command()
def pause(context: typer.Context, backfill: Ident, as_json: Annotated[bool, JSON] = False) -> None:
    """Let nothing more go; what runs goes on."""
    with of(context).backend() as backend:
        _tell(backend, backend.backfills.pause(backend.backfills.get(backfill).id), as_json)


@backfill_app.command()
def resume(context: typer.Context, backfill: Ident, as_json: Annotated[bool, JSON] = False) -> None:
    """Go on with a paused backfill."""
    with of(context).backend() as backend:
        found = backend.backfills.resume(backend.backfills.get(backfill).id)
        _notify(backend, found.pool)
        _tell(backend, found, as_json)


@backfill_app.command()
def cancel(
    context: typer.Context,
    backfill: Ident,
    running: Annotated[bool, typer.Option("--running", help="Cancel what runs, too")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Cancel what waits; what runs goes on, and what is done stays."""
    from rollq.tasks.backfills.backfill import BACKFILL_STATES, CANCELLED

    with of(context).backend() as backend:
        found = backend.backfills.get(backfill)
        # Checked before the question: a person is not asked about what cannot be done.
        BACKFILL_STATES.check(found.status, CANCELLED, which=found.id)
        if not yes:
            what = "waits or runs" if running else "waits"
            typer.confirm(
                f"Cancel backfill {found.id} of pool {found.pool} and all of it that {what}?", abort=True, err=True
            )
        found = backend.backfills.cancel(found.id, running=running)
        _notify(backend, found.pool)
        _tell(backend, found, as_json)


def _notify(backend: Backend, pool: str) -> None:
    """Notify workers and coordinators; everything is in the store, so if the broker is away the next sweep notifies."""
    from rollq.tasks.errors import Unavailable

    with suppress(Unavailable):
        backend.notifier.top_up(pool)
        backend.gather_notifier.notify_if_finished(pool)


def _mode(missing: bool, failed: bool, everything: bool) -> BackfillMode:
    from rollq.tasks.backfills.backfill import BackfillMode
    from rollq.tasks.errors import BadInput

    if missing + failed + everything > 1:
        raise BadInput("--missing, --failed and --all exclude each other.", "Give one of them, or none: --missing.")
    return BackfillMode.ALL if everything else BackfillMode.FAILED if failed else BackfillMode.MISSING


def _states(text: str | None) -> list[BackfillState]:
    from rollq.tasks.backfills.backfill import BackfillState
    from rollq.tasks.components.registry import did_you_mean
    from rollq.tasks.errors import BadInput

    names = [name.strip().lower() for name in text.split(",")] if text else []
    for name in names:
        if name not in list(BackfillState):
            raise BadInput(f"There is no state {name!r} of backfills.", did_you_mean(name, list(BackfillState)))
    return [BackfillState(name) for name in names]


def _as_it_stands(context: Context, plan: Callable[[Backend], BackfillPlan], nowhere: BackfillPlan) -> BackfillPlan:
    """The plan over the tasks that there are; without any servers there are none."""
    from rollq.local.attach import has_store

    if not has_store(context.settings()):
        return nowhere
    with context.backend() as backend:
        return plan(backend)


def _show_plan(plan: BackfillPlan, as_json: bool) -> None:
    """What a dry run would do: a row for each window, or one JSON value."""
    if as_json:
        answer = {"dry_run": True, "pool": plan.pool, "mode": plan.mode, "from": plan.start, "to": plan.end}
        windows = [window.to_dict() for window in plan.windows]
        print_json({**answer, "newest_first": plan.newest_first, "counts": plan.counts(), "windows": windows})
        return
    several = any(window.member for window in plan.windows)
    rows = [
        [n, window.fate, *([window.member] if several else []), segment(window.test), window.task_id[:12], window.why]
        for n, window in enumerate(plan.windows, 1)
    ]
    title = f"Backfill of pool {plan.pool}, {plan.mode}, {plan.start} to {plan.end} (dry run: nothing was changed)"
    print_table(title, ["#", "would be done", *(["model"] if several else []), "test", "task", "because"], rows)
    say(", ".join(f"{n} {fate}" for fate, n in plan.counts().items() if n))


def _tell_created(plan: BackfillPlan, made: Backfill | None, as_json: bool) -> None:
    """What became of a plan: the backfill, or that there was nothing to do."""
    counts = plan.counts()
    if as_json:
        print_json({"backfill": made.to_dict() if made else None, "counts": counts, "left": plan.left()})
        return
    if made is None:
        say(f"Nothing is to be done in pool {plan.pool}: {_left(plan)}.")
        return
    took = ", ".join(f"{counts[fate]} to {fate}" for fate in ("create", "retry", "train anew") if counts[fate])
    say(
        f"Backfill {made.id} of pool {made.pool}: {made.total} windows ({took}); "
        f"left as they are: {_left(plan) or 'none'}."
    )
    say(f"They are trained by `rollq worker`; `rollq backfill show {made.id}` shows how far they are.")


def _left(plan: BackfillPlan) -> str:
    return ", ".join(f"{n} {why}" for why, n in plan.left().items())


def _tell(backend: Backend, found: Backfill, as_json: bool) -> None:
    from rollq.tasks.client.progress import progress_of

    progress = progress_of(backend, found)
    if as_json:
        print_json({**found.to_dict(), "progress": progress.to_dict()})
        return
    say(f"Backfill {found.id} of pool {found.pool} is {found.status}: {_counts(progress)}.")


def _show(found: Backfill, progress: Progress, failures: list[Task]) -> None:
    """A backfill for a person: range, progress, rate, what comes next, and what failed."""
    limit = f"at most {found.max_active} at a time" if found.max_active else "as many at a time as run"
    order = "newest first" if found.newest_first else "oldest first"
    say(f"Backfill {found.id} of pool {found.pool}: {found.status}{f' ({found.reason})' if found.reason else ''}")
    say(f"  range     {found.start} to {found.end}, {found.mode}, {order}, {limit}")
    say(f"  progress  {_done(progress)}: {_counts(progress)}")
    if progress.per_hour:
        say(f"  rate      {progress.per_hour:.1f} tasks an hour, expected end {_eta(progress)}")
    for one in progress.following[:1]:
        say(f"  next      {segment(one.test)}{' and so on' if progress.pending > 1 else ''}")
    if found.ended_at:
        say(f"  ended     {found.ended_at:%Y-%m-%d %H:%M:%S} UTC")
    if failures:
        rows = [
            [task.id, task.status, segment(task.segments.get("test")), _failure(task)["error"]] for task in failures
        ]
        print_table("Failures", ["task", "status", "test", "error"], rows)


def _failure(task: Task) -> dict[str, object]:
    error = task.error or {}
    test = list(task.segments.get("test") or ())
    text = f"{error.get('type', '')}: {error.get('message', '')}"[:300]
    return {"task": task.id, "status": task.status, "test": test, "error": text}


def _counts(progress: Progress) -> str:
    parts = [(progress.pending, "not admitted yet"), (progress.held, "held")]
    parts += [(n, state.lower().replace("_", " ")) for state, n in progress.states.items()]
    return ", ".join(f"{n} {name}" for n, name in parts if n) or "no tasks"


def _done(progress: Progress) -> str:
    return f"{progress.finished} of {progress.total}"


def _eta(progress: Progress) -> str:
    return f"{progress.eta:%Y-%m-%d %H:%M} UTC" if progress.eta else ""

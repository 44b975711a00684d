"""Verbs on the daily routine: rollq routine run, list, show."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.arguments import Limit, Strategy, newest, one_strategy, say_failures
from rollq.cli.context import JSON, of, print_json, print_table, say
from rollq.cli.data import Accept
from rollq.cli.online.trainer import has_worker, this_process, trainer_of
from rollq.cli.values import amount

if TYPE_CHECKING:
    from rollq.scheduler.routine.ledger import Routine
    from rollq.scheduler.routine.step_results import StepResult
    from rollq.tasks.backend import Backend

routine_app = typer.Typer(help="The daily routine of each strategy that is kept online.", no_args_is_help=True)
# A worker that was started along with the command registers within this.
HINT_SECONDS = 10.0
START = "start `rollq worker`, or give --here"
DATA_SECONDS = 10.0  # a session whose data cannot be used yet is waited for this long; the routine goes on by itself
SHOWN = 10  # sessions that are named


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.add_typer(routine_app, name="routine")
    routine_app.command("run")(run)
    routine_app.command("list")(list_)
    routine_app.command("show")(show)


def run(
    context: typer.Context,
    strategy: Strategy = None,
    session: Annotated[str | None, typer.Option(help="Up to this session [the last of the data]")] = None,
    here: Annotated[bool, typer.Option("--here", help="Train and predict in this process, without workers")] = False,
    allow_gaps: Annotated[bool, typer.Option("--allow-gaps", help="Publish signals in spite of holes")] = False,
    timeout: Annotated[float | None, typer.Option(callback=amount, help="Seconds to wait [for ever]")] = None,
    accept: Accept = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Bring a strategy up to a session: predict, train, gather, promote, publish. What is done is not done again."""
    from rollq.days import day
    from rollq.scheduler.failures import failures
    from rollq.scheduler.routine.driver import bring_up_to
    from rollq.scheduler.routine.ledger import DATA, RoutineState
    from rollq.tasks.errors import RoundFailed, StateError

    upto = day(session, "--session")
    with of(context).backend(serve=True) as backend:
        name = one_strategy(backend, strategy)
        if accept:
            _accept(backend, name, accept)
        make, work = trainer_of(backend, here)
        end, hint = _after(timeout), time.monotonic() + HINT_SECONDS
        # Data that are being written are there within seconds; a person is told rather than kept waiting for
        # tomorrow's.
        patience = _after(DATA_SECONDS)
        shown: tuple[str, str] | None = None
        while True:
            reached = bring_up_to(backend, name, upto, this_process(), make, allow_gaps=allow_gaps)
            if reached is None or reached.status is not RoutineState.OPEN:
                break
            shown = _show_progress(reached, shown, as_json)
            if time.monotonic() > patience and reached.waits_for.startswith(DATA):
                raise StateError(
                    f"The routine of {name} waits for its data: {reached.waits_for.removeprefix(DATA)}",
                    "It goes on by itself when they are there, or run it again.",
                )
            if time.monotonic() > end:
                raise StateError(f"The routine is not done after {timeout:.0f} s.", _goes_on(backend, here))
            # Not at once: a worker that was started a moment ago has not registered yet. `_hint` returns 0, so it is
            # said once.
            if hint and time.monotonic() > hint and not here:
                hint = _hint(backend)
            work(backend, name)
        remark, failed = _remark(backend, name, upto), failures(backend, [name])
        waiting = _waiting(backend, name, upto)
    if reached and reached.status is RoutineState.FAILED:
        raise RoundFailed(
            f"The routine of {name} for {reached.session} failed at {reached.next_step!s}: {reached.reason}",
            f"Then `rollq routine run {name}` goes on there.",
        )
    _tell_waiting(name, reached, waiting, upto)
    if as_json:
        print_json({**reached.to_dict(), "failures": [one.to_dict() for one in failed]} if reached else None)
        return
    _say_reached(name, reached, remark)
    say_failures(failed)


def list_(
    context: typer.Context, strategy: Strategy = None, limit: Limit = 30, as_json: Annotated[bool, JSON] = False
) -> None:
    """Show the routines: which sessions are done, under way, or failed; the newest last."""
    from rollq.scheduler.routine.ledger import Routines

    with of(context).backend() as backend:
        found = Routines(backend).history(strategy)
    if as_json:
        print_json([routine.to_dict() for routine in found])
        return
    if not found:
        say("No routine has run yet. `rollq routine run STRATEGY` runs one.")
        return
    rows = [
        [one.strategy, one.session, str(one.status), "" if one.next_step is None else str(one.next_step),
         one.waits_for or one.reason or _lost(one)]
        for one in newest(found, limit)
    ]  # fmt: skip
    print_table("Routines", ["strategy", "session", "status", "next step", "waits for, or reason"], rows)


def show(
    context: typer.Context,
    strategy: Annotated[str, typer.Argument(help="Strategy")],
    session: Annotated[str, typer.Argument(help="Session, such as 2018-09-24")],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show what each step of a routine came to, by whom and when."""
    from rollq.scheduler.routine.ledger import Routines
    from rollq.tasks.errors import NotFound

    with of(context).backend() as backend:
        found = next((one for one in Routines(backend).history(strategy) if one.session == session), None)
    if found is None:
        raise NotFound(f"There is no routine of {strategy!r} for {session}.", "See `rollq routine list`.")
    if as_json:
        print_json(found.to_dict())
        return
    say(f"{strategy}, session {session}: {found.status} {found.waits_for or found.reason}".rstrip())
    rows = [[str(step), came.at[:19], came.by, _came_to(came)] for step, came in found.steps.finished()]
    print_table("Steps", ["step", "at (UTC)", "by", "came to"], rows)


def _accept(backend: Backend, name: str, sessions: list[str]) -> None:
    from rollq.scheduler.strategies.registry import StrategyRegistry

    accepted = StrategyRegistry(backend).accept(name, sessions).accepted
    typer.echo(f"{name} accepts {', '.join(accepted)}.", err=True)


def _waiting(backend: Backend, name: str, upto: str | None) -> list[tuple[str, str]]:
    """The sessions that wait for their data, and why."""
    from rollq.scheduler.routine.ledger import DATA, Routines, RoutineState

    return [
        (one.session, one.waits_for.removeprefix(DATA))
        for one in Routines(backend).history(name)
        if one.status is RoutineState.OPEN and one.waits_for.startswith(DATA) and (upto is None or one.session <= upto)
    ]


def _tell_waiting(name: str, reached: Routine | None, waiting: list[tuple[str, str]], upto: str | None) -> None:
    """Say which sessions wait for their data; where nothing else was done, that is how the command ends.

    Raises:
        StateError: the session that was asked for waits, or nothing was done.
    """
    from rollq.tasks.errors import StateError

    fix = f"Repair the data, and it goes on by itself; or accept them: rollq routine run {name} --accept SESSION"
    for session, why in waiting[:SHOWN]:
        typer.echo(f"{session} waits for its data: {why}", err=True)
    if waiting and (reached is None or upto in dict(waiting)):
        raise StateError(f"{len(waiting)} sessions of {name} wait for their data.", fix)
    if waiting:
        typer.echo(f"  Fix: {fix}", err=True)


def _hint(backend: Backend) -> float:
    if not has_worker(backend):
        typer.echo(f"No worker is alive: {START}.", err=True)
    return 0.0


def _goes_on(backend: Backend, here: bool) -> str:
    if here or has_worker(backend):
        return "Run it again, or look how far it is: `rollq routine list`."
    return f"No worker is alive: {START}."


def _after(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + timeout


def _show_progress(reached: Routine, shown: tuple[str, str] | None, as_json: bool) -> tuple[str, str]:
    now = (reached.session, reached.waits_for or f"{reached.by}, who works on it")
    if now != shown and not as_json:
        say(f"{reached.session}: waits for {now[1]}")
    return now


def _remark(backend: Backend, name: str, upto: str | None) -> str:
    """What to say of the session that was asked for, and of the last one that is done."""
    from rollq.scheduler.routine.ledger import Routines
    from rollq.scheduler.strategies.registry import StrategyRegistry

    registry = StrategyRegistry(backend)
    registered = registry.get(name)
    sessions = registry.strategy(registered).sessions()
    finished = Routines(backend).done(name)
    last = max((session for session in sessions if session in finished), default="")
    done = f"The last session that is done is {last}." if last else "No session is done yet."
    if upto is None or upto in sessions:
        return done
    if upto < registered.begin:
        return f"{upto} is before it begins ({registered.begin}). {done}"
    return f"{upto} is {'after the data' if upto > sessions[-1] else 'no session'}. {done}"


def _say_reached(name: str, reached: Routine | None, remark: str) -> None:
    if reached is None:
        say(f"{name}: there is nothing left to do. {remark}")
        return
    published, prepared = reached.steps.publish, reached.steps.prepare
    rows = (published.rows if published else None) or 0
    say(f"{name}: session {reached.session} is done, {rows} signals were published. {remark}")
    for line in prepared.why if prepared else ():
        say(f"  windows: {line}")


def _lost(routine: Routine) -> str:
    """The tasks that gave no model although the routine is done, such as a challenger's."""
    from rollq.tasks.queue.states import LOST, TaskState

    states = routine.steps.train.states if routine.steps.train else {}
    lost = {state: states[state] for state in TaskState if state in LOST and states.get(state)}
    return ", ".join(f"{count} tasks {state}" for state, count in lost.items())


def _came_to(came: StepResult) -> str:
    shown = {name: value for name, value in came.to_dict().items() if name not in ("at", "by", "ids")}
    return ", ".join(f"{name} {'; '.join(v) if isinstance(v, tuple) else v}" for name, v in shown.items())

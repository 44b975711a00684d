"""Verbs on what serves: rollq online add, list, remove, show, history, as-of, diff."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.arguments import Strategy, me, moment, one_strategy, say_failures
from rollq.cli.context import JSON, metrics_line, of, print_json, print_table, say, segment
from rollq.cli.data import Accept, Rtype, Step, say_odd
from rollq.cli.online import champions
from rollq.cli.values import at_home

if TYPE_CHECKING:
    from rollq.scheduler.online.online_set import OnlineSet

online_app = typer.Typer(help="Which models serve, since when and why.", no_args_is_help=True)
NOT_FIRED = 'beat does not fire it: for that, write at: "18:30" and timezone: under online in the template'
NEWEST = 5  # models that are shown of a set


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.add_typer(online_app, name="online")
    for name, verb in (
        ("add", add), ("list", list_), ("remove", remove), ("show", show), ("history", history), ("as-of", as_of),
        ("diff", diff),
    ):  # fmt: skip
        online_app.command(name)(verb)
    champions.add_to(online_app)


def add(
    context: typer.Context,
    template: Annotated[
        Path, typer.Argument(callback=at_home, help="Task template (YAML); its section online says how")
    ],
    name: Annotated[str | None, typer.Option(help="Name of the strategy [the template's]")] = None,
    begin: Annotated[str | None, typer.Option(help="First session [the template's, or the last of the data]")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of one with this name")] = False,
    accept: Accept = None,
    step: Step = None,
    rtype: Rtype = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Keep a template online: from now on its routine runs, by `rollq routine run` and by `rollq beat`."""
    from rollq.days import day
    from rollq.enqueueing import load_strategy
    from rollq.scheduler.routine.registration import register_strategy

    settings = of(context).settings()
    strategy = load_strategy(template, settings, name, (), step, rtype)
    first = day(begin, "--begin")
    looked = load_strategy(template, settings, name, accept or (), step, rtype)
    say_odd(looked)
    looked.plan(first or looked.template.online.begin or looked.sessions()[-1])  # wrong input is refused
    with of(context).backend(serve=True) as backend:
        registered = register_strategy(backend, strategy, me(), begin=first, replace=replace, accept=accept or ())
    if as_json:
        print_json(registered.to_dict())
        return
    fires = f"beat fires it at {registered.at} {registered.timezone}" if registered.at else NOT_FIRED
    say(f"{registered.name} is kept online from {registered.begin}; {fires}.")
    say(f"`rollq routine run {registered.name}` brings it up to the last session of its data.")


def list_(
    context: typer.Context,
    simulations: Annotated[bool, typer.Option("--simulations", help="Those of simulations, too")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show the strategies that are kept online."""
    from rollq.cli.arguments import simulated
    from rollq.scheduler.failures import failures
    from rollq.scheduler.routine.ledger import Routines
    from rollq.scheduler.strategies.registry import StrategyRegistry

    with of(context).backend() as backend:
        every, simulations_ = StrategyRegistry(backend).all(), simulated(backend)
        registered = [one for one in every if simulations or one.name not in simulations_]
        today = f"{backend.store.now() + timedelta(days=1):%Y-%m-%d}"  # somewhere it is tomorrow
        done = {one.name: Routines(backend).done(one.name).last(today) for one in registered}
        failed = failures(backend, [one.name for one in registered])
        modes = {one.name: "simulation" if one.name in simulations_ else "live" for one in registered}
    if as_json:
        print_json(
            [
                {**one.to_dict(), "mode": modes[one.name], "last_session": done[one.name] or None,
                 "failures": [failure.to_dict() for failure in failed if failure.strategy == one.name]}
                for one in registered
            ]
        )  # fmt: skip
        return
    if not registered:
        say("No strategy is kept online. `rollq online add TEMPLATE` adds one.")
        return
    fires = {one.name: f"{one.at} {one.timezone}" if one.at else "" for one in registered}
    rows = [[one.name, modes[one.name], one.begin, done[one.name], fires[one.name], one.pool] for one in registered]
    print_table("Strategies", ["strategy", "mode", "begin", "last session", "fires at", "pool"], rows)
    say_failures(failed)
    if len(registered) < len(every):
        say(f"{len(every) - len(registered)} more are of simulations: --simulations shows them.")


def remove(context: typer.Context, strategy: Annotated[str, typer.Argument(help="Strategy")]) -> None:
    """Keep a strategy online no longer. Its online sets, signals, tasks and runs stay."""
    from rollq.scheduler.strategies.registry import StrategyRegistry

    with of(context).backend() as backend:
        StrategyRegistry(backend).remove(strategy)
    say(f"{strategy} is not kept online any more. What it did stays: `rollq online history {strategy}`.")


def show(
    context: typer.Context,
    strategy: Annotated[str | None, typer.Argument(help="Strategy [all]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show the current online set of each strategy."""
    from rollq.scheduler.failures import failures
    from rollq.scheduler.online.ledger import OnlineSets
    from rollq.tasks.errors import StateError

    with of(context).backend() as backend:
        sets = OnlineSets(backend.store)
        failed = failures(backend, [strategy] if strategy else None)
        if strategy and failed and sets.find(strategy) is None:  # why there is nothing to show
            raise StateError(
                f"Nothing of {strategy!r} is online yet; {failed[0].what} failed: {failed[0].reason}", failed[0].fix
            )
        current = [sets.current(strategy)] if strategy else sets.currents()
    if as_json:
        by_name = {
            one.strategy: [other.to_dict() for other in failed if other.strategy == one.strategy] for one in failed
        }
        print_json([{**found.to_dict(), "failures": by_name.get(found.strategy, [])} for found in current])
        return
    if not current:
        say("Nothing is online yet. `rollq enqueue TEMPLATE` and `rollq worker` make it so.")
    for found in current:
        _say_set(found)
    say_failures(failed)


def history(context: typer.Context, strategy: Strategy = None, as_json: Annotated[bool, JSON] = False) -> None:
    """Show every online set that a strategy ever had: the ledger."""
    from rollq.scheduler.online.ledger import OnlineSets

    with of(context).backend() as backend:
        name = one_strategy(backend, strategy)
        found = OnlineSets(backend.store).history(name)
    if as_json:
        print_json([online.to_dict() for online in found])
        return
    rows = [
        [one.version, one.session, f"{one.at:%Y-%m-%d %H:%M:%S}", len(one.models), one.champion,
         segment(max(one.models, key=lambda model: model.test[0]).test) if one.models else "", one.why]
        for one in found
    ]  # fmt: skip
    names = ["version", "from session", "since (UTC)", "models", "champion", "newest window", "why"]
    print_table(f"Online sets of {name}", names, rows)


def as_of(
    context: typer.Context,
    when: Annotated[str, typer.Argument(metavar="DATE", help="A session (2018-09-24), or a time (2026-11-24T15:00Z)")],
    strategy: Strategy = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show what was online on a session, or at a moment."""
    from rollq.scheduler.online.ledger import OnlineSets
    from rollq.scheduler.signals.ledger import SignalLedger

    with of(context).backend() as backend:
        name = one_strategy(backend, strategy)
        found = OnlineSets(backend.store).as_of(name, moment(when))
        models = found.serving(when) if len(when) == len("2018-09-24") else []
        published = {day for entry in SignalLedger(backend).entries(name) for day in entry.days}
    if as_json:
        serving = [{"recorder_id": model.recorder_id, "test": list(model.test)} for model in models]
        print_json({**found.to_dict(), "serving": serving})
        return
    _say_set(found)
    for model in models:
        serves = "served" if when in published or not published else "would serve (no signals were published for it)"
        which = f"{model.member} " if model.member else ""
        say(f"On {when} {serves} the model {which}of {segment(model.test)}, run {model.recorder_id}.")


def diff(
    context: typer.Context,
    one: Annotated[int, typer.Argument(metavar="A", help="Version")],
    other: Annotated[int, typer.Argument(metavar="B", help="Version")],
    strategy: Strategy = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show in what two online sets differ: models, champion, data, code, metrics."""
    from rollq.scheduler.online.ledger import OnlineSets
    from rollq.scheduler.online.online_set import difference

    with of(context).backend() as backend:
        name = one_strategy(backend, strategy)
        sets = OnlineSets(backend.store)
        found = difference(sets.version(name, one), sets.version(name, other))
    if as_json:
        print_json(found)
        return
    rows = [[key, part["only_a"], part["only_b"]] for key, part in found.items() if part["only_a"] or part["only_b"]]
    if not rows:
        say(f"Versions {one} and {other} of {name} do not differ.")
        return
    lines = [[key, "\n".join(map(str, a)), "\n".join(map(str, b))] for key, a, b in rows]
    print_table(f"{name}: version {one} against {other}", ["", f"only in {one}", f"only in {other}"], lines)


def _say_set(found: OnlineSet) -> None:
    """An online set for a person, with the newest of its models."""
    since = f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
    session = f" from session {found.session}" if found.session else ""
    simulated = " (simulated)" if found.mode == "simulation" else ""
    say(f"{found.strategy} version {found.version}: {len(found.models)} models{session}, since {since}{simulated}")
    say(f"  pool {found.pool}, round {found.round_id}, by {found.by}: {found.why}")
    if found.challengers:
        say(f"  champion {found.champion}, challengers {', '.join(sorted(found.challengers))}")
    if members := sorted({model.member for model in found.models if model.member}):
        say(f"  models that serve together: {', '.join(members)}")
    if found.gaps:
        say(f"  without {len(found.gaps)} sessions that could not be covered, the first is {found.gaps[0]}")
    if found.metrics:
        say(f"  {metrics_line(found.metrics, found.better)}")
    newest = sorted(found.models, key=lambda model: model.test[0])[-max(NEWEST, len(members)) :]
    rows = [
        [model.task_id[:12], *([model.member] if members else []), segment(model.test), model.recorder_id]
        for model in newest
    ]
    print_table("The latest models", ["task", *(["model"] if members else []), "test", "recorder"], rows)

"""Verbs that look: status, online, signals, doctor."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollq.cli.context import JSON, metrics_line, of, print_json, print_table, say, segment

if TYPE_CHECKING:
    from datetime import datetime

    from scheduler.online_sets import OnlineSet
    from tasks.backend import Backend

online_app = typer.Typer(help="Which models serve.", no_args_is_help=True)
signals_app = typer.Typer(help="What the models that serve say.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(status)
    app.command()(workers)
    app.add_typer(online_app, name="online")
    app.add_typer(signals_app, name="signals")
    app.command()(doctor)


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Again every second, until Ctrl-C")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show how many tasks of each pool are in which state, and the rounds."""
    with of(context).backend() as backend:
        while True:
            found = _status(backend)
            if as_json:
                print_json(found)
            else:
                if watch:
                    say("\x1b[2J\x1b[H")  # clear the screen, cursor home
                _show_status(found)
            if not watch:
                return
            time.sleep(1.0)


def _status(backend: Backend) -> dict[str, Any]:
    pools = {pool: {str(s): n for s, n in backend.tasks.stat(pool).items()} for pool in backend.tasks.pools()}
    rounds = [
        {"id": r.id, "pool": r.pool, "status": str(r.status), "tasks": len(r.task_ids), "reason": r.reason}
        for r in backend.rounds.find()
    ]
    return {"pools": pools, "rounds": rounds}


def _show_status(found: dict[str, Any]) -> None:
    if not found["pools"]:
        say("There is no pool yet. `rollq enqueue TEMPLATE` makes one.")
        return
    states = list(next(iter(found["pools"].values())))
    rows = [[pool, *(counts[state] or "" for state in states)] for pool, counts in found["pools"].items()]
    print_table("Pools", ["pool", *(state.lower().replace("_", " ") for state in states)], rows)
    rows = [[r["id"], r["pool"], r["status"], r["tasks"], r["reason"]] for r in found["rounds"]]
    print_table("Rounds", ["round", "pool", "status", "tasks", "reason"], rows)


def workers(context: typer.Context, as_json: Annotated[bool, JSON] = False) -> None:
    """Show the workers of the last day: what they serve and offer, and when they were seen last."""
    with of(context).backend() as backend:
        found = backend.roster.workers()
        now = backend.tasks.now()
    if as_json:
        print_json([worker.to_dict() for worker in found])
        return
    rows = [
        [w.name, "yes" if w.alive else "no", w.processes, ", ".join(w.queues), w.offer, _ago(w.started_at, now),
         _ago(w.seen_at, now), w.restarts or ""]
        for w in found
    ]  # fmt: skip
    names = ["worker", "alive", "processes", "queues", "each offers", "started", "seen", "restarts"]
    print_table(f"{sum(worker.alive for worker in found)} live workers", names, rows)


def _ago(at: datetime, now: datetime) -> str:
    seconds = max((now - at).total_seconds(), 0)
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago"


@online_app.command("show")
def online_show(
    context: typer.Context,
    strategy: Annotated[str | None, typer.Argument(help="Strategy [all]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show the current online set of each strategy."""
    from scheduler.online_sets import OnlineSets

    with of(context).backend() as backend:
        sets = OnlineSets(backend.store)
        current = [sets.current(name) for name in ([strategy] if strategy else sets.strategies())]
    if as_json:
        print_json([found.to_dict() for found in current])
        return
    if not current:
        say("Nothing is online yet. `rollq enqueue TEMPLATE` and `rollq worker` make it so.")
    for found in current:
        since = f"{found.at:%Y-%m-%d %H:%M:%S} UTC"
        say(f"{found.strategy} version {found.version}: {len(found.models)} models since {since}")
        say(f"  pool {found.pool}, round {found.round_id}, gathered by {found.by}")
        say(f"  {metrics_line(found.metrics)}")
        rows = [[model.task_id[:12], segment(model.test), model.recorder_id] for model in found.models[-5:]]
        print_table("The latest models", ["task", "test", "recorder"], rows)


@signals_app.command("show")
def signals_show(
    context: typer.Context,
    strategy: Annotated[str | None, typer.Argument(help="Strategy [the only one]")] = None,
    date: Annotated[str | None, typer.Option(help="Session [the last one]")] = None,
    top: Annotated[int, typer.Option(help="Instruments with the highest score")] = 10,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show the signals of one session, best first."""
    from tasks.errors import NotFound

    with of(context).backend() as backend:
        online, path = _signals(backend, strategy)
        from scheduler.signals import read_signals

        frame = read_signals(path)
    days = frame.index.get_level_values("datetime").strftime("%Y-%m-%d")
    day = date or days[-1]
    chosen = frame[days == day].sort_values("score", ascending=False, kind="stable").head(top)
    if chosen.empty:
        raise NotFound(f"There are no signals for {day}.", f"They reach from {days[0]} to {days[-1]}.")
    rows = [[str(index[1]), float(row)] for index, row in chosen["score"].items()]
    if as_json:
        answer = {"strategy": online.strategy, "version": online.version, "date": day}
        print_json({**answer, "signals": [{"instrument": name, "score": score} for name, score in rows]})
        return
    title = f"{online.strategy} version {online.version}, signals of {day}"
    print_table(title, ["instrument", "score"], [[name, f"{score:+.6f}"] for name, score in rows])


@signals_app.command("export")
def signals_export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="File to write: .parquet or .csv")],
    strategy: Annotated[str | None, typer.Option(help="Strategy [the only one]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write all signals of the current online set to a file."""
    from scheduler.signals import read_signals
    from tasks.errors import BadInput

    if path.suffix not in (".parquet", ".csv"):
        raise BadInput(f"{path} is neither .parquet nor .csv.", "Give a file name with one of these endings.")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent}.", "Make it, or write elsewhere.")
    with of(context).backend() as backend:
        online, source = _signals(backend, strategy)
        if path.suffix == ".csv":
            read_signals(source).to_csv(path)
        else:
            path.write_bytes(source.read_bytes())
    if as_json:
        print_json({"path": str(path), "strategy": online.strategy, "version": online.version, **online.signals})
        return
    say(f"{online.signals['rows']} signals of {online.strategy} version {online.version} are in {path}.")


def _signals(backend: Backend, strategy: str | None) -> tuple[OnlineSet, Path]:
    """The current set of a strategy and its signals file, checked."""
    from scheduler.online_sets import OnlineSets
    from tasks.errors import BadInput, NotFound
    from tasks.tracking.mlflow_experiment import MLflowExperiment

    sets = OnlineSets(backend.store)
    names = sets.strategies()
    if strategy is None and len(names) > 1:
        raise BadInput("There are several strategies.", f"Name one of {', '.join(names)}.")
    if strategy is None and not names:
        raise NotFound("Nothing is online yet.", "`rollq enqueue TEMPLATE` and `rollq worker` make it so.")
    online = sets.current(strategy or names[0])
    recorder = MLflowExperiment.open(online.pool, backend.settings.mlflow_uri).get_recorder(
        online.signals["recorder_id"]
    )
    return online, recorder.load_object(online.signals["artifact"])


def doctor(
    context: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what workers would mend by themselves")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Check this machine, the servers and the work; every failing line says how to mend it."""
    from rollq.doctor import run_checks

    checks = run_checks(of(context).settings(), repair)
    if as_json:
        print_json([check.to_dict() for check in checks])
    else:
        for check in checks:
            say(f"{'ok  ' if check.ok else 'FAIL'} {check.name:10} {check.detail}")
            if not check.ok:
                say(f"     {'':10} Fix: {check.fix}")
    if not all(check.ok for check in checks):
        raise typer.Exit(4)

"""Verbs on what the models that serve say: rollq signals show, export, history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.arguments import Limit, moment, newest, one_strategy
from rollq.cli.context import JSON, of, print_json, print_table, say
from rollq.cli.values import at_home

if TYPE_CHECKING:
    from rollq.signals import CurrentSignals

signals_app = typer.Typer(help="What the models that serve say.", no_args_is_help=True)
OfRound = Annotated[str | None, typer.Option("--round", help="Of this round of research: its id, or its name")]
Horizon = Annotated[str | None, typer.Option("--horizon", help="Of a label with several: this one [the first]")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="As they were published at this time (2026-11-24T15:00Z)")]


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.add_typer(signals_app, name="signals")
    signals_app.command("show")(show)
    signals_app.command("export")(export)
    signals_app.command("history")(history)


def show(
    context: typer.Context,
    strategy: Annotated[str | None, typer.Argument(help="Strategy [the only one]")] = None,
    date: Annotated[str | None, typer.Option(help="Session, or a time of it: 2024-03-31T14 [the last one]")] = None,
    top: Annotated[int, typer.Option(help="Instruments with the highest score")] = 10,
    horizon: Horizon = None,
    as_of: AsOf = None,
    of_round: OfRound = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show the signals of one session, best first; where it has several times, those of each."""
    from rollq.signals import best

    found = _signals(context, strategy, as_of, of_round, horizon)
    day, chosen = best(found.frame, date, top)
    names = [*(["time"] if "time" in chosen else []), "instrument", "score"]
    rows = list(chosen[names].itertuples(index=False, name=None))
    if as_json:
        answer = {**found.source, "date": day}
        print_json({**answer, "signals": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    title = f"{found.title}, signals of {day}"
    print_table(title, names, [[*keys, f"{score:+.6f}"] for *keys, score in rows])


def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(callback=at_home, help="File to write: .parquet or .csv")],
    strategy: Annotated[str | None, typer.Option(help="Strategy [the only one]")] = None,
    horizon: Horizon = None,
    as_of: AsOf = None,
    of_round: OfRound = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write all signals of a strategy to a file."""
    from rollq.scheduler.signals.files import file_sha256, summary, write_csv, write_signals
    from rollq.tasks.errors import BadInput

    if path.suffix not in (".parquet", ".csv"):
        raise BadInput(f"{path} is neither .parquet nor .csv.", "Give a file name with one of these endings.")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent}.", "Make it, or write elsewhere.")
    found = _signals(context, strategy, as_of, of_round, horizon)
    if path.suffix == ".csv":
        write_csv(found.frame, path)
    else:
        write_signals(found.frame, path)
    if as_json:
        shown = {"path": str(path), **found.source}
        print_json({**shown, **summary(found.frame), "sha256": file_sha256(path)})
        return
    say(f"{len(found.frame)} signals of {found.title} are in {path}.")


def history(
    context: typer.Context,
    strategy: Annotated[str | None, typer.Argument(help="Strategy [the only one]")] = None,
    limit: Limit = 30,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show what was published when, for which sessions, by which online sets; the newest last."""
    from rollq.scheduler.signals.ledger import SignalLedger

    with of(context).backend() as backend:
        name = one_strategy(backend, strategy)
        entries = SignalLedger(backend).entries(name)
    if as_json:
        print_json([entry.to_dict() for entry in entries])
        return
    if not entries:
        say(f"The routine has published nothing of {name} yet. `rollq signals show` shows those of its online set.")
        return
    rows = [
        [one.number, f"{one.at:%Y-%m-%d %H:%M:%S}", one.days[0], one.days[-1], len(one.days), one.rows,
         len(one.gaps) or "", ", ".join(map(str, one.versions[-3:])), one.why]
        for one in newest(entries, limit)
    ]  # fmt: skip
    names = ["number", "at (UTC)", "from", "to", "sessions", "rows", "holes", "versions", "why"]
    print_table(f"Published signals of {name}", names, rows)


def _signals(
    context: typer.Context, strategy: str | None, as_of: str | None, of_round: str | None, horizon: str | None
) -> CurrentSignals:
    """The signals that the options mean: of a round, or of a strategy, now or as they were at a time."""
    from rollq.signals import current_signals, round_signals
    from rollq.tasks.errors import BadInput

    if of_round and (strategy or as_of):
        raise BadInput("--round says whose signals are meant.", "Leave the strategy and --as-of out.")
    when = moment(as_of) if as_of else None
    if isinstance(when, str):
        raise BadInput(f"{as_of!r} is a date, not a time.", "Write 2026-11-24T15:00Z: the time of publication.")
    with of(context).backend() as backend:
        if of_round:
            return round_signals(backend, of_round).of_horizon(horizon)
        return current_signals(backend, one_strategy(backend, strategy), when).of_horizon(horizon)

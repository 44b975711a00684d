"""Verbs on research: rollq research list, show, compare, report, promote. `rollq enqueue --research` makes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.arguments import From, Last, Limit, To, newest
from rollq.cli.comparison import number, show_comparison
from rollq.cli.context import JSON, metrics_line, of, print_json, print_table, say
from rollq.cli.values import at_home, share

if TYPE_CHECKING:
    from rollq.scheduler.online.online_set import OnlineSet
    from rollq.tasks.backend import Backend
    from rollq.tasks.rounds.documents import Round

research_app = typer.Typer(
    help="Rounds that were trained to be looked at, and put nothing online.", no_args_is_help=True
)
OneRound = Annotated[str, typer.Argument(metavar="ROUND", help="Id of a round, or the newest of this name")]
MOST = 4  # metrics of the list; `show` has all


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.add_typer(research_app, name="research")
    for name, verb in (
        ("list", list_), ("show", show), ("compare", compare), ("report", report), ("promote", promote),
    ):  # fmt: skip
        research_app.command(name)(verb)


def list_(context: typer.Context, limit: Limit = 30, as_json: Annotated[bool, JSON] = False) -> None:
    """Show the rounds of research and how good they are; the newest last."""
    from rollq.scheduler.champions.research import research_rounds
    from rollq.tasks.predictions.directions import main_metrics, marked

    with of(context).backend() as backend:
        found = research_rounds(backend)
    if as_json:
        print_json([_plain(one) for one in found])
        return
    if not found:
        say("There is no research yet. `rollq enqueue TEMPLATE --research` makes some.")
        return
    rows, shown = [], newest(found, limit)
    tables = [(one.result or {}).get("metrics", {}) for one in shown]
    names = main_metrics(*tables)[:MOST]
    for one, metrics in zip(shown, tables, strict=True):
        sessions = one.purpose.sessions
        span = f"{sessions[0]} to {sessions[-1]}" if sessions else ""
        rows.append([_plain(one)["name"], one.id, str(one.status), len(one.task_ids), span,
                     *(number(metrics.get(name)) for name in names), one.reason])  # fmt: skip
    print_table("Research", ["name", "round", "status", "windows", "sessions", *map(marked, names), "reason"], rows)


def show(context: typer.Context, which: OneRound, as_json: Annotated[bool, JSON] = False) -> None:
    """Show what a round came to: its windows, metrics and signals."""
    from rollq.scheduler.champions.research import find_round

    with of(context).backend() as backend:
        found = find_round(backend, which)
        counts = {str(state): count for state, count in backend.tasks.stat(ids=found.task_ids).items() if count}
    if as_json:
        print_json({**_plain(found), "states": counts})
        return
    name, result = _plain(found)["name"], found.result or {}
    windows = ", ".join(f"{count} {state}" for state, count in counts.items())
    say(f"{name}, round {found.id}, pool {found.pool}: {found.status}; windows: {windows}")
    if found.reason:
        say(f"  {found.reason}")
    if metrics := result.get("metrics"):
        say(f"  {metrics_line(metrics, result.get('better'))}")
    if signals := result.get("signals"):
        say(f"  {signals['rows']} signals, {signals['start']} to {signals['end']}")
        say(f"  `rollq signals show --round {found.id}`, `rollq research report {found.id}`")


def compare(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="ROUND", help="Round that the others are compared with")],
    others: Annotated[list[str], typer.Argument(metavar="ROUND...", help="Ids or names of other rounds")],
    start: From = None,
    end: To = None,
    last: Last = None,
    confidence: Annotated[float, typer.Option(callback=share, help="Of the interval")] = 0.95,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Compare rounds with a reference on the sessions that both predict, with the reference's labels."""
    from rollq.days import day
    from rollq.scheduler.champions.research import compare_rounds, find_round
    from rollq.tasks.errors import BadInput

    first, final = day(start, "--from"), day(end, "--to")
    with of(context).backend() as backend:
        rounds = [find_round(backend, text) for text in (reference, *others)]
        if len({one.id for one in rounds}) < len(rounds):
            raise BadInput("A round is named twice.", "`rollq research list` shows the ids.")
        made = [
            compare_rounds(backend, rounds[0], one, start=first, end=final, last=last, confidence=confidence)
            for one in rounds[1:]
        ]
    if as_json:
        print_json([found.to_dict() for found in made])
        return
    for found in made:
        show_comparison(found)


def report(
    context: typer.Context,
    which: OneRound,
    out: Annotated[
        Path | None, typer.Option(callback=at_home, help="File: .html or .md [in the state folder, under runs/]")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write the page of a round: its windows, metrics, charts and signals."""
    from rollq.report.round_report import report_round
    from rollq.scheduler.champions.research import find_round
    from rollq.tasks.errors import BadInput

    if out is not None and out.suffix not in (".html", ".md"):
        raise BadInput(f"{out} is neither .html nor .md.", "Give --out a file name with one of these endings.")
    with of(context).backend() as backend:
        found = find_round(backend, which)
        folder = backend.settings.state_dir.resolve() / "runs" / f"{found.pool}-{found.id}"
        path = report_round(backend, found, out or folder / "report.html")
    if as_json:
        print_json({"round": found.id, "report": str(path)})
        return
    say(f"The report of round {found.id} is in {path}.")


def promote(context: typer.Context, which: OneRound, as_json: Annotated[bool, JSON] = False) -> None:
    """Let the models of a round of research serve, as a version of its strategy. Nothing is trained again."""
    from rollq.scheduler.champions.research import find_round

    with of(context).backend() as backend:
        online = _promoted(backend, find_round(backend, which))
    if as_json:
        print_json(online.to_dict())
        return
    say(f"{online.strategy}: version {online.version} serves from session {online.session} ({online.why}).")
    say(f"`rollq online show {online.strategy}`; `rollq online add TEMPLATE` keeps it up to date every day.")


def _promoted(backend: Backend, found: Round) -> OnlineSet:
    """Put a round of research online, as a round of its own over the same tasks, and gather it here."""
    from rollq.scheduler.champions.research import promote_round
    from rollq.scheduler.online.ledger import OnlineSets
    from rollq.scheduler.rounds.coordinator import gather
    from rollq.tasks.errors import StateError

    ident = promote_round(backend, found)
    gather(backend, ident, "research promote")  # a worker may have been faster
    online = OnlineSets(backend.store).of_round(ident)
    if online is None:
        made = backend.rounds.get(ident)
        raise StateError(
            f"Round {ident} is {made.status}, nothing is online of it yet. {made.reason}".strip(),
            "`rollq status` shows it; `rollq worker` goes on with it.",
        )
    return online


def _plain(found: Round) -> dict[str, object]:
    """JSON-able."""
    from rollq.scheduler.rounds.findings import name_of

    result = found.result or {}
    return {
        "name": name_of(found),
        "round": found.id,
        "pool": found.pool,
        "strategy": found.purpose.strategy,
        "status": str(found.status),
        "reason": found.reason,
        "windows": len(found.task_ids),
        "created_at": found.created_at.isoformat(),
        "metrics": result.get("metrics", {}),
        "better": result.get("better", {}),
        "signals": result.get("signals", {}),
        "gaps": result.get("gaps", []),
    }

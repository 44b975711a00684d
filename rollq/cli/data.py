"""The verb data check, and what other verbs say of odd sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import JSON, of, print_json, print_table, say
from rollq.cli.values import at_home

if TYPE_CHECKING:
    from rollq.scheduler.strategies.base import OnlineStrategy
    from rollq.tasks.components.dataset import Finding

data_app = typer.Typer(help="The data of a template.", no_args_is_help=True)
Accept = Annotated[
    list[str] | None,
    typer.Option("--accept", help="Take an odd session as it is: 2019-07-06, or 2019-07-06:jump; may be repeated"),
]
Step = Annotated[
    str | None, typer.Option("--step", help="From one window to the next: sessions, or 7d, 1M [the template's]")
]
Rtype = Annotated[str | None, typer.Option("--rtype", help="How train rolls: sliding, expanding [the template's]")]
SHOWN = 5  # sessions that other verbs name


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.add_typer(data_app, name="data")
    data_app.command("check")(check)


@data_app.callback()
def group() -> None:
    """The data of a template."""


def check(
    context: typer.Context,
    template: Annotated[Path, typer.Argument(callback=at_home, help="Task template (YAML)")],
    accept: Accept = None,
    step: Step = None,
    rtype: Rtype = None,
    limit: Annotated[int, typer.Option(min=0, help="Only so many that are only named; 0: all")] = 30,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show what is odd about the data of a template: what is left out (then it exits with 2), what is named."""
    from rollq.enqueueing import load_strategy

    strategy = load_strategy(template, of(context).settings(), None, accept or (), step, rtype)
    findings, sessions = strategy.findings(), strategy.sessions()
    out = sorted({one.session for one in findings if one.left_out})
    if as_json:
        print_json(_as_json(findings, sessions, out))
    else:
        _show(findings, sessions, out, limit)
    if out:
        raise typer.Exit(2)


def say_odd(strategy: OnlineStrategy) -> None:
    """Say on standard error what is odd about the data of a strategy, if something is."""
    findings = strategy.findings()
    out = [one for one in findings if one.left_out]
    for one in out[:SHOWN]:
        typer.echo(f"Left out, as if it were not there: {one}", err=True)
    if len(out) > SHOWN:
        typer.echo(f"... and {len(out) - SHOWN} more.", err=True)
    if out:
        typer.echo("  Fix: repair the data, or take a session as it is: --accept SESSION.", err=True)
    named = sum(not one.left_out and not one.accepted for one in findings)
    if out or named:
        typer.echo(f"`rollq data check TEMPLATE` shows all that is odd ({len(out)} left out, {named} named).", err=True)


def _as_json(findings: Sequence[Finding], sessions: Sequence[str], out: list[str]) -> dict[str, object]:
    return {
        "sessions": len(sessions),
        "first": sessions[0],
        "last": sessions[-1],
        "left_out": out,
        "counts": dict(sorted(Counter(one.check for one in findings).items())),
        "findings": [vars(one) for one in findings],
    }


def _show(findings: Sequence[Finding], sessions: Sequence[str], out: list[str], limit: int) -> None:
    """Findings for a person: first the sessions that are left out, all of them, then the newest of those that are only
    named.
    """
    say(f"{len(sessions)} sessions can be used, {sessions[0]} to {sessions[-1]}.")
    if not findings:
        say("Nothing is odd about them.")
        return
    lost = [one for one in findings if one.left_out]
    named = [one for one in findings if not one.left_out]
    if lost:
        _table(f"{len(out)} sessions are left out, as if they were not there", lost)
        say("They come back when the data are repaired, or when they are accepted: --accept SESSION.")
    if named:
        shown = named[-limit:] if limit else named
        newest = f", the newest {len(shown)}" if len(shown) < len(named) else ""
        _table(f"{len(named)} findings are only named{newest}", shown)


def _table(title: str, findings: Sequence[Finding]) -> None:
    rows = [[one.session, one.check, one.what + (" (accepted)" if one.accepted else "")] for one in findings]
    print_table(title, ["session", "check", "what is odd"], rows)

"""Verbs that say who shall serve: rollq online rollback, promote, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.arguments import From, Last, Strategy, To, me, one_strategy
from rollq.cli.comparison import show_comparison
from rollq.cli.context import JSON, of, print_json, say
from rollq.cli.values import share

if TYPE_CHECKING:
    from rollq.scheduler.online.online_set import OnlineSet
    from rollq.tasks.backend import Backend


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(rollback)
    app.command()(promote)
    app.command()(compare)


def rollback(
    context: typer.Context,
    strategy: Strategy = None,
    to: Annotated[int | None, typer.Option(help="Version [the one before]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Let an earlier online set serve again, as a new entry of the ledger."""
    from rollq.scheduler.champions import promotion as champions
    from rollq.scheduler.signals.ledger import SignalLedger

    with of(context).backend() as backend:
        found = champions.rollback(backend, one_strategy(backend, strategy), me(), to)
        published = SignalLedger(backend).last_day(found.strategy)
    _told(found, published, as_json)


def promote(
    context: typer.Context,
    challenger: Annotated[str, typer.Argument(help="Challenger")],
    strategy: Strategy = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Make a challenger champion, as a new entry of the ledger: it serves from the next session on."""
    from rollq.scheduler.champions.promotion import promote as make_champion
    from rollq.scheduler.signals.ledger import SignalLedger

    with of(context).backend() as backend:
        found = make_champion(backend, one_strategy(backend, strategy), challenger, me())
        published = SignalLedger(backend).last_day(found.strategy)
    _told(found, published, as_json)


def compare(
    context: typer.Context,
    challenger: Annotated[str, typer.Argument(metavar="VARIANT", help="Challenger, or any other variant")],
    other: Annotated[
        str | None,
        typer.Argument(metavar="OTHER", help="Variant to compare it with [what serves]", show_default=False),
    ] = None,
    strategy: Strategy = None,
    champion: Annotated[str | None, typer.Option(help="The same as OTHER")] = None,
    start: From = None,
    end: To = None,
    last: Last = None,
    confidence: Annotated[float, typer.Option(callback=share, help="Of the interval")] = 0.95,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Compare two variants, on the sessions that both have predicted and whose labels are known.

    `compare ridge`, `compare ridge NAME`: with what serves; `compare ridge lgb15 NAME`: two challengers.
    """
    from rollq.days import day
    from rollq.scheduler.champions.promotion import compare_variants
    from rollq.scheduler.strategies.registry import StrategyRegistry
    from rollq.tasks.errors import BadInput

    with of(context).backend() as backend:
        registry = StrategyRegistry(backend)
        others = [name for name in (other, champion) if name and name != strategy]
        # `compare ridge NAME`: one word after the variant may be another variant or the strategy; strategies win,
        # because variants are named within one.
        if strategy is None and other is not None and other in _known_strategies(backend):
            strategy, others = other, [champion] if champion else []
        if len(others) > 1:
            raise BadInput("Three variants are named.", "Name two, and the strategy: `rollq online compare A B NAME`.")
        kept = registry.strategy(registry.get(one_strategy(backend, strategy)))
        found = compare_variants(
            backend,
            kept,
            challenger,
            others[0] if others else None,
            start=day(start, "--from"),
            end=day(end, "--to"),
            last=last,
            confidence=confidence,
        )
    if as_json:
        print_json(found.to_dict())
        return
    show_comparison(found)


def _known_strategies(backend: Backend) -> set[str]:
    from rollq.scheduler.online.ledger import OnlineSets
    from rollq.scheduler.strategies.registry import StrategyRegistry

    return {*OnlineSets(backend.store).strategies(), *(one.name for one in StrategyRegistry(backend).all())}


def _told(found: OnlineSet, published: str, as_json: bool) -> None:
    """From when on a set that was put online by hand serves. ``published``: the last session of published signals."""
    if as_json:
        print_json({**found.to_dict(), "published": published or None})
        return
    if not published:
        spans = found.signals
        signals = f": its signals are those of {spans.start} to {spans.end}" if spans else ""
        since = f"now{signals}"
    elif found.session > published:
        since = f"from the first session after {max(published, _day_before(found.session))} on"
    else:
        since = f"from session {found.session} on"
    say(f"{found.strategy}: version {found.version} serves {since} ({found.why}).")
    if published:
        say(f"What was published up to {published} stays as it is.")


def _day_before(session: str) -> str:
    from datetime import date, timedelta

    return f"{date.fromisoformat(session) - timedelta(days=1)}"

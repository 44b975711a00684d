"""Arguments and options that several verbs share, and what is meant by them: a strategy, a date, a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rollq.cli.context import say

if TYPE_CHECKING:
    from datetime import datetime

    from rollq.scheduler.failures import Failure
    from rollq.tasks.backend import Backend

T = TypeVar("T")
Limit = Annotated[int, typer.Option(min=0, help="Only so many, the newest; 0: all. JSON has all")]
From = Annotated[str | None, typer.Option("--from", help="First session")]
To = Annotated[str | None, typer.Option("--to", help="Last session")]
Last = Annotated[int | None, typer.Option(min=1, help="Only so many sessions, the newest")]
Strategy = Annotated[str | None, typer.Argument(help="Strategy [the only one]")]


def one_strategy(backend: Backend, strategy: str | None) -> str:
    """The strategy that is meant: the one that is named, or the only one.

    Raises:
        BadInput: there are several.
        NotFound: there is none.
    """
    from rollq.scheduler.online.ledger import OnlineSets
    from rollq.scheduler.strategies.registry import StrategyRegistry
    from rollq.tasks.errors import BadInput, NotFound

    if strategy is not None:
        return strategy
    known = {*OnlineSets(backend.store).strategies(), *(one.name for one in StrategyRegistry(backend).all())}
    names = sorted(known - simulated(backend) or known)  # beside simulations the live one is meant
    if len(names) > 1:
        raise BadInput("There are several strategies.", f"Name one of {', '.join(names)}.")
    if not names:
        raise NotFound("Nothing is online yet.", "`rollq enqueue TEMPLATE` and `rollq worker` make it so.")
    return names[0]


def newest(rows: Sequence[T], limit: int) -> Sequence[T]:
    """The last of ``rows``; says how many are left out."""
    if not limit or len(rows) <= limit:
        return rows
    say(f"({len(rows) - limit} earlier ones: --limit 0 shows all)")
    return rows[-limit:]


def simulated(backend: Backend) -> set[str]:
    """The strategies of simulations."""
    from rollq.scheduler.online.ledger import OnlineSets
    from rollq.tasks.rounds.purpose import SIMULATION

    return {online.strategy for online in OnlineSets(backend.store).currents() if online.mode == SIMULATION}


def moment(text: str) -> str | datetime:
    """A session (its text) or a time (UTC) as it was typed.

    Raises:
        BadInput: it is neither.
    """
    from datetime import UTC, date, datetime

    from rollq.tasks.errors import BadInput

    try:
        if len(text) == len("2018-09-24"):
            return date.fromisoformat(text).isoformat()
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no date and no time.", "Write 2018-09-24 or 2026-11-24T15:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def say_failures(found: Sequence[Failure]) -> None:
    """What has failed, and what helps."""
    for one in found:
        say(f"FAILED {one}")
        say(f"  Fix: {one.fix}")


def me() -> str:
    """Who does something by hand, for the ledgers."""
    from getpass import getuser
    from socket import gethostname

    return f"{getuser()}@{gethostname()}"

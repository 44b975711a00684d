"""How a strategy comes to be kept online: it is registered, with the sessions that its routine begins with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.routine.ledger import Routines, round_id
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.registry import RegisteredStrategy, StrategyRegistry, new_plan
from rollq.tasks.backend import Backend
from rollq.tasks.errors import StateError
from rollq.tasks.rounds.purpose import Serve


def register_strategy(
    backend: Backend,
    strategy: OnlineStrategy,
    by: str,
    *,
    begin: str | None = None,
    delayed: bool = True,
    replace: bool = False,
    accept: Sequence[str] = (),
    published_from: str = "",
) -> RegisteredStrategy:
    """Write a strategy into the registry; its template says what is not given. Raises as ``StrategyRegistry.add``.

    One that replaces another, or comes back, plans the sessions that are not DONE anew: what the other one began for
    them does not bind it.

    Args:
        accept: odd sessions of its data that are taken as they are.
        published_from: signals of earlier sessions are not published.
    """
    options = getattr(getattr(strategy, "template", None), "online", None)
    for ledger in (Routines(backend), SignalLedger(backend), Predictions(backend), OnlineSets(backend.store)):
        ledger.ensure_indexes()
    if begin and not replace and (known := StrategyRegistry(backend).find(strategy.name)) and known.begin != begin:
        raise StateError(
            f"{strategy.name!r} is online already, from {known.begin}.",
            "Leave the begin out, replace it (`rollq online add --replace`), or forget what it did "
            "(OnlineManager.load(NAME).reset()).",
        )
    timezone = options.timezone if options else "UTC"
    first = begin or (options.begin if options else None) or _last_session(strategy, timezone)
    registry = StrategyRegistry(backend)
    before, kept = registry.traces(strategy.name)
    # Also without `replace`: a strategy that was removed and comes back must not go on with what its predecessor began.
    anew = replace or (before is None and _has_past(backend, strategy))
    entry = RegisteredStrategy(
        name=strategy.name,
        kind=type(strategy).__name__,
        config=strategy.to_config(),
        pool=getattr(strategy, "pool", None) or strategy.name,
        delayed=delayed,
        begin=first,
        at=options.at if options else None,
        timezone=timezone,
        added_at=backend.store.now(),
        by=by,
        published_from=published_from,
        plan=new_plan() if anew else "",
    )
    registered = registry.add(entry, replace=replace)
    if anew:
        _plan_anew(backend, strategy.name, before)
    return registry.accept(strategy.name, [*kept, *accept]) if kept or accept else registered


def _last_session(strategy: OnlineStrategy, timezone: str) -> str:
    """The last session of the data that has begun: sessions ahead of it are done with it."""
    sessions = strategy.sessions()
    if not strategy.looks_ahead:
        return sessions[-1]
    today = f"{datetime.now(ZoneInfo(timezone)):%Y-%m-%d}"
    return max((day for day in sessions if day <= today), default=sessions[-1])


def _has_past(backend: Backend, strategy: OnlineStrategy) -> bool:
    """Whether a predecessor of this name began something: a session, or a round, which stays when it is reset."""
    pool = getattr(strategy, "pool", None) or strategy.name
    rounds = (
        one.purpose for one in backend.rounds.find(pool) if isinstance(one.purpose, Serve) and one.purpose.session
    )
    return bool(Routines(backend).begun(strategy.name)) or any(one.strategy == strategy.name for one in rounds)


def _plan_anew(backend: Backend, name: str, plan: str | None) -> None:
    """What was begun for sessions that are not DONE comes to nothing: no round of it puts models online."""
    begun = Routines(backend).plan_anew(name)
    rounds = {one.steps.prepare.round for one in begun if one.steps.prepare}
    rounds |= {round_id(name, one.session, plan or "") for one in begun}
    backend.rounds.give_up(sorted(rounds - {""}), "its strategy was replaced, and the session is planned anew")

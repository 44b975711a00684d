"""Publishing signals under the coverage contract: every session and instrument exactly once, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.online.serving import Served, served
from rollq.scheduler.signals.coverage import holes_in, is_scored, shown
from rollq.scheduler.signals.ledger import Publication, SignalEntry, SignalLedger
from rollq.scheduler.signals.members import SCORE, Member, joined_members
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.own_days import on_own_days
from rollq.tasks.backend import Backend
from rollq.tasks.errors import CoverageError, DataError, StateError
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.predictions.session_days import session_days

Holes = list[str]


def publish_signals(
    backend: Backend,
    strategy: OnlineStrategy,
    session: str,
    by: str,
    *,
    days: Sequence[str] | None = None,
    again: Sequence[str] = (),
    since: str = "",
    allow_gaps: bool = False,
    why: str = "routine",
    check: Check = no_lease,
) -> SignalEntry | None:
    """Publish what the online models say about the sessions up to ``session`` that were not published yet.

    Args:
        days: publish these sessions instead (again).
        again: publish these sessions again beside them.
        since: leave out the sessions before this one.
        allow_gaps: publish in spite of holes; they are written down in the entry.
        check: called before each write; raises LeaseLost if the caller's routine is not held any more.

    Returns:
        The entry; None if there is nothing to publish.

    Raises:
        StateError: nothing is online.
        CoverageError: a session or a row of one is not covered; the message names holes. Nothing is published.
    """
    ledger = SignalLedger(backend)
    ledger.ensure_indexes()
    while True:
        # Read before everything else: whatever is published after this line takes the number, so this call begins
        # again.
        number = len(ledger.entries(strategy.name)) + 1
        wanted = list(days) if days is not None else unpublished(backend, strategy, session, since)
        wanted = sorted({*wanted, *again}) if again else wanted
        if not wanted:
            return None
        parts = served(OnlineSets(backend.store).history(strategy.name), wanted)
        signals, holes = covered(backend, strategy, parts, wanted)
        if holes and not (allow_gaps and parts):
            raise CoverageError(
                f"{len(holes)} holes, so the signals of {strategy.name!r} are not published: {shown(holes, 10)}.",
                "Repair the data or the tasks and run the routine again; --allow-gaps publishes all the same.",
            )
        publication = Publication(
            strategy=strategy.name,
            number=number,
            session=session,
            days=tuple(sorted(set(wanted) - set(holes))),
            gaps=tuple(holes),
            versions=tuple(sorted({part.version for part in parts})),
            pool=parts[0].pool,
            by=by,
            why=why,
            ahead=strategy.looks_ahead,
        )
        if entry := ledger.publish(publication, signals, check):
            return entry


def unpublished(backend: Backend, strategy: OnlineStrategy, session: str, since: str = "") -> list[str]:
    """The sessions from ``since`` to ``session`` that online models serve and that were not published yet.

    Raises:
        StateError: nothing is online.
    """
    history = OnlineSets(backend.store).history(strategy.name)
    if not history:
        raise StateError(f"Nothing of {strategy.name!r} is online.", "Train it first: `rollq routine run`.")
    first = max(since, min(model.test[0] for model in history[0].models))
    published = SignalLedger(backend).published(strategy.name)
    return [day for day in strategy.sessions() if first <= day <= session and day not in published]


def covered(
    backend: Backend, strategy: OnlineStrategy, parts: Sequence[Served], wanted: Sequence[str]
) -> tuple[pd.DataFrame, Holes]:
    """The scores of the models that serve, and what is missing of them, as ``YYYY-MM-DD`` or ``YYYY-MM-DD instrument``.

    Models that serve together are joined (``joined_members``); each of them must have its part of every session. What
    must be there is what the strategy's data has now, whatever the workers had.
    """
    predictions = Predictions(backend)
    frames: dict[Member, list[pd.DataFrame]] = {}
    holes = dict.fromkeys(sorted(set(wanted) - {day for part in parts for day in part.days}))
    own = on_own_days(strategy, parts)
    indexes = _expected(strategy, own)
    for part in own:
        frame = predictions.read(part.pool, part.model, part.days, scores_only=True).pred
        expected = _on_days(indexes[part.name], part.days)
        if frame.index.has_duplicates:
            raise CoverageError(f"Model {part.model.recorder_id} predicts an instrument twice at one time.")
        holes |= dict.fromkeys(holes_in(frame, expected))  # two models may have the same one
        # Instruments that the data has no more are left out; they are no holes.
        scored = frame[is_scored(frame) & frame.index.isin(expected)]
        frames.setdefault(Member(part.model.member, part.model.role), []).append(scored)
    joined = {member: pd.concat(found).sort_index() for member, found in frames.items()}
    return joined_members(joined) if joined else pd.DataFrame({SCORE: []}), list(holes)


def _expected(strategy: OnlineStrategy, parts: Sequence[Served]) -> dict[str, pd.MultiIndex]:
    """The rows that the data has, by model, from the first to the last day of its parts: read once, not per part."""
    found = {}
    for name in {part.name for part in parts}:
        days = [day for part in parts if part.name == name for day in part.days]
        dataset = strategy.dataset_of(name).config(segments={"test": [min(days), max(days)]})
        try:
            found[name] = dataset.prepare("test", "raw").index
        except DataError:
            found[name] = pd.MultiIndex.from_arrays([pd.DatetimeIndex([]), []], names=["datetime", "instrument"])
    return found


def _on_days(index: pd.MultiIndex, days: Sequence[str]) -> pd.MultiIndex:
    """The rows of an index, sorted by time, that are of the sessions ``days``."""
    sessions = session_days(index)
    first, last = sessions.searchsorted(pd.Timestamp(days[0])), sessions.searchsorted(pd.Timestamp(days[-1]), "right")
    return index[first:last][sessions[first:last].isin(pd.DatetimeIndex(days))]

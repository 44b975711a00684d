"""Champion and challengers of a strategy: compared on the sessions that both predicted, promoted by hand or by rule."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Unpack

import pandas as pd

from rollq.scheduler.champions.bootstrap import Interval
from rollq.scheduler.champions.comparison import CompareOptions, Comparison, Side, compare
from rollq.scheduler.champions.measures import Measures
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.mlflow_sync import sync
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.online.serving import served
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.signals.members import SCORE, Member, joined_members
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.tasks.backend import Backend
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.definition import TEST, TRAIN
from rollq.tasks.errors import BadInput, CoverageError, NotFound, TemplateError
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.predictions.directions import LOWER
from rollq.tasks.rolling.online_options import PromotionRule

log = logging.getLogger(__name__)


def compare_variants(
    backend: Backend,
    strategy: OnlineStrategy,
    challenger: str,
    champion: str | None = None,
    *,
    start: str | None = None,
    end: str | None = None,
    last: int | None = None,
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Compare two variants of a strategy on the sessions whose labels were known by ``end``.

    Args:
        champion: None: what serves now.
        start, end: sessions (``YYYY-MM-DD``); None: the first one, the last one of the data.
        last: only so many sessions, the newest.
        options: as for ``compare``.

    Raises:
        NotFound: nothing is online, or there is no such variant.
        CoverageError: they have too few sessions in common.
    """
    sets = OnlineSets(backend.store)
    champion = champion or sets.current(strategy.name).champion
    history = sets.history(strategy.name)
    if champion == challenger:
        known = _variants(history) - {challenger}
        raise BadInput(
            f"{challenger!r} cannot be compared with itself.",
            f"Name another variant: {', '.join(sorted(known)) or 'there is none yet'}.",
        )
    for name in (champion, challenger):
        _check_known(history, name)
    dataset = _dataset_of(strategy, champion)
    # A label that becomes known after `end` would let the comparison see the future. What is predicted ahead has its
    # label so much later.
    days = _scorable(strategy.sessions(), dataset.label_lookahead + strategy.sessions_ahead, end)
    days = [day for day in days if start is None or day >= start]
    days = days[-last:] if last else days
    # As the ledger says who predicted on each day, not as one model would have done on all of them.
    first, second = (_side(backend, history, name, days) for name in (champion, challenger))
    there = segment_of(dataset, days[0], days[-1])
    options.setdefault("measures", _measures(backend, strategy, champion, there))
    label = there.prepare(TEST, "raw")
    return compare(first, second, label, lookahead=max(1, dataset.label_lookahead), **options)


def by_rule(
    backend: Backend,
    strategy: OnlineStrategy,
    current: OnlineSet,
    session: str,
    by: str,
    check: Check = no_lease,
) -> OnlineSet | None:
    """Promote the challenger that beats the champion by the rule of the strategy, if there is a rule and one does.

    Only sessions whose labels were known on ``session`` are looked at.

    Args:
        check: called right before the write; raises LeaseLost if the caller's routine is not held any more.

    Returns:
        The new online set; None if nothing was promoted.
    """
    rule = strategy.promotion_rule
    if rule is None:
        return None
    found = {name: _against(backend, strategy, name, rule, session) for name in sorted(current.challengers)}
    better = {name: advantage for name, advantage in found.items() if advantage and advantage.low > 0}
    if not better:
        return None
    # The rule asks whether a challenger is better at all; among those that are, the largest mean wins.
    best = max(better, key=lambda name: better[name].mean)
    why = (
        f"rule: {rule.name} of {best} was better by {better[best].mean:.4f} over {better[best].sessions} "
        f"sessions, at least {better[best].low:.4f} with {rule.confidence:.0%} confidence"
    )
    return OnlineSets(backend.store).promote(strategy.name, by, best, session, why, check)


def promote(backend: Backend, strategy: str, challenger: str, by: str) -> OnlineSet:
    """Make a challenger champion, for the sessions that are not published yet. Raises as ``OnlineSets.promote``."""
    promoted = OnlineSets(backend.store).promote(strategy, by, challenger, next_session(backend, strategy))
    sync(backend, promoted)
    return promoted


def rollback(backend: Backend, strategy: str, by: str, to: int | None = None) -> OnlineSet:
    """Roll back to an earlier set, for the sessions that are not published yet. Raises as ``OnlineSets.rollback``."""
    back = OnlineSets(backend.store).rollback(strategy, by, next_session(backend, strategy), to)
    sync(backend, back)
    return back


def next_session(backend: Backend, strategy: str) -> str:
    """The day after the last session that was published: what was published is not touched."""
    last = SignalLedger(backend).last_day(strategy)
    return f"{date.fromisoformat(last) + timedelta(days=1)}" if last else ""


def _against(
    backend: Backend, strategy: OnlineStrategy, name: str, rule: PromotionRule, session: str
) -> Interval | None:
    """The interval of a challenger's advantage; None while there are too few sessions."""
    try:
        found = compare_variants(backend, strategy, name, end=session, last=rule.sessions, confidence=rule.confidence)
    except (CoverageError, NotFound):  # NotFound: of the sessions whose labels are known, none was predicted yet
        return None
    interval = found.difference.get(rule.name)
    if interval is None:
        why = "; ".join(f"{name}: {text}" for name, text in found.left_out.items()) or "no record measures it"
        log.warning("%s of %s cannot be compared by session (%s)", rule.name, name, why)
        return None
    if found.better.get(rule.name) == LOWER:  # an advantage is what is positive
        interval = replace(interval, mean=-interval.mean, low=-interval.high, high=-interval.low)
    return interval if interval.sessions >= rule.sessions else None


def segment_of(dataset: Dataset, start: str, end: str) -> Dataset:
    """A dataset whose test segment is what is compared; with its train segment, by which errors are scaled."""
    train = {TRAIN: dataset.segments[TRAIN]} if TRAIN in dataset.segments else {}
    return dataset.config(segments={**train, TEST: [start, end]})


def _measures(backend: Backend, strategy: OnlineStrategy, champion: str, dataset: Dataset) -> Measures:
    """The records of the champion, which measure both sides."""
    return Measures(strategy.records_of(champion), lambda: dataset, backend.settings.components)


def _scorable(sessions: Sequence[str], lookahead: int, end: str | None) -> list[str]:
    """The sessions whose labels are known at the end of ``end``."""
    known = [day for day in sessions if end is None or day <= end]
    days = known[: len(known) - lookahead] if lookahead else known
    if not days:
        raise CoverageError(f"No label is known by {end}.", "Compare later.")
    return days


def _side(backend: Backend, history: Sequence[OnlineSet], variant: str, days: Sequence[str]) -> Side:
    """What a variant predicted on some days; where its models serve together, their average."""
    parts = [part for part in served(history, days, challengers=True) if part.variant == variant]
    if not parts:
        others = ", ".join(sorted(_variants(history) - {variant})) or "none yet"
        raise NotFound(f"{variant!r} has predicted none of these sessions.", f"Other variants: {others}.")
    predictions = Predictions(backend)
    frames: dict[Member, list[pd.DataFrame]] = {}
    for part in parts:
        read = predictions.read(part.pool, part.model, part.days, scores_only=True).pred
        frames.setdefault(Member(part.model.member, part.model.role), []).append(read)
    joined = joined_members({member: pd.concat(found).sort_index() for member, found in frames.items()})
    return Side(variant, joined[[SCORE]])


def _variants(history: Sequence[OnlineSet]) -> set[str]:
    return {name for online in history for name in (online.champion, *online.challengers)}


def _check_known(history: Sequence[OnlineSet], name: str) -> None:
    known = _variants(history)
    if name not in known:
        fix = f"The variants are {', '.join(sorted(known))}."
        raise NotFound(f"There is neither a variant nor a strategy {name!r}.", fix)


def _dataset_of(strategy: OnlineStrategy, variant: str) -> Dataset:
    """The dataset of a variant; of the template's own model, if the template has lost the variant since."""
    try:
        return strategy.dataset_of(variant)
    except TemplateError:
        return strategy.dataset_of()

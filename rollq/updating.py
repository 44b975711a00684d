"""Updating predictions from the command line: days that came since, days that were revised, labels learned since."""

from __future__ import annotations

from enum import StrEnum
from typing import TypedDict

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import ADDED, LABELS
from rollq.scheduler.online.serving import served
from rollq.scheduler.rounds.trainers import Trainer, trainer_for
from rollq.scheduler.signals import publication as publishing
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.own_days import on_own_days
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.scheduler.updates import prediction_tasks as updates
from rollq.scheduler.updates import revisions
from rollq.tasks.backend import Backend


class What(StrEnum):
    """What is updated: days that models lack, days whose data were revised since, labels that became known since."""

    MISSING = "missing"
    REVISED = "revised"
    LABELS = "labels"


class Updated(TypedDict):
    """What was predicted, by how many tasks, which sessions' signals were published again, and the days by run."""

    model_days: int
    tasks: int
    sessions: list[str]
    days: dict[str, list[str]]


def update_predictions(
    backend: Backend,
    name: str,
    make: type[Trainer] | None,
    by: str,
    what: What = What.MISSING,
    *,
    start: str | None = None,
    end: str | None = None,
    dry_run: bool = False,
    allow_gaps: bool = False,
    timeout: float | None = None,
) -> Updated:
    """Update the predictions, or the labels, of the models of a strategy that is kept online.

    Args:
        make: makes the trainer that runs prediction tasks; None: workers run them.
        what: of what was revised, signals are published again, too.
        start, end: look at these sessions only (``YYYY-MM-DD``).
        dry_run: find the days, predict nothing.

    Raises:
        NotFound: no such strategy is kept online.
        RoundFailed, CoverageError, StateError: as for the routine.
    """
    registry = StrategyRegistry(backend)
    registered = registry.get(name)
    strategy = registry.strategy(registered)
    # Without `make` the trainer only enqueues, and workers do the rest.
    trainer = trainer_for(make or Trainer, backend, registered.pool)
    found = _find(backend, strategy, what, start, end)
    answer: Updated = {
        "model_days": sum(len(update.days) for update in found),
        "tasks": len(found),
        "sessions": [],
        "days": {update.model.recorder_id: list(update.days) for update in found},
    }
    if dry_run:
        return answer
    if what is What.REVISED:
        done = revisions.revise(backend, strategy, trainer, by, start, end, timeout, allow_gaps=allow_gaps)
        return {**answer, "sessions": list(done.sessions)}
    updates.predict(backend, strategy, trainer, found, timeout, LABELS if what is What.LABELS else ADDED)
    return answer


def _find(
    backend: Backend, strategy: OnlineStrategy, what: What, start: str | None, end: str | None
) -> list[updates.Update]:
    """The days to predict, by model."""
    if what is What.REVISED:
        return revisions.find_revised(backend, strategy, start, end)
    history = OnlineSets(backend.store).history(strategy.name)
    last = end or strategy.sessions()[-1]
    # Labels of sessions that were published long ago become known, too; predictions are lacking only of unpublished
    # ones.
    days = strategy.sessions() if what is What.LABELS else publishing.unpublished(backend, strategy, last)
    parts = served(history, [day for day in days if (start or "") <= day <= last], challengers=True)
    serving = on_own_days(strategy, parts)
    if what is What.LABELS:
        return updates.unlabelled(backend, strategy, serving)
    return updates.missing(backend, serving, SignalLedger(backend).last_day(strategy.name))

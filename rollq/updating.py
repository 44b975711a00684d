"""Updating predictions from the command line: days that came since, or days whose data were revised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scheduler import publishing, revisions, updates
from scheduler.online_sets import OnlineSets
from scheduler.serving import served
from scheduler.strategy_book import StrategyBook
from scheduler.trainers import Trainer
from tasks.backend import Backend


def update_predictions(
    backend: Backend,
    name: str,
    make: Callable[[Backend, str], Trainer] | None,
    by: str,
    *,
    revised: bool,
    start: str | None = None,
    end: str | None = None,
    dry_run: bool = False,
    allow_gaps: bool = False,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Predict what is missing, or what was revised, of a strategy that is kept online.

    Args:
        make: makes the trainer that runs prediction tasks; None: workers run them.
        revised: the days whose data were revised since; their signals are published again.
        start, end: look at these sessions only (``YYYY-MM-DD``).
        dry_run: find them, predict nothing.

    Returns:
        ``{model_days, tasks, sessions, days}``: what was predicted, by how many tasks, which sessions' signals were
        published again, and the days by model's run.

    Raises:
        NotFound: no such strategy is kept online.
        RoundFailed, CoverageError, StateError: as for the routine.
    """
    book = StrategyBook(backend)
    booked = book.get(name)
    strategy = book.strategy(booked)
    trainer = (make or Trainer)(backend, booked.pool)
    if revised:
        found = revisions.find_revised(backend, strategy, start, end)
    else:
        last = end or strategy.sessions()[-1]
        days = [day for day in publishing.unpublished(backend, strategy, last) if start is None or day >= start]
        history = OnlineSets(backend.store).history(name)
        found = updates.missing(backend, served(history, days, challengers=True))
    answer: dict[str, Any] = {
        "model_days": sum(len(update.days) for update in found),
        "tasks": len(found),
        "sessions": [],
        "days": {update.model.recorder_id: list(update.days) for update in found},
    }
    if dry_run:
        return answer
    if revised:
        done = revisions.revise(backend, strategy, trainer, by, start, end, timeout, allow_gaps=allow_gaps)
        return {**answer, "sessions": list(done.sessions)}
    updates.predict(backend, strategy, trainer, found, timeout)
    return answer

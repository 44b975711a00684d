"""Late revisions: days whose data are others than those they were predicted from, found by the hash of each day."""

from __future__ import annotations

from dataclasses import dataclass

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import REVISED, Predictions
from rollq.scheduler.online.serving import Served, served
from rollq.scheduler.online.trained import trained_definition
from rollq.scheduler.rounds.trainers import Trainer
from rollq.scheduler.signals.ledger import SignalEntry, SignalLedger
from rollq.scheduler.signals.publication import publish_signals
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.updates.prediction_tasks import Update, predict
from rollq.tasks.backend import Backend
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.errors import DataError
from rollq.tasks.predictions.day_hashes import changed_days, day_hashes
from rollq.tasks.predictions.fitted_dataset import fitted_dataset
from rollq.tasks.tracking.mlflow.experiment import find_run

GONE = "gone"  # in place of a hash: the data have the day no more


@dataclass(frozen=True)
class Revised:
    """What was predicted again: how many model-days by how many tasks; the sessions whose signals were published."""

    model_days: int
    tasks: int
    sessions: tuple[str, ...]
    entry: SignalEntry | None

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {**vars(self), "entry": self.entry.to_dict() if self.entry else None}


def revise(
    backend: Backend,
    strategy: OnlineStrategy,
    trainer: Trainer,
    by: str,
    start: str | None = None,
    end: str | None = None,
    timeout: float | None = None,
    *,
    allow_gaps: bool = False,
) -> Revised:
    """Predict the days again whose data were revised, just those, and publish their signals again.

    What was published before stays readable as of its date.

    Args:
        start, end: look at these sessions only (``YYYY-MM-DD``).
        timeout: seconds to wait for the predictions.

    Raises:
        DataError: the data cannot be read.
        RoundFailed: a prediction failed.
        CoverageError: the signals would have holes.
        StateError: the time is over.
    """
    found = find_revised(backend, strategy, start, end)
    tasks = predict(backend, strategy, trainer, found, timeout, REVISED)
    days = sorted({day for update in found for day in update.days})
    # Challengers are predicted again, too, but only what serves is published.
    champions = served(OnlineSets(backend.store).history(strategy.name), days)
    changed = {(update.model.recorder_id, day) for update in found for day in update.days}
    again = tuple(sorted({day for one in champions for day in one.days if (one.model.recorder_id, day) in changed}))
    entry = None
    if again:
        entry = publish_signals(backend, strategy, again[-1], by, days=again, allow_gaps=allow_gaps, why="revised data")
    return Revised(len(changed), tasks, again, entry)


def find_revised(
    backend: Backend, strategy: OnlineStrategy, start: str | None = None, end: str | None = None
) -> list[Update]:
    """The days that were published and whose data were revised since, by the model that served on them.

    Args:
        start, end: look at these sessions only (``YYYY-MM-DD``).

    Raises:
        DataError: the data cannot be read.
    """
    published = {day for entry in SignalLedger(backend).entries(strategy.name) for day in entry.days}
    days = sorted(day for day in published if (start is None or day >= start) and (end is None or day <= end))
    parts = served(OnlineSets(backend.store).history(strategy.name), days, challengers=True)
    return [update for part in parts if (update := _revised(backend, strategy, part))]


def _revised(backend: Backend, strategy: OnlineStrategy, part: Served) -> Update | None:
    """The days whose data are others than what a model predicted them from; None if there are none."""
    known = Predictions(backend).read(part.pool, part.model, part.days).days
    # Days without a hash were predicted before hashes were kept: nothing can be said of them.
    predicted = {day: found for day, found in known.items() if found}
    # One that has rows of its own may have had none on a day when it was published.
    late = [day for day in strategy.days_of(part.name, part.days) if day not in known] if part.model.role.group else []
    if not predicted and not late:
        return None
    recorder = find_run(part.model.recorder_id, backend.settings.mlflow_uri)
    config = strategy.dataset_config(trained_definition(backend, part.pool, part.model))
    dataset = fitted_dataset(recorder, config, backend.settings.components)
    changed = sorted({*changed_days(dataset, predicted), *late})
    if not changed:
        return None
    segment = {"test": [changed[0], changed[-1]]}
    now = _hashes(dataset.config(segments=segment))
    return Update(part.pool, part.variant, part.model, tuple(changed), {day: now.get(day, GONE) for day in changed})


def _hashes(dataset: Dataset) -> dict[str, str]:
    try:
        return day_hashes(dataset)
    except DataError:
        return {}

"""Prediction tasks: they let models predict days that came, or were revised, since. Workers run them in parallel."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pandas as pd

from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.online.predictions import ADDED, Predictions
from rollq.scheduler.online.serving import Served
from rollq.scheduler.online.trained import trained_definition
from rollq.scheduler.rounds.remedies import steps_after
from rollq.scheduler.rounds.trainers import Trainer
from rollq.scheduler.rounds.verdict import blamed
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.tasks.backend import Backend
from rollq.tasks.definition import DATA, DATASET, PREDICT, ROUTINE, TEST, Definition, with_dataset_kwargs
from rollq.tasks.errors import DataError, NotYet, RoundFailed, StateError, Unavailable
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.predictions.day_hashes import frame_hashes
from rollq.tasks.predictions.increments import INDEX
from rollq.tasks.predictions.session_days import sessions_in

PRIORITY = 10  # before trainings: there is little to do, and signals wait for it


@dataclass(frozen=True)
class Update:
    """Days that a model shall predict. ``hashes`` are those of revised days, by day: they tell the task from others."""

    pool: str
    variant: str
    model: OnlineModel
    days: tuple[str, ...]
    hashes: Mapping[str, str] = field(default_factory=dict)
    late: bool = False  # other days between them were predicted already


def missing(backend: Backend, serving: Iterable[Served], published: str = "") -> list[Update]:
    """The days that models serve and have not predicted yet.

    Args:
        published: the last session that was published; an earlier one that was not came late, so it may be missing
            although later ones were predicted.
    """
    predictions = Predictions(backend)
    updates = []
    for one in serving:
        last = predictions.last_day(one.pool, one.model)
        late = [day for day in one.days if day <= last and day < published]
        # Only late days are looked up one by one: as a rule there are none, and a model's last day says it all.
        known = predictions.read(one.pool, one.model, late, scores_only=True).days if late else {}
        missed = tuple(day for day in late if day not in known)
        days = tuple(day for day in one.days if day > last)
        updates += [Update(one.pool, one.variant, one.model, missed, late=True)] if missed else []
        updates += [Update(one.pool, one.variant, one.model, days)] if days else []
    return updates


def unlabelled(backend: Backend, strategy: OnlineStrategy, serving: Iterable[Served]) -> list[Update]:
    """The days of which models lack labels that the data have by now."""
    predictions, updates = Predictions(backend), []
    for one in serving:
        label = predictions.read(one.pool, one.model, one.days).label["label"]
        lacking = label.index[label.isna()]
        if not len(lacking):
            continue
        now = _labels_now(strategy, one, sessions_in(lacking))
        # Of a session that was not complete some rows have a label and others have none still.
        learned = now[now.index.isin(lacking)].dropna()
        if days := sessions_in(learned):
            hashes = frame_hashes(learned.to_frame())
            updates.append(Update(one.pool, one.variant, one.model, tuple(days), hashes))
    return updates


def _labels_now(strategy: OnlineStrategy, one: Served, days: Sequence[str]) -> pd.Series:
    """The labels that the data have now, from the first to the last of some days."""
    dataset = strategy.dataset_of(one.name).config(segments={TEST: [days[0], days[-1]]})
    try:
        found: pd.Series = dataset.prepare(TEST, "raw").iloc[:, 0].rename("label")
    except DataError:
        return pd.Series([], index=pd.MultiIndex.from_arrays([[], []], names=INDEX), name="label", dtype=float)
    return found


def request(
    backend: Backend,
    strategy: OnlineStrategy,
    updates: Sequence[Update],
    routine: tuple[str, str] | None = None,
) -> tuple[str, ...]:
    """Put a task per update into the strategy's pool of predictions; returns their ids.

    Args:
        routine: (strategy, session) of the routine that waits for them: it is notified of when they are done.

    Raises:
        Unavailable: the store does not answer. A broker that does not answer delays them, it loses nothing.
    """
    if not updates:
        return ()
    pool = prediction_pool(updates[0].pool)
    waiting = {ROUTINE: list(routine)} if routine else {}
    definitions = [{**_definition(backend, strategy, update), **waiting} for update in updates]
    created = backend.tasks.create_tasks(pool, definitions, priority=PRIORITY)
    with suppress(Unavailable):  # everything is in the store: the next sweep notifies
        backend.notifier.top_up(pool)
    return created.ids


def settled(backend: Backend, ids: Sequence[str], why: str = ADDED, check: Check = no_lease) -> bool:
    """Whether prediction tasks are all DONE; then what they predicted counts.

    Args:
        check: called before each write; raises LeaseLost if the caller's routine is not held any more.

    Raises:
        RoundFailed: one of them will not be DONE without help.
        NotYet: one of them waits for its data.
    """
    if not ids:
        return True
    tasks = backend.tasks.find(ids=ids, definitions=True)
    open_ = [task for task in tasks if task.committed is None]
    # Failures first: a task that waits for its data must not hide that another one will never be done.
    lost = [task for task in open_ if task.status.is_terminal]
    if lost:
        raise RoundFailed(
            f"{len(lost)} of {len(ids)} predictions failed: {blamed(lost)}.",
            steps_after(lost, routine=True),
        )
    for task in open_:
        if task.not_yet:
            raise NotYet(task.not_yet)
    if open_:
        return False
    predictions = Predictions(backend)
    predictions.ensure_indexes()
    for task in tasks:
        check()
        predictions.register(task, why)
    return True


def predict(
    backend: Backend,
    strategy: OnlineStrategy,
    trainer: Trainer,
    updates: Sequence[Update],
    timeout: float | None = None,
    why: str = ADDED,
) -> int:
    """Let models predict days, and wait until they have; returns how many tasks that took.

    Raises:
        RoundFailed: one of the tasks failed.
        StateError: the time is over.
    """
    ids = request(backend, strategy, updates)
    end = None if timeout is None else time.monotonic() + timeout
    while not settled(backend, ids, why):
        if end is not None and time.monotonic() > end:
            raise StateError(f"The predictions are not finished after {timeout:.0f} s.", "They go on: `rollq status`.")
        trainer.work()
    return len(ids)


def prediction_pool(pool: str) -> str:
    """The pool of the prediction tasks for the models of a pool."""
    return f"{pool}.predictions"


def _definition(backend: Backend, strategy: OnlineStrategy, update: Update) -> Definition:
    """The definition of a prediction task: on the data of today, for the days that are asked for."""
    trained = trained_definition(backend, update.pool, update.model)
    dataset = strategy.dataset_config(trained)
    definition: Definition = {
        PREDICT: {"pool": update.pool, "recorder_id": update.model.recorder_id, "days": None},
        **with_dataset_kwargs({DATASET: dataset}, segments={TEST: [update.days[0], update.days[-1]]}),
    }
    if update.hashes or update.late:
        definition[PREDICT]["days"] = list(update.days)
    if update.hashes:
        definition[DATA] = dict(update.hashes)
    return definition

"""What each step of a routine does: it returns what is kept of it, or raises Waiting. Doing it again is harmless."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rollq.scheduler.champions import promotion as champions
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.mlflow_sync import sync
from rollq.scheduler.online.serving import served
from rollq.scheduler.rounds.known_round import begun_round
from rollq.scheduler.rounds.remedies import try_data_again
from rollq.scheduler.rounds.trained_round import TrainedRound
from rollq.scheduler.rounds.trainers import Trainer
from rollq.scheduler.routine.ledger import DATA, Routine, round_id
from rollq.scheduler.routine.step_results import (
    Gathered,
    Notes,
    Prepared,
    Promoted,
    Published,
    Step,
    StepResult,
    Trained,
    Updated,
)
from rollq.scheduler.signals import publication as publishing
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.keywords import Keywords
from rollq.scheduler.strategies.latest import latest_planned
from rollq.scheduler.strategies.own_days import on_own_days
from rollq.scheduler.strategies.registry import RegisteredStrategy
from rollq.scheduler.updates import prediction_tasks as updates
from rollq.scheduler.updates.growth import grown, grown_sessions
from rollq.tasks.backend import Backend
from rollq.tasks.client.reuse import judge, summary
from rollq.tasks.errors import NotFound, RoundFailed, StateError
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.queue.task import Created
from rollq.tasks.rounds.documents import RoundState


class Waiting(Exception):
    """The step has to wait: what for, and what it must remember meanwhile (None: what it remembers already)."""

    def __init__(self, what: str, notes: Notes | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.notes = notes


@dataclass(frozen=True)
class Job:
    """What the steps work with: one strategy on one session. ``trainer`` puts tasks into its pool.

    ``check`` raises LeaseLost if the routine is not held any more: every step calls it before it writes. ``keywords``
    are handed through to the strategy.
    """

    backend: Backend
    registered: RegisteredStrategy
    strategy: OnlineStrategy
    trainer: Trainer
    session: str
    by: str
    allow_gaps: bool = False
    check: Check = no_lease
    keywords: Keywords = field(default_factory=Keywords)

    @property
    def sets(self) -> OnlineSets:
        """The ledger of online sets."""
        return OnlineSets(self.backend.store)


def _update(job: Job, routine: Routine) -> Updated:
    """Let the models that serve, and the challengers, predict what they have not predicted yet, and sessions that have
    grown.
    """
    asked = routine.notes.predictions
    ids = asked or ()
    anew = asked is None or routine.waits_for.startswith(DATA)  # more may be accepted by now
    if anew or len(job.backend.tasks.find(ids=ids)) < len(ids):  # one was removed: it is made again
        history = job.sets.history(job.strategy.name)
        since = job.registered.published_from
        days = publishing.unpublished(job.backend, job.strategy, job.session, since) if history else []
        last = SignalLedger(job.backend).last_day(job.strategy.name)
        parts = on_own_days(job.strategy, served(history, days, challengers=True))
        wanted = updates.missing(job.backend, parts, last) + grown(job.backend, job.strategy, job.session)
        job.check()
        ids = updates.request(job.backend, job.strategy, wanted, (job.registered.name, job.session))
        job.check()
        # Asked for with other days or other data: their results would not be used.
        job.backend.tasks.cancel(sorted(set(asked or ()).difference(ids)), job.by)
    job.check()
    if routine.reason:  # it failed: the data may have been repaired since
        try_data_again(job.backend, updates.prediction_pool(job.registered.pool), ids, job.by)
    # The ids are remembered with the wait: the next look asks for these tasks and not for new ones.
    if not updates.settled(job.backend, ids, check=job.check):
        raise Waiting("predictions", Notes(predictions=ids))
    return Updated(tasks=len(ids))


def _prepare(job: Job, routine: Routine) -> Prepared:
    """Find out what is to be trained; register it."""
    ident = round_id(job.strategy.name, job.session, job.registered.plan)
    job.check()
    if known := begun_round(job.backend, ident):  # the data may be other data by now
        return Prepared(tasks=len(known.task_ids), round=ident, ids=known.task_ids)
    history = job.sets.history(job.strategy.name)
    latest = latest_planned(history, job.strategy.sessions()) if history else None
    plan = job.strategy.plan(job.session, latest, keywords=job.keywords.tasks)
    if not plan.definitions:
        return Prepared()
    why = "routine" if history else "first training"
    given = dict(job.keywords.models)
    purpose = replace(plan.purpose, why=why, routine=job.strategy.name, model_kwargs=given)
    why_each = summary(judge(job.backend.tasks.reader, job.registered.pool, plan.definitions))
    # The id of the round is made of strategy and session: should this process die after it, the next one finds the
    # round.
    trained = job.trainer.open_round(plan.definitions, purpose, options=plan.options, ident=ident, check=job.check)
    job.check()
    if job.registered.plan:  # planned anew: tasks that were given up are tried again
        again = job.backend.tasks.retry(trained.created.ids, job.by, held=job.trainer.is_delay())
        job.backend.rounds.reopen(job.registered.pool, again)
    why_all = (*why_each, *plan.remarks)
    return Prepared(tasks=len(plan.definitions), round=ident, ids=tuple(trained.created.ids), why=why_all)


def _train(job: Job, routine: Routine) -> Trained:
    """Release the tasks to workers and wait until all of them are finished."""
    prepared = routine.steps.prepare or Prepared()
    if not prepared.tasks:
        return Trained()
    job.check()
    if not routine.notes.released:
        job.trainer.start_round(TrainedRound(prepared.round, job.registered.pool, Created(prepared.ids, 0)))
    if job.backend.tasks.has_active(prepared.round):
        raise Waiting("training", replace(routine.notes, released=True))
    counts = job.backend.tasks.stat(ids=prepared.ids)
    return Trained(states={str(state): count for state, count in counts.items() if count})


def _gather(job: Job, routine: Routine) -> Gathered:
    """Wait until the coordinator has put the models online."""
    prepared = routine.steps.prepare or Prepared()
    if not prepared.tasks:
        return Gathered()
    found = job.backend.rounds.get(prepared.round)
    job.check()
    if found.status is RoundState.FAILED:
        if routine.reason and try_data_again(job.backend, job.registered.pool, prepared.ids, job.by):
            raise Waiting("training")  # it failed: the data may have been repaired since
        raise RoundFailed(f"Round {found.id} failed. {found.reason}")
    if found.status is not RoundState.GATHERED:
        # The message of the last task may be lost; asking again is harmless.
        job.backend.gather_notifier.notify_if_finished(job.registered.pool, [found.id])
        raise Waiting("gathering")
    result = found.result or {}
    return Gathered(strategy=found.purpose.strategy, version=result.get("version"), superseded=result.get("superseded"))


def _promote(job: Job, routine: Routine) -> Promoted:
    """Promote a challenger, if the strategy has a rule and it is met; sync MLflow with what serves."""
    try:
        current = job.sets.current(job.strategy.name)
    except NotFound:
        raise StateError(f"Nothing of {job.strategy.name!r} is online.", "See `rollq tasks list`.") from None
    promoted = champions.by_rule(job.backend, job.strategy, current, job.session, job.by, job.check)
    gathered = routine.steps.gather or Gathered()
    if promoted or gathered.version is not None or current.session == job.session:  # a process died here before
        sync(job.backend, promoted or current, job.check)
    return Promoted(version=(promoted or current).version, promoted=promoted.champion if promoted else None)


def _publish(job: Job, routine: Routine) -> Published:
    """Publish the signals of the sessions that were not published yet, and again of those that have grown."""
    entry = publishing.publish_signals(
        job.backend,
        job.strategy,
        job.session,
        job.by,
        again=grown_sessions(job.backend, job.strategy, job.session),
        since=job.registered.published_from,
        allow_gaps=job.allow_gaps,
        check=job.check,
    )
    return Published(number=entry.number, rows=entry.rows, sha256=entry.sha256) if entry else Published()


STEPS: dict[Step, Callable[[Job, Routine], StepResult]] = {
    Step.UPDATE: _update,
    Step.PREPARE: _prepare,
    Step.TRAIN: _train,
    Step.GATHER: _gather,
    Step.PROMOTE: _promote,
    Step.PUBLISH: _publish,
}

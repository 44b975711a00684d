"""The daily routine of a strategy: what each of its steps does. Every step may be done again without harm.

It never waits: where others have work to do, it lets go of the routine and says what it waits for; whoever finishes
that work, and every sweep, rings again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from celery import Celery

from rollq.scheduler.champions import promotion as champions
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.mlflow_sync import sync
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.online.serving import served
from rollq.scheduler.rounds.known_round import begun_round
from rollq.scheduler.rounds.remedies import steps_after_error, try_data_again
from rollq.scheduler.rounds.trainers import DelayTrainer, TrainedRound, Trainer
from rollq.scheduler.routine.agenda import agenda
from rollq.scheduler.routine.ledger import DATA, Routine, Routines, RoutineState, Step, round_id
from rollq.scheduler.signals import publication as publishing
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.registry import RegisteredStrategy, StrategyRegistry
from rollq.scheduler.strategies.rolling import Latest, OnlineStrategy
from rollq.scheduler.updates import prediction_tasks as updates
from rollq.tasks.backend import Backend
from rollq.tasks.broker.messages import ROUTINE, check_arguments
from rollq.tasks.client.reuse import judge, summary
from rollq.tasks.components.user_code import place_of
from rollq.tasks.errors import LeaseLost, NotFound, RollqError, RoundFailed, StateError
from rollq.tasks.failures import Kind, described, kind_of
from rollq.tasks.leases.renewer import Check, LeaseRenewer, no_lease
from rollq.tasks.logs import log_context
from rollq.tasks.queue.task import Created
from rollq.tasks.rounds.rounds import RoundState

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 5.0  # a routine that waits is looked at so often, should the bell for it be lost


class Waiting(Exception):
    """The step has to wait; the message says what for."""


@dataclass(frozen=True)
class Job:
    """What the steps work with: one strategy on one session. ``trainer`` puts tasks into its pool.

    ``check`` raises LeaseLost if the routine is not held any more: every step calls it before it writes.
    """

    backend: Backend
    registered: RegisteredStrategy
    strategy: OnlineStrategy
    trainer: Trainer
    session: str
    by: str
    allow_gaps: bool = False
    check: Check = no_lease

    @property
    def sets(self) -> OnlineSets:
        """The ledger of online sets."""
        return OnlineSets(self.backend.store)


TrainerType = Callable[[Backend, str], Trainer]


def register(app: Celery, backend: Backend, worker: str) -> None:
    """Add the routine to a Celery application."""

    def hear(strategy: Any, session: Any) -> None:
        with log_context(strategy=str(strategy), worker=worker):
            try:
                check_arguments(ROUTINE, (strategy, session))
                _serve(backend, strategy, session, worker)
            except RollqError as error:
                log.warning("the routine could not go on, a sweep rings again: %s", error)

    app.task(name=ROUTINE, shared=False)(hear)


def _serve(backend: Backend, strategy: str, session: str, worker: str) -> None:
    """Go on with what is wanted, and comes to be wanted meanwhile: another process ends if it finds one at work."""
    registry = StrategyRegistry(backend)
    tomorrow = backend.store.now() + timedelta(days=1)  # somewhere it is tomorrow; nowhere is it later
    registry.want(strategy, min(session, f"{tomorrow:%Y-%m-%d}"))
    while notified := registry.get(strategy).notified:
        reached = bring_up_to(backend, strategy, max(notified), worker)
        if reached is not None and reached.status is not RoutineState.DONE:
            return
        registry.served(strategy, notified)


def ring_unfinished(backend: Backend) -> int:
    """Ring once for each strategy with routines that wait and that nobody has looked at lately; returns how many.

    Raises:
        Unavailable: the store or the broker does not answer.
    """
    waiting = Routines(backend).unfinished(LOOK_AGAIN_SECONDS)
    kept = {one.name for one in StrategyRegistry(backend).all()} if waiting else set()
    last = {routine.strategy: routine.session for routine in waiting if routine.strategy in kept}  # oldest first
    for strategy, session in last.items():
        backend.doorbell.ring_routine(strategy, session)
    return len(last)


def bring_up_to(
    backend: Backend,
    name: str,
    session: str | None,
    by: str,
    trainer: TrainerType | None = None,
    *,
    allow_gaps: bool = False,
) -> Routine | None:
    """Do what can be done now of the routines of a strategy up to a session, in the order of the sessions.

    Args:
        session: the last session of the data by this date (``YYYY-MM-DD``); None: the last one.
        trainer: makes the trainer of the strategy's pool; None: as the strategy was added.
        allow_gaps: publish signals in spite of holes.

    Returns:
        The routine that is under way, has FAILED, or was the last to be DONE; None if there is no session to do. One
        whose data are odd waits, and is none of these.

    Raises:
        NotFound: no such strategy is kept online.
        BadInput: its template or its data cannot be used any more.
        Unavailable: a server does not answer.
    """
    registry, routines = StrategyRegistry(backend), Routines(backend)
    registered = registry.get(name)
    strategy = registry.strategy(registered)
    make = trainer or (DelayTrainer if registered.delayed else Trainer)
    reached: Routine | None = None
    found = agenda(backend, registered, strategy, session)
    routines.forget_waiting(name, found.known)
    for day, why in found.waiting.items():
        routines.wait_for_data(name, day, why)
    for due in found.due:
        routines.open(name, due)
        since = time.monotonic()
        claimed = routines.claim(name, due, by)
        if claimed is None:  # somebody else works on it, or has just finished it
            reached = routines.open(name, due)
            if reached.status is RoutineState.DONE:
                continue
            return reached
        job = Job(backend, registered, strategy, make(backend, registered.pool), due, by, allow_gaps)
        reached = _go_on(job, claimed, since)
        if reached.status is not RoutineState.DONE:
            return reached
    return reached


def latest_planned(history: list[OnlineSet], sessions: Sequence[str] | None = None) -> Latest:
    """The newest windows that came online, of every variant, as the ledger says it.

    Args:
        sessions: windows that begin on another day do not count: it was dated wrongly, and was mended.
    """
    named = [(online.champion, online.models) for online in history]
    named += [one for online in history for one in online.challengers.items()]
    known = None if sessions is None else set(sessions)
    found = [(name, one) for name, models in named for one in models if known is None or one.test[0] in known]
    start = max((model.test[0] for _, model in found), default="")
    return Latest(start, {name: model.task_id for name, model in found if model.test[0] == start})


def _go_on(job: Job, routine: Routine, since: float) -> Routine:
    try:
        return _do_steps(job, routine, since)
    except LeaseLost as error:  # another process goes on with it, or will: this one leaves everything as it is
        log.warning("the routine ends here: %s", error)
        return Routines(job.backend).open(job.registered.name, job.session)


def _do_steps(job: Job, routine: Routine, since: float) -> Routine:
    """Do the steps that are left and write down how that ended.

    Raises:
        LeaseLost: the lease, which began ``since``, was lost meanwhile; nothing was written after that.
    """
    routines = Routines(job.backend)
    try:
        with LeaseRenewer(routines.lease(routine, since)) as lease:
            held = replace(job, check=lease.check)
            while step := routine.next_step:
                result = STEPS[step](held, routine)
                lease.check()
                routine = routines.finish_step(routine, step, result)
            log.info("routine of %s for %s is done", job.registered.name, job.session)
            return routines.finish(routine)
    except Waiting as waiting:
        return routines.release(routines.note(routine, waiting.args[1]), waiting.args[0])
    except LeaseLost:
        raise
    except BaseException as error:  # noqa: BLE001 - also what an own strategy raises
        return _ended(job, routines, routine, error)


def _ended(job: Job, routines: Routines, routine: Routine, error: BaseException) -> Routine:
    """A step raised: only its own error is a failure of the routine."""
    kind = kind_of(error)
    if kind is Kind.STOP:
        with suppress(RollqError):  # so that the next one need not wait for the lease to run out
            routines.release(routine, "another try: it was interrupted")
        raise error
    what = f"the routine of {job.registered.name} for {job.session}"
    if kind is Kind.OWN:
        why = _reason(error)
        log.error("%s failed: %s", what, why)
        return routines.fail(routine, why)
    log.warning("%s is tried again: %s", what, described(error))
    message = error.message if isinstance(error, RollqError) else described(error)
    return routines.release(routine, f"{DATA if kind is Kind.NOT_YET else 'another try: '}{message}")


def _reason(error: BaseException) -> str:
    if isinstance(error, RollqError):
        return f"{error} {steps_after_error(error)}".strip()
    if place := place_of(error):  # an own strategy, dataset or model
        return f"{described(error)} ({place})"
    log.debug("the routine failed", exc_info=error)
    # What is in the store or in MLflow has another form than rollq gives it.
    return f"What it works with is corrupted ({described(error)})."


# -- the steps: each returns what is kept of it, or raises Waiting(what for, what to remember) -------------------------


def _update(job: Job, routine: Routine) -> dict[str, Any]:
    """Let the models that serve, and the challengers, predict what they have not predicted yet."""
    asked: set[str] = set(routine.notes.get("predictions") or ())
    ids: list[str] = list(routine.notes.get("predictions") or ())
    anew = "predictions" not in routine.notes or routine.waits_for.startswith(DATA)  # more may be accepted by now
    if anew or len(job.backend.tasks.find(ids=ids)) < len(asked):  # somebody removed one: it is made again
        history = job.sets.history(job.strategy.name)
        days = publishing.unpublished(job.backend, job.strategy, job.session) if history else []
        last = SignalLedger(job.backend).last_day(job.strategy.name)
        wanted = updates.missing(job.backend, served(history, days, challengers=True), last)
        job.check()
        ids = list(updates.request(job.backend, job.strategy, wanted, (job.registered.name, job.session)))
        job.check()
        job.backend.tasks.cancel(sorted(asked.difference(ids)), job.by)
    job.check()
    if routine.reason:  # it failed: the data may have been mended since
        try_data_again(job.backend, updates.prediction_pool(job.registered.pool), ids, job.by)
    if not updates.settled(job.backend, ids, check=job.check):
        raise Waiting("predictions", {"predictions": ids})
    return {"tasks": len(ids)}


def _prepare(job: Job, routine: Routine) -> dict[str, Any]:
    """Find out what is to be trained; register it."""
    ident = round_id(job.strategy.name, job.session, job.registered.plan)
    job.check()
    if known := begun_round(job.backend, ident):  # the data may be other data by now
        return {"tasks": len(known.task_ids), "round": ident, "ids": list(known.task_ids)}
    history = job.sets.history(job.strategy.name)
    if history:
        plan = job.strategy.prepare_tasks(job.session, latest_planned(history, job.strategy.sessions()))
    else:
        plan = job.strategy.first_tasks(job.session)
    if not plan.definitions:
        return {"tasks": 0}
    why = "routine" if history else "first training"
    purpose = replace(plan.purpose, why=why, routine=job.strategy.name)
    why_each = summary(judge(job.backend.tasks.reader, job.registered.pool, plan.definitions))
    trained = job.trainer.train(plan.definitions, purpose, options=plan.options, ident=ident, check=job.check)
    job.check()
    if job.registered.plan:  # planned anew: tasks that were given up are tried again
        again = job.backend.tasks.retry(trained.created.ids, job.by, held=job.trainer.is_delay)
        job.backend.rounds.reopen(job.registered.pool, again)
    return {"tasks": len(plan.definitions), "round": ident, "ids": list(trained.created.ids), "why": why_each}


def _train(job: Job, routine: Routine) -> dict[str, Any]:
    """Let the tasks go and wait until all of them are finished."""
    prepared = routine.steps[Step.PREPARE]
    if not prepared["tasks"]:
        return {}
    ids = tuple(prepared["ids"])
    job.check()
    if not routine.notes.get("let_go"):
        job.trainer.end_train(TrainedRound(prepared["round"], job.registered.pool, Created(ids, 0)))
    if job.backend.tasks.has_active(prepared["round"]):
        raise Waiting("training", {"let_go": True})
    counts = job.backend.tasks.stat(ids=ids)
    return {str(state): count for state, count in counts.items() if count}


def _gather(job: Job, routine: Routine) -> dict[str, Any]:
    """Wait until the coordinator has put the models online."""
    prepared = routine.steps[Step.PREPARE]
    if not prepared["tasks"]:
        return {}
    found = job.backend.rounds.get(prepared["round"])
    job.check()
    if found.status is RoundState.FAILED:
        if routine.reason and try_data_again(job.backend, job.registered.pool, prepared["ids"], job.by):
            raise Waiting("training", {})  # it failed: the data may have been mended since
        raise RoundFailed(f"Round {found.id} failed. {found.reason}")
    if found.status is not RoundState.GATHERED:
        job.backend.doorbell.ring_if_finished(job.registered.pool, [found.id])
        raise Waiting("gathering", {})
    return dict(found.result or {})


def _promote(job: Job, routine: Routine) -> dict[str, Any]:
    """Promote a challenger, if the strategy has a rule and it is met; sync MLflow with what serves."""
    try:
        current = job.sets.current(job.strategy.name)
    except NotFound:
        raise StateError(f"Nothing of {job.strategy.name!r} is online.", "See `rollq tasks list`.") from None
    promoted = champions.by_rule(job.backend, job.strategy, current, job.session, job.by, job.check)
    if promoted or "version" in routine.steps[Step.GATHER] or current.session == job.session:  # somebody died here
        sync(job.backend, promoted or current, job.check)
    return {"version": (promoted or current).version, "promoted": promoted.champion if promoted else None}


def _publish(job: Job, routine: Routine) -> dict[str, Any]:
    """Publish the signals of the sessions that were not published yet."""
    entry = publishing.publish_signals(
        job.backend, job.strategy, job.session, job.by, allow_gaps=job.allow_gaps, check=job.check
    )
    return {"number": entry.number, "rows": entry.rows, "sha256": entry.sha256} if entry else {}


STEPS: dict[Step, Callable[[Job, Routine], dict[str, Any]]] = {
    Step.UPDATE: _update,
    Step.PREPARE: _prepare,
    Step.TRAIN: _train,
    Step.GATHER: _gather,
    Step.PROMOTE: _promote,
    Step.PUBLISH: _publish,
}

"""The driver of routines: it does the steps that are left, session by session, and writes down how each ended.

It never waits: where others have work to do, it gives the routine up for now and says what it waits for; the process
that finishes that work, and every sweep, notifies again.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from celery import Celery

from rollq.scheduler.rounds.remedies import reason_of, steps_after_error
from rollq.scheduler.rounds.trainers import DelayTrainer, Trainer, trainer_for
from rollq.scheduler.routine.agenda import agenda
from rollq.scheduler.routine.ledger import DATA, Routine, Routines, RoutineState
from rollq.scheduler.routine.steps import STEPS, Job, Waiting
from rollq.scheduler.strategies.keywords import Keywords
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.backend import Backend
from rollq.tasks.broker.messages import ROUTINE, check_arguments
from rollq.tasks.errors import LeaseLost, RollqError
from rollq.tasks.failures import Kind, described, kind_of
from rollq.tasks.leases.renewer import LeaseRenewer
from rollq.tasks.logs import log_context

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 5.0  # a routine that waits is looked at so often, should its message be lost

TrainerType = Trainer | type[Trainer]


def register(app: Celery, backend: Backend, worker: str) -> None:
    """Add the routine to a Celery application."""

    def handle(strategy: str, session: str) -> None:
        with log_context(strategy=str(strategy), worker=worker):
            try:
                check_arguments(ROUTINE, (strategy, session))
                _serve(backend, strategy, session, worker)
            except RollqError as error:
                log.warning("the routine could not go on, a sweep notifies again: %s", error)

    app.task(name=ROUTINE, shared=False)(handle)


def _serve(backend: Backend, strategy: str, session: str, worker: str) -> None:
    """Go on with what is wanted, and comes to be wanted meanwhile: another process ends if it finds one at work."""
    registry = StrategyRegistry(backend)
    tomorrow = backend.store.now() + timedelta(days=1)  # somewhere it is tomorrow; nowhere is it later
    # Written down before the work: a process that finds another one at work ends, and the other one reads what is
    # wanted.
    registry.want(strategy, min(session, f"{tomorrow:%Y-%m-%d}"))
    while notified := registry.get(strategy).notified:
        reached = bring_up_to(backend, strategy, max(notified), worker)
        if reached is not None and reached.status is not RoutineState.DONE:
            return
        registry.served(strategy, notified)


def notify_unfinished(backend: Backend) -> int:
    """Notify once for each strategy with routines that wait and were not looked at lately; returns how many.

    Raises:
        Unavailable: the store or the broker does not answer.
    """
    waiting = Routines(backend).unfinished(LOOK_AGAIN_SECONDS)
    kept = {one.name for one in StrategyRegistry(backend).all()} if waiting else set()
    last = {routine.strategy: routine.session for routine in waiting if routine.strategy in kept}  # oldest first
    for strategy, session in last.items():
        backend.notifier.notify_routine(strategy, session)
    return len(last)


def bring_up_to(
    backend: Backend,
    name: str,
    session: str | None,
    by: str,
    trainer: TrainerType | None = None,
    *,
    allow_gaps: bool = False,
    keywords: Keywords | None = None,
) -> Routine | None:
    """Do what can be done now of the routines of a strategy up to a session, in the order of the sessions.

    Args:
        backend: the servers.
        name: of the strategy.
        session: the last session of the data by this date (``YYYY-MM-DD``); None: the last one.
        by: who or what asked for it.
        trainer: makes the trainer of the strategy's pool; None: as the strategy was added.
        allow_gaps: publish signals in spite of holes.
        keywords: of the strategy's own methods.

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
    strategy.use(backend)
    make = trainer or (DelayTrainer if registered.delayed else Trainer)
    reached: Routine | None = None
    found = agenda(backend, registered, strategy, session)
    if strategy.looks_ahead != registered.ahead:
        registry.look_ahead(name, strategy.looks_ahead)
    # A date that was a mistake of the data is gone when they are repaired; nothing is left that waits for it for ever.
    routines.forget_waiting(name, found.known)
    for day, why in found.waiting.items():
        routines.wait_for_data(name, day, why)
    for due in found.due:
        routines.open(name, due)
        # Before the claim is sent: the lease counts from then.
        since = time.monotonic()
        claimed = routines.claim(name, due, by)
        if claimed is None:  # another process works on it, or has just finished it
            reached = routines.open(name, due)
            if reached.status is RoutineState.DONE:
                continue
            return reached
        made = trainer_for(make, backend, registered.pool)
        job = Job(backend, registered, strategy, made, due, by, allow_gaps, keywords=keywords or Keywords())
        reached = _go_on(job, claimed, since)
        if reached.status is not RoutineState.DONE:
            return reached
    return reached


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
                # A step may have taken long; what it came to is written under a lease that holds, or not at all.
                lease.check()
                routine = routines.finish_step(routine, step, result)
            log.info("routine of %s for %s is done", job.registered.name, job.session)
            return routines.finish(routine)
    except Waiting as waiting:
        return routines.release(routine, waiting.what, waiting.notes)
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
        why = f"{reason_of(error, 'What it works with')} {steps_after_error(error)}".strip()
        log.error("%s failed: %s", what, why)
        return routines.fail(routine, why)
    log.warning("%s is tried again: %s", what, described(error))
    message = error.message if isinstance(error, RollqError) else described(error)
    return routines.release(routine, f"{DATA if kind is Kind.NOT_YET else 'another try: '}{message}")

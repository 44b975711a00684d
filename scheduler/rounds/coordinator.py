"""The coordinator: gathers a finished round exactly once, puts its models online and publishes their signals.

It may be killed at any point. Everything before the last step only writes what nothing refers to; the last step is one
write, the new online set. The coordinator that gathers again after a kill does the same and finds the set, or makes it.
"""

from __future__ import annotations

import logging
import time

from celery import Celery

from rollq.scheduler.online.mlflow_sync import sync
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.rounds.findings import Findings
from rollq.scheduler.rounds.gathering import gather_round
from rollq.scheduler.rounds.remedies import reason_of
from rollq.tasks.backend import Backend
from rollq.tasks.broker.messages import GATHER, check_arguments
from rollq.tasks.errors import LeaseLost, RollqError, Unavailable
from rollq.tasks.failures import Kind, described, kind_of, text_of
from rollq.tasks.leases.renewer import Check, LeaseRenewer
from rollq.tasks.logs import log_context
from rollq.tasks.rounds.documents import Round
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.upkeep.dependencies import settle

log = logging.getLogger(__name__)


def register(app: Celery, backend: Backend, worker: str) -> None:
    """Add the gathering task to a Celery application."""

    def handle(round_id: str) -> None:
        with log_context(round=str(round_id), worker=worker):
            try:
                check_arguments(GATHER, (round_id,))
                gather(backend, round_id, worker)
            except RollqError as error:
                log.warning("the message could not be served, a sweep notifies again: %s", error)

    app.task(name=GATHER, shared=False)(handle)


def gather(backend: Backend, round_id: str, by: str) -> OnlineSet | None:
    """Gather a round, if no other coordinator does.

    Returns:
        The new online set; None if the round is finished, gathered by another one, failed, or for research.
    """
    # Before the claim is sent: the lease counts from then.
    since = time.monotonic()
    gathering = backend.rounds.claim(round_id, by) if backend.rounds.in_turn(round_id) else None
    if gathering is None:
        return None
    try:
        online = _gather_under_lease(backend, gathering, by, since)
    except LeaseLost as error:  # another coordinator gathers it, or will: this one leaves everything as it is
        log.warning("gathering ends here: %s", error)
        return None
    # After a failure as well: those that wait for this round must learn of it.
    _tell_others(backend, gathering)
    return online


def _tell_others(backend: Backend, ended: Round) -> None:
    """Those that wait for a round that has ended; a sweep does it if this fails."""
    try:
        settle(backend)
        for ident in backend.rounds.followers(ended.id):
            if not backend.tasks.has_active(ident):
                backend.notifier.notify_gather(ident)
        if isinstance(ended.purpose, Serve) and ended.purpose.routine:
            backend.notifier.notify_routine(ended.purpose.routine, ended.purpose.session)
    except RollqError as error:
        log.warning("rounds that wait for this one are settled by a sweep: %s", error)


def _gather_under_lease(backend: Backend, gathering: Round, by: str, since: float) -> OnlineSet | None:
    """Gather a claimed round and write down how that ended; None if it put nothing online.

    Raises:
        LeaseLost: the lease, which began ``since``, was lost meanwhile; nothing was written after that.
    """
    try:
        with LeaseRenewer(backend.rounds.lease(gathering, since)) as lease:
            made = gather_round(backend, gathering, by, lease.check)
            if isinstance(made, OnlineSet):
                _sync(backend, made, lease.check)
            lease.check()
            backend.rounds.finish(gathering, _result(gathering, made))
    except LeaseLost:
        raise
    except BaseException as error:  # noqa: BLE001 - also what an own strategy raises
        _ended(backend, gathering, error)
        return None
    return made if isinstance(made, OnlineSet) else None


def _ended(backend: Backend, gathering: Round, error: BaseException) -> None:
    """Gathering raised: the round fails by its own error only, otherwise another coordinator tries again."""
    kind = kind_of(error)
    if kind is Kind.OWN:  # gathering again would end the same way, until the cause is repaired
        why = reason_of(error, "What was to be gathered")
        backend.rounds.fail(gathering, why)
        log.error("the round failed, what was online stays online: %s", why)
        return
    log.warning("gathering was interrupted and will be tried again: %s", described(error))
    try:
        backend.rounds.release(gathering, "it was interrupted" if kind is Kind.STOP else f"{kind}: {text_of(error)}")
    except RollqError as second:
        log.warning("the round could not be given back, its lease will run out: %s", second)
    if kind is Kind.STOP:
        raise error


def _result(gathering: Round, made: OnlineSet | Findings) -> dict[str, object]:
    """What is kept of a gathered round in its document."""
    if isinstance(made, Findings):
        log.info("the research round of %s is gathered", gathering.purpose.strategy)
        return made.to_document()
    log.info("strategy %s: version %s is online", made.strategy, made.version)
    result: dict[str, object] = {"strategy": made.strategy, "version": made.version}
    if made.round_id != gathering.id:
        log.warning("the round came too late: version %s of %s was planned after it", made.version, made.strategy)
        result["superseded"] = True
    else:
        result |= {"metrics": made.metrics, "better": made.better}
    return result


def _sync(backend: Backend, online: OnlineSet, check: Check) -> None:
    """Tags and registry follow; the set is online already: only a tracking server that is away is worth another try."""
    try:
        sync(backend, online, check)
    except (Unavailable, LeaseLost):
        raise
    except RollqError as error:
        log.warning("MLflow is not in sync with %s version %s: %s", online.strategy, online.version, error)

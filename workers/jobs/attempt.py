"""One attempt at a task: claim it, do its job under a lease, commit or say why not."""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rollq.tasks.attempts.attempt_lease import AttemptLease
from rollq.tasks.backend import Backend
from rollq.tasks.components.user_code import place_of
from rollq.tasks.definition import ROUTINE
from rollq.tasks.errors import Draining, LeaseLost, RollqError, Unavailable
from rollq.tasks.failures import Kind, described, kind_of, text_of, wait_after
from rollq.tasks.ingredients.code_check import is_stale
from rollq.tasks.logs import log_context
from rollq.tasks.queue.claims import CANDIDATES
from rollq.tasks.queue.prefetch import Claim, Prefetch
from rollq.tasks.queue.task import TaskError
from rollq.tasks.resources import Resources
from rollq.workers.jobs.job import Job, job_of

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.25  # a message keeps a process at work for this long, or for one task
REST_SECONDS = 5.0  # after an outage a process claims nothing for this long: what is away for one task is for others
TOP_UP_EVERY = 16  # tasks of a process; several times as many are notified of at a time
_count = itertools.count()
_rests_until = 0.0
_met = ""  # the last outage


class Outcome(StrEnum):
    """How handling a message ended."""

    NOTHING = "nothing"  # no task could be claimed
    COMMITTED = "committed"
    FAILED = "failed"  # its own exception; the task waits again or is FAILED
    LOST = "lost"  # the claim went to another worker, or the task was cancelled
    RELEASED = "released"  # the worker stops, or an earlier task is not finished: the task was given back
    OUTAGE = "outage"  # a server is away, or a disk is full: the task was given back


OUTCOMES = {Kind.STOP: Outcome.RELEASED, Kind.OUTAGE: Outcome.OUTAGE, Kind.NOT_YET: Outcome.RELEASED}
Run = Callable[[Backend, Claim, Callable[[], bool]], Outcome]


@dataclass(frozen=True)
class WorkerContext:
    """Where attempts are made: a worker process, its queues, its available resources, and how it runs a claim.

    ``stopping`` says whether the worker is to end soon: it begins nothing new; ``draining``, whether it wants its tasks
    back at once; ``run`` is by default ``train_under_lease``.
    """

    worker: str
    queues: Sequence[str] = ("default",)
    draining: Callable[[], bool] = lambda: False
    stopping: Callable[[], bool] = lambda: False
    available: Resources | None = None
    run: Run | None = None


def serve(backend: Backend, pool: str, wanted: str, context: WorkerContext) -> int:
    """Handle a message: run waiting tasks for ``SLICE_SECONDS`` (at least one), then pass the message on if more wait.

    So short tasks do not cost a message each, and the messages of a pool do not multiply. Pools take turns: whichever
    message was received, every pool with work has the same chance.

    Returns:
        How many attempts were made.

    Raises:
        Unavailable: the store does not answer; the lease of a claim that was made runs out by itself.
    """
    global _rests_until
    if time.monotonic() < _rests_until:
        return 0  # a sweep notifies again
    end, attempts = time.monotonic() + SLICE_SECONDS, 0
    turn = random.choice(backend.tasks.notified_pools(context.queues) or [pool])  # noqa: S311 - a fair turn, no secret
    # The pool of the message comes second: it is the only one that is known to have work if the other's was taken by
    # now.
    for name in dict.fromkeys([turn, pool]):
        prefetch = Prefetch(go_on=lambda: time.monotonic() < end and not _is_ending(context))
        while claim := _claim(backend, name, wanted, context, prefetch):
            outcome = _attempt(backend, claim, context)
            attempts += 1
            if outcome is Outcome.OUTAGE:
                _rests_until = time.monotonic() + REST_SECONDS
                return attempts
            # A task that was prefetched is this process's to run: it holds a lease already, and ends the slice only
            # after it.
            if (is_stale() or time.monotonic() >= end) and not prefetch.claimed:
                _pass_on(backend, claim)
                return attempts
    return attempts


def run_one(
    backend: Backend, pool: str, wanted: str | None, context: WorkerContext, among: Sequence[str] | None = None
) -> Outcome:
    """Claim the best waiting task of ``pool``, run it, notify of what follows.

    Args:
        wanted: the task to take among equally urgent ones.
        among: only one of these tasks, whatever its queue; None: any.

    Raises:
        Unavailable: the store does not answer; the lease of a claim that was made runs out by itself.
    """
    if among is None:
        claim = _claim(backend, pool, wanted, context)
    else:
        ids = {"_id": {"$in": list(among)}}
        claim = backend.tasks.claim_among(pool, context.worker, ids, available=context.available)
    return _attempt(backend, claim, context) if claim else Outcome.NOTHING


def refuse_outage(outcome: Outcome) -> None:
    """For commands, which work for a person: they say that something is away, instead of trying for ever.

    Raises:
        Unavailable: the attempt met an outage; its task waits, untried.
    """
    if outcome is Outcome.OUTAGE:
        raise Unavailable(_met, "The task waits, and the attempt does not count: do it again when that is repaired.")


def _claim(
    backend: Backend, pool: str, wanted: str | None, context: WorkerContext, prefetch: Prefetch | None = None
) -> Claim | None:
    """The next claim; None if nothing waits, or if this process ends. What was claimed prefetch is run even then."""
    if _is_ending(context) and not (prefetch and prefetch.claimed):
        return None
    return backend.tasks.claim(pool, context.worker, context.queues, wanted, context.available, prefetch)


def _is_ending(context: WorkerContext) -> bool:
    return context.stopping() or context.draining() or is_stale()


def _attempt(backend: Backend, claim: Claim, context: WorkerContext) -> Outcome:
    """Run a claim and see to what follows. What a custom ``run`` raises is the task's own error, unless a server is
    away: then it is raised, and the lease runs out by itself.
    """
    with log_context(pool=claim.pool, task=claim.task_id, attempt=claim.attempt, worker=context.worker):
        try:
            outcome = (context.run or train_under_lease)(backend, claim, context.draining)
        except Exception as error:
            if kind_of(error) is Kind.OUTAGE:
                raise
            outcome = _fail(backend, claim, error)
        log.info("%s", outcome)
        _notify(backend, claim)
    return outcome


def train_under_lease(backend: Backend, claim: Claim, draining: Callable[[], bool]) -> Outcome:
    """Do the job of a claim, train or predict, and commit what came out; or say in the store why not."""
    job, outcome = job_of(backend, claim), None
    try:
        # `own_process`: a model that does not look up when it is cancelled is left behind together with this process.
        with AttemptLease(backend.tasks, claim, draining, own_process=True) as lease:
            try:
                result = job.run(lease.checkpoint)
                # Renewed until the commit is written: what the job ended is ended before the task is DONE.
                lease.retry(lambda: backend.tasks.commit(claim, result))
            except BaseException as error:
                outcome = _written_down(backend, claim, error)
                raise
    except BaseException as error:
        # The store came first: MLflow may be slow or away, and a sweep closes what is missed here.
        _close(job, error)
        if outcome is None or (kind_of(error) is Kind.STOP and not isinstance(error, Draining)):
            raise  # the store is away, or this process is to end
        return outcome
    return Outcome.COMMITTED


def _written_down(backend: Backend, claim: Claim, error: BaseException) -> Outcome:
    """Say in the store how an attempt ended: only its own error is a failure of the task."""
    if isinstance(error, LeaseLost):
        return Outcome.LOST
    kind = kind_of(error)
    return _fail(backend, claim, error) if kind is Kind.OWN else _give_back(backend, claim, kind, error)


def _close(job: Job, error: BaseException) -> None:
    """Close what the attempt began in MLflow, after the store knows how it ended."""
    if isinstance(error, LeaseLost) or kind_of(error) is not Kind.OWN:
        job.give_up(text_of(error))
    else:
        job.fail(error)


def _give_back(backend: Backend, claim: Claim, kind: Kind, error: BaseException) -> Outcome:
    """Give the task back untried: nothing speaks against it, only against the moment."""
    global _met
    wait = 0.0
    if kind is Kind.OUTAGE:
        _met = text_of(error)
    if kind is not Kind.STOP:
        given = getattr(error, "wait", None)
        # How often it was given back untried: attempts that failed have a backoff of their own.
        wait = wait_after(kind, max(1, claim.attempt - claim.failures)) if given is None else given
        log.warning("%s: %s", kind, described(error))
    try:
        why = "the worker was stopped" if kind is Kind.STOP else f"{kind}: {text_of(error)}"
        backend.tasks.release(claim, why, wait)
    except LeaseLost:
        return Outcome.LOST
    return OUTCOMES[kind]


def _fail(backend: Backend, claim: Claim, error: BaseException) -> Outcome:
    """Say in the store that the attempt failed by the task's own error, and where in the user's code."""
    log.warning("the attempt failed: %s %s", described(error), place_of(error))
    try:
        state = backend.tasks.fail(claim, TaskError.of(error))
    except LeaseLost:
        return Outcome.LOST
    log.info("the task is %s", state)
    return Outcome.FAILED


def _notify(backend: Backend, claim: Claim) -> None:
    """See to the backfill, to staging and to finished rounds; a sweep does it later if this fails."""
    for last in (False, True):
        try:
            _see_to_backfill(backend, claim)
            # While workers are notified of many tasks, more are staged now and then only.
            if claim.seen < CANDIDATES or next(_count) % TOP_UP_EVERY == 0:
                backend.notifier.refill(claim.pool)
            backend.gather_notifier.notify_if_finished(claim.pool, claim.rounds)
            routine = claim.definition.get(ROUTINE)
            if isinstance(routine, list) and len(routine) == 2:
                backend.notifier.notify_routine(*routine)
        except RollqError as error:
            log.warning("notifying failed: %s", error)
            if not last:
                time.sleep(0.2)
        else:
            return


def _see_to_backfill(backend: Backend, claim: Claim) -> None:
    """Let the next tasks of its backfill go: the first is for this process, others are woken unless all are busy."""
    gone = backend.backfills.advance(claim.backfill) if claim.backfill else 0
    # Messages in the queue mean that no process is idle: each will come by itself when it has finished its task.
    if gone > 1 and not backend.notifier.depth(claim.queue):
        backend.notifier.top_up(claim.pool)


def _pass_on(backend: Backend, claim: Claim) -> None:
    """Send the message on for what still waits. The id in it is only a wish: the next process takes the best task."""
    try:
        backend.notifier.notify(claim.pool, claim.task_id, claim.queue)
    except RollqError as error:
        log.warning("the message was not passed on, a sweep notifies again: %s", error)

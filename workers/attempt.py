"""One attempt at a task: claim it, do its job under a lease, commit or say why not."""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from tasks.ahead import Lookahead
from tasks.backend import Backend
from tasks.claims import CANDIDATES
from tasks.errors import LeaseLost, RollqError
from tasks.lease import Draining, LeaseKeeper
from tasks.logs import log_context
from tasks.needs import Needs
from tasks.task import Claim, TaskError
from workers.jobs import Job, job_of
from workers.warm_start import NotYet

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.25  # a message keeps a process at work for this long, or for one task
NOT_YET_SECONDS = 1.0  # until a task that waits for another one is looked at again
TOP_UP_EVERY = 16  # tasks of a process; the window holds several times as many
_ended = itertools.count()


class Outcome(StrEnum):
    """How hearing a message ended."""

    NOTHING = "nothing"  # no task could be claimed
    COMMITTED = "committed"
    FAILED = "failed"  # its own exception; the task waits again or is FAILED
    LOST = "lost"  # the claim went to somebody else, or the task was cancelled
    RELEASED = "released"  # the worker stops and gave the task back


Run = Callable[[Backend, Claim, Callable[[], bool]], Outcome]


@dataclass(frozen=True)
class Post:
    """Where attempts are made: a worker's process, the queues it serves, what it offers, and how it runs a claim.

    ``draining`` says whether the worker wants to stop; ``run`` is by default ``train_under_lease``.
    """

    worker: str
    queues: Sequence[str] = ("default",)
    draining: Callable[[], bool] = lambda: False
    offer: Needs | None = None
    run: Run | None = None


def serve(backend: Backend, pool: str, wanted: str, post: Post) -> int:
    """Hear one message: run waiting tasks for ``SLICE_SECONDS`` (at least one), then pass the message on if more wait.

    So short tasks do not cost a message each, and the messages of a pool do not multiply. Pools take turns: whichever
    message was heard, every pool with work has the same chance.

    Returns:
        How many attempts were made.

    Raises:
        Unavailable: the store does not answer; the lease of a claim that was made runs out by itself.
    """
    end, attempts = time.monotonic() + SLICE_SECONDS, 0
    turn = random.choice(backend.tasks.pools_rung(post.queues) or [pool])  # noqa: S311 - a fair turn, no secret
    for name in dict.fromkeys([turn, pool]):
        ahead = Lookahead(go_on=lambda: time.monotonic() < end and not post.draining())
        while claim := _claim(backend, name, wanted, post, ahead):
            _attempt(backend, claim, post)
            attempts += 1
            if time.monotonic() >= end and not ahead.claimed:
                _pass_on(backend, claim)
                return attempts
    return attempts


def run_one(backend: Backend, pool: str, wanted: str | None, post: Post) -> Outcome:
    """Claim the best waiting task of ``pool``, run it, ring for what follows.

    Args:
        wanted: the task to take among equally urgent ones.

    Raises:
        Unavailable: the store does not answer; the lease of a claim that was made runs out by itself.
    """
    claim = _claim(backend, pool, wanted, post)
    return _attempt(backend, claim, post) if claim else Outcome.NOTHING


def _claim(backend: Backend, pool: str, wanted: str | None, post: Post, ahead: Lookahead | None = None) -> Claim | None:
    if post.draining() and not (ahead and ahead.claimed):
        return None
    return backend.tasks.claim(pool, post.worker, post.queues, wanted, post.offer, ahead)


def _attempt(backend: Backend, claim: Claim, post: Post) -> Outcome:
    with log_context(pool=claim.pool, task=claim.task_id, attempt=claim.attempt, worker=post.worker):
        try:
            outcome = (post.run or train_under_lease)(backend, claim, post.draining)
        except (TypeError, ValueError, LookupError, AttributeError) as error:  # of a run that is not ours
            outcome = _fail(backend, claim, None, error)
        log.info("%s", outcome)
        _ring(backend, claim)
    return outcome


def train_under_lease(backend: Backend, claim: Claim, draining: Callable[[], bool]) -> Outcome:
    """Do the job of a claim, train or predict, and commit what came out; or say in the store why not."""
    job = job_of(backend, claim)
    try:
        with LeaseKeeper(backend.tasks, claim, draining, own_process=True) as lease:
            result = job.run(lease.checkpoint)
            # The lease is renewed until the commit is written: what the job ended is ended before the task is DONE.
            lease.insist(lambda: backend.tasks.commit(claim, result))
    except LeaseLost as error:
        job.give_up(str(error))
        return Outcome.LOST
    except Draining as error:
        job.give_up(str(error))
        return _release(backend, claim, "the worker was stopped")
    except (KeyboardInterrupt, SystemExit):
        job.give_up("it was interrupted")
        with suppress(RollqError):  # so that the next one need not wait for the lease to run out
            backend.tasks.release(claim, "it was interrupted")
        raise
    except NotYet as error:
        job.give_up(str(error))
        return _release(backend, claim, str(error), NOT_YET_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever a task raises is its own failure, never the worker's
        return _fail(backend, claim, job, error)
    return Outcome.COMMITTED


def _release(backend: Backend, claim: Claim, why: str, wait: float = 0.0) -> Outcome:
    try:
        backend.tasks.release(claim, why, wait)
    except LeaseLost:
        return Outcome.LOST
    return Outcome.RELEASED


def _fail(backend: Backend, claim: Claim, job: Job | None, error: Exception) -> Outcome:
    log.warning("the attempt failed: %s: %s", type(error).__name__, error)
    if job:
        job.fail(error)
    try:
        state = backend.tasks.fail(claim, TaskError.of(error))
    except LeaseLost:
        return Outcome.LOST
    log.info("the task is %s", state)
    return Outcome.FAILED


def _ring(backend: Backend, claim: Claim) -> None:
    """See to the backfill, to the window and to finished rounds; a sweep does it later if this fails."""
    for attempt in range(2):
        try:
            _see_to_backfill(backend, claim)
            # While many tasks wait in the window, it is looked at now and then only.
            if claim.seen < CANDIDATES or next(_ended) % TOP_UP_EVERY == 0:
                backend.doorbell.refill(claim.pool)
            backend.doorbell.ring_if_finished(claim.pool, claim.rounds)
            routine = claim.definition.get("routine")
            if isinstance(routine, list) and len(routine) == 2:
                backend.doorbell.ring_routine(*routine)
        except RollqError as error:
            log.warning("ringing failed: %s", error)
            time.sleep(0.2 * attempt)
        else:
            return


def _see_to_backfill(backend: Backend, claim: Claim) -> None:
    """Let the next tasks of its backfill go: the first is for this process, others are woken unless all are busy."""
    gone = backend.backfills.advance(claim.backfill) if claim.backfill else 0
    if gone > 1 and not backend.doorbell.depth(claim.queue):
        backend.doorbell.top_up(claim.pool)


def _pass_on(backend: Backend, claim: Claim) -> None:
    try:
        backend.doorbell.ring(claim.pool, claim.task_id, claim.queue)
    except RollqError as error:
        log.warning("the message was not passed on, a sweep rings again: %s", error)

"""Rounds that wait for other rounds: unblocked when all of those are gathered, failed by dependency when one fails."""

from __future__ import annotations

import logging

from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound
from rollq.tasks.rounds.documents import Round, RoundState

log = logging.getLogger(__name__)


def settle(backend: Backend) -> int:
    """Unblock, or fail, what waits for rounds that have ended. Any process may call it, at any time, again and again.

    Returns:
        How many rounds were unblocked or failed.

    Raises:
        Unavailable: the store does not answer.
    """
    settled = 0
    for waiting in backend.rounds.dependants():  # oldest first: those that wait for one another follow in one go
        earlier = [_look(backend, ident) for ident in waiting.after]
        failed = [found for found in earlier if found is None or found.status is RoundState.FAILED]
        if failed:
            _fail(backend, waiting, failed[0])
            settled += 1
        elif all(found.status is RoundState.GATHERED for found in earlier if found):
            _unblock(backend, waiting)
            settled += 1
    return settled


def _unblock(backend: Backend, waiting: Round) -> None:
    """Tasks first: if this process dies in between, the next one does it again."""
    if not waiting.held:
        backend.tasks.unhold(waiting.task_ids)
    now = backend.rounds.unblock(waiting.id)
    if waiting.held and not now.held:  # start_round came in between, and saw that it was not unblocked yet
        backend.tasks.unhold(waiting.task_ids)
    log.info("round %s is unblocked: those that it waited for are gathered", waiting.id)
    backend.notifier.try_top_up(waiting.pool)


def _fail(backend: Backend, waiting: Round, failed: Round | None) -> None:
    which = f"round {failed.id}, which it waits for, failed: {failed.reason}" if failed else "a round is gone"
    log.error("round %s fails: %s", waiting.id, which)
    backend.rounds.fail_by_dependency(waiting.id, f"It cannot begin: {which}"[:1_000])


def _look(backend: Backend, ident: str) -> Round | None:
    try:
        return backend.rounds.get(ident)
    except NotFound:
        return None

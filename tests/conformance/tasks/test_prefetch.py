"""A commit that takes the next task along: both writes are judged each for itself."""

from __future__ import annotations

import pytest

from rollq import Backend, LeaseLost, TaskState
from rollq.tasks.queue.prefetch import Prefetch
from tests.pool_tasks import POOL, create, expire


def test_a_commit_takes_the_next_task_along(backend: Backend) -> None:
    ids = create(backend.tasks, 3)
    prefetch = Prefetch()
    done = []
    while claim := backend.tasks.claim(POOL, "w", prefetch=prefetch):
        backend.tasks.commit(claim, {"n": len(done)})
        done.append(claim.task_id)
    assert sorted(done) == sorted(ids)
    assert backend.tasks.stat(POOL)[TaskState.DONE] == 3


def test_a_stale_commit_is_refused_though_the_next_claim_is_granted(backend: Backend) -> None:
    create(backend.tasks, 2)
    prefetch = Prefetch()
    stale = backend.tasks.claim(POOL, "w", prefetch=prefetch)
    assert stale
    expire(backend, stale)
    backend.tasks.reclaim("sweeper")
    with pytest.raises(LeaseLost):
        backend.tasks.commit(stale, {})
    assert backend.tasks.get(stale.task_id).result is None
    following = backend.tasks.claim(POOL, "w", prefetch=prefetch)
    assert following
    assert following.task_id != stale.task_id
    assert backend.tasks.holds(following)


def test_a_next_task_that_another_took_is_not_believed_to_be_held(backend: Backend) -> None:
    create(backend.tasks, 2)
    prefetch = Prefetch()
    first = backend.tasks.claim(POOL, "w", prefetch=prefetch)
    other = backend.tasks.claim(POOL, "other")
    assert first
    assert other
    backend.tasks.commit(first, {})
    assert backend.tasks.get(first.task_id).status is TaskState.DONE
    assert prefetch.claimed is None
    assert backend.tasks.claim(POOL, "w", prefetch=prefetch) is None
    backend.tasks.commit(other, {})

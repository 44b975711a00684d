"""Small tasks in a pool, and what tests do with them."""

from __future__ import annotations

from typing import Any

from rollq import Backend, TaskQueue
from rollq.tasks.queue.prefetch import Claim

POOL = "pool"


def definition(number: int) -> dict[str, Any]:
    segments = {"train": ["2020-01-01", "2020-06-30"], "test": [f"2021-01-{number % 28 + 1:02}", None]}
    return {
        "model": {"class": "M", "kwargs": {"n": number}},
        "dataset": {"kwargs": {"segments": segments}},
        "record": [],
    }


def create(tasks: TaskQueue, count: int = 1, **options: Any) -> list[str]:
    return list(tasks.create_tasks(POOL, [definition(n) for n in range(count)], **options).ids)


def claim(tasks: TaskQueue, worker: str = "w", **options: Any) -> Claim:
    found = tasks.claim(POOL, worker, **options)
    assert found
    return found


def expire(backend: Backend, claimed: Claim) -> None:
    """Age the lease, not the clock."""
    age(backend, "tasks", claimed.task_id)


def age(backend: Backend, collection: str, ident: str) -> None:
    """Let the lease of a document have run out a second ago."""
    backend.store.collection(collection).update_one(
        {"_id": ident},
        [{"$set": {"lease.expires_at": {"$dateSubtract": {"startDate": "$$NOW", "unit": "second", "amount": 1}}}}],
    )


def replace_settings(backend: Backend, **changes: Any) -> TaskQueue:
    return TaskQueue(backend.store, backend.settings.model_copy(update=changes))

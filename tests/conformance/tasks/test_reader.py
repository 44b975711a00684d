"""Questions that are asked of a pool."""

from __future__ import annotations

from typing import Any

import pytest

from rollq import Backend, NotFound, StateError
from rollq.tasks.client.explain import explain
from rollq.tasks.queue.task import TaskError
from rollq.tasks.resources import Resources
from tests.pool_tasks import POOL, claim, create, definition, expire, replace_settings


def test_get_by_prefix(backend: Backend) -> None:
    ids = create(backend.tasks, 2)
    assert backend.tasks.get(ids[0][:10]).id == ids[0]
    for wrong in ("ffffffffffff", "xyz", "", "$where"):
        with pytest.raises(NotFound):
            backend.tasks.get(wrong)
    backend.store.collection("tasks").insert_many(
        [{**backend.store.collection("tasks").find_one({}), "_id": f"abcd{n}", "key": str(n)} for n in range(2)]
    )
    with pytest.raises(StateError):
        backend.tasks.get("abcd")


def test_tasks_are_found_by_window_model_age_and_error(backend: Backend) -> None:
    ids = create(backend.tasks, 3)
    (other,) = backend.tasks.create_tasks(
        POOL,
        [{"model": {"class": "N"}, "dataset": {"kwargs": {"segments": {"test": ["2022-01-03", "2022-01-31"]}}}}],
    ).ids

    def found(**filters: Any) -> list[str]:
        return [task.id for task in backend.tasks.find(POOL, **filters)]

    assert found(model="N") == [other]
    assert found(window="2021-01-02") == ids[:2]  # the windows of these begin on the 1st, 2nd, 3rd and stay open
    assert other in found(window="2022-01-31")
    assert other not in found(window="2022-02-01")
    backend.tasks.fail(claim(backend.tasks, wanted=ids[2]), TaskError("ValueError", "a (bad) value", permanent=True))
    assert found(error="(BAD)") == found(error="valueerror") == [ids[2]]
    assert found(error=".*") == []
    assert found(older_than=3600) == []
    assert found(older_than=0) == [*ids, other]


def test_explain_says_why_a_task_waits(backend: Backend) -> None:
    ids = create(backend.tasks, 3)

    def why(ident: str) -> str:
        return " ".join(explain(backend, backend.tasks.get(ident)))

    assert "2 waiting tasks of its pool and queue come before it" in why(ids[2])
    assert "No worker is alive" in why(ids[2])
    backend.worker_registry.heartbeat("host/1", ["gpu"], 1, Resources(cpu=1))
    assert "None of the 1 live workers serves queue 'default'" in why(ids[2])
    assert "host/1" in why(ids[2])
    backend.worker_registry.heartbeat("host/2", ["default"], 1, Resources(cpu=1))
    assert "live workers" not in why(ids[2])
    (hungry,) = backend.tasks.create_tasks("hungry", [definition(1)], requested={"gpu": 1}).ids
    assert "has gpu 1" in why(hungry)
    backend.tasks.prioritize([ids[2]], 1)
    assert "0 waiting tasks" in why(ids[2])
    backend.tasks.prioritize([ids[2]], 0)
    backend.tasks.hold([ids[0]])
    backend.tasks.next_to_notify(POOL, 64)
    assert "held" in why(ids[0])
    running = claim(backend.tasks, "host/1/2", wanted=ids[1])
    assert "host/1/2 runs it" in why(ids[1])
    expire(backend, running)
    assert "lease has run out" in why(ids[1])
    slow = replace_settings(backend, backoff_seconds=1000.0, backoff_max_seconds=1000.0)
    slow.fail(running, TaskError("E", "no data"))
    assert "no data" in why(ids[1])
    backend.tasks.cancel([ids[1]], "me")
    assert "rollq tasks retry" in why(ids[1])

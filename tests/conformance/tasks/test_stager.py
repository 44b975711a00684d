"""Staging: which tasks are next, for whom, and how many of them."""

from __future__ import annotations

import pytest

from rollq import Backend, TemplateError
from rollq.tasks.resources import Resources
from tests.pool_tasks import POOL, claim, create, definition, replace_settings


def test_claims_follow_priority_then_age(backend: Backend) -> None:
    ids = create(backend.tasks, 20)
    backend.tasks.prioritize([ids[7]], 5)
    assert claim(backend.tasks).task_id == ids[7]
    backend.notifier.top_up(POOL)
    assert claim(backend.tasks, wanted=ids[3]).task_id == ids[3]
    assert claim(backend.tasks, wanted=ids[3]).task_id in set(ids) - {ids[3], ids[7]}


def test_queues_and_held_tasks_are_respected(backend: Backend) -> None:
    (gpu,) = backend.tasks.create_tasks(POOL, [definition(100)], queue="gpu").ids
    assert backend.tasks.claim(POOL, "w", ["default"], gpu) is None
    assert claim(backend.tasks, queues=["gpu"]).task_id == gpu
    (held,) = backend.tasks.create_tasks(POOL, [definition(101)], held=True).ids
    assert backend.tasks.claim(POOL, "w", wanted=held) is None
    assert backend.tasks.unhold([held]) == 1
    assert claim(backend.tasks).task_id == held


def test_the_number_of_messages_is_bounded(backend: Backend) -> None:
    small = replace_settings(backend, max_outstanding=4)
    create(small, 20)
    assert len(small.next_to_notify(POOL, 4)) == 4
    assert small.next_to_notify(POOL, 4) == []
    claimed = [claim(small) for _ in range(2)]
    assert len(small.next_to_notify(POOL, 4)) == 2
    for one in claimed:
        small.commit(one, {})


def test_an_urgent_task_takes_the_place_of_a_lesser_one_in_a_full_window(backend: Backend) -> None:
    ids = create(backend.tasks, 20)
    backend.tasks.next_to_notify(POOL, 4)
    backend.tasks.prioritize([ids[19]], 9)
    assert backend.tasks.next_to_notify(POOL, 4) == []  # the messages that are out are enough
    notified = list(backend.store.collection("tasks").find({"stage": "notified"}))
    assert {task["_id"] for task in notified} == {*ids[:3], ids[19]}
    assert claim(backend.tasks).task_id == ids[19]


def test_a_task_that_is_created_late_with_priority_overtakes_all_but_the_window(backend: Backend) -> None:
    ids = create(backend.tasks, 3_000)
    backend.tasks.next_to_notify(POOL, 4)
    (late,) = backend.tasks.create_tasks(POOL, [definition(-1)], priority=1).ids
    claimed = []
    while late not in claimed:
        backend.tasks.next_to_notify(POOL, 4)
        claimed.append(claim(backend.tasks).task_id)
    assert len(claimed) <= 5
    assert set(claimed) - {late} <= set(ids[:4])


def test_a_window_is_never_larger_than_allowed_whatever_the_priorities(backend: Backend) -> None:
    create(backend.tasks, 30, priority=5)
    for _ in range(5):
        backend.tasks.next_to_notify(POOL, 4)
    assert backend.store.collection("tasks").count_documents({"stage": "notified"}) == 4


def test_tasks_that_nobody_serves_do_not_block_others(backend: Backend) -> None:
    backend.tasks.create_tasks(POOL, [definition(n) for n in range(100, 120)], queue="gpu", priority=9)
    ids = create(backend.tasks, 5)
    notified = backend.tasks.next_to_notify(POOL, 4)
    assert [queue for _, queue in notified].count("default") == 4
    assert claim(backend.tasks).task_id in ids


def test_a_process_takes_only_what_it_can_run(backend: Backend) -> None:
    big = create(backend.tasks, 20, requested={"mem_gb": 64, "gpu": 1})
    backend.tasks.next_to_notify(POOL, 64)
    small = Resources(cpu=1, gpu=0, mem_gb=8)
    assert backend.tasks.claim(POOL, "w", available=small) is None
    (light,) = backend.tasks.create_tasks(POOL, [definition(99)], requested={"cpu": 1, "mem_gb": 8}).ids
    assert claim(backend.tasks, available=small).task_id == light
    assert claim(backend.tasks, available=Resources(1, 1, 64)).task_id in big
    with pytest.raises(TemplateError, match=r"mem_gb"):
        create(backend.tasks, requested={"mem_bg": 1})

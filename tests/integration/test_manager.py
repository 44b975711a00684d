"""The TaskManager against a real store: identity, claims, fences, failures, losses."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from rollq import Backend, InvalidTransition, LeaseLost, NotFound, StateError, TaskManager, TaskState, TemplateError
from tasks.explain import explain
from tasks.needs import Needs
from tasks.states import TRANSITIONS, check_transition
from tasks.task import Claim, TaskError

POOL = "pool"


def definition(number: int) -> dict[str, Any]:
    segments = {"train": ["2020-01-01", "2020-06-30"], "test": [f"2021-01-{number % 28 + 1:02}", None]}
    return {
        "model": {"class": "M", "kwargs": {"n": number}},
        "dataset": {"kwargs": {"segments": segments}},
        "record": [],
    }


def create(manager: TaskManager, count: int = 1, **options: Any) -> list[str]:
    return list(manager.create_tasks(POOL, [definition(n) for n in range(count)], **options).ids)


def claim(manager: TaskManager, worker: str = "w", **options: Any) -> Claim:
    found = manager.claim(POOL, worker, **options)
    assert found
    return found


def expire(backend: Backend, claimed: Claim) -> None:
    """Age the lease, not the clock."""
    tasks = backend.store.collection("tasks")
    tasks.update_one(
        {"_id": claimed.task_id},
        [{"$set": {"lease.expires_at": {"$dateSubtract": {"startDate": "$$NOW", "unit": "second", "amount": 1}}}}],
    )


def test_creating_twice_makes_nothing_twice(backend: Backend) -> None:
    first = backend.manager.create_tasks(POOL, [definition(1), definition(2), definition(1)])
    turned = [dict(reversed(definition(n).items())) for n in (1, 2)]
    second = backend.manager.create_tasks(POOL, turned)
    assert (first.new, second.new) == (2, 0)
    assert first.ids[:2] == second.ids
    assert len(backend.manager.find(POOL)) == 2


def test_two_managers_creating_at_once_make_one_of_each(backend: Backend) -> None:
    found: list[Any] = []
    others = [Backend.of(backend.settings) for _ in range(4)]
    threads = [
        threading.Thread(
            target=lambda b=b: found.append(b.manager.create_tasks(POOL, [definition(n) for n in range(50)]))
        )
        for b in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.store.close()
        other.app.close()
    assert sum(created.new for created in found) == 50
    assert len({created.ids for created in found}) == 1
    assert len(backend.manager.find(POOL)) == 50


def test_identity_is_unique_in_the_database(backend: Backend) -> None:
    from pymongo.errors import DuplicateKeyError

    create(backend.manager)
    tasks = backend.store.collection("tasks")
    document = tasks.find_one({})
    assert document
    with pytest.raises(DuplicateKeyError):
        tasks.insert_one({**document, "_id": "other"})


def test_a_value_that_cannot_be_stored_is_named(backend: Backend) -> None:
    with pytest.raises(TemplateError, match=r"model\.kwargs\.n"):
        backend.manager.create_tasks(POOL, [{"model": {"kwargs": {"n": float("nan")}}}])
    assert backend.manager.find(POOL) == []


def test_claim_commit(backend: Backend) -> None:
    (ident,) = create(backend.manager)
    claimed = claim(backend.manager)
    assert backend.manager.claim(POOL, "other") is None
    backend.manager.commit(claimed, {"recorder_id": "$r", "metrics": {"Rank IC": 0.1}})
    task = backend.manager.get(ident)
    assert (task.status, task.fence, task.attempts) == (TaskState.DONE, 1, 1)
    assert task.result == {"recorder_id": "$r", "metrics": {"Rank IC": 0.1}}
    assert [(t.start, t.end) for t in task.history] == [
        (None, "WAITING"),
        ("WAITING", "RUNNING"),
        ("RUNNING", "DONE"),
    ]
    backend.manager.commit(claimed, {"recorder_id": "again"})  # the same claim: harmless
    assert backend.manager.get(ident).result == task.result


def test_claims_follow_priority_then_age(backend: Backend) -> None:
    ids = create(backend.manager, 20)
    backend.manager.prioritize([ids[7]], 5)
    assert claim(backend.manager).task_id == ids[7]
    backend.doorbell.top_up(POOL)
    assert claim(backend.manager, wanted=ids[3]).task_id == ids[3]
    assert claim(backend.manager, wanted=ids[3]).task_id in set(ids) - {ids[3], ids[7]}


def test_queues_and_held_tasks_are_respected(backend: Backend) -> None:
    (gpu,) = backend.manager.create_tasks(POOL, [definition(100)], queue="gpu").ids
    assert backend.manager.claim(POOL, "w", ["default"], gpu) is None
    assert claim(backend.manager, queues=["gpu"]).task_id == gpu
    (held,) = backend.manager.create_tasks(POOL, [definition(101)], held=True).ids
    assert backend.manager.claim(POOL, "w", wanted=held) is None
    assert backend.manager.unhold([held]) == 1
    assert claim(backend.manager).task_id == held


def test_eight_threads_claim_each_task_once(backend: Backend) -> None:
    create(backend.manager, 100)
    taken: list[str] = []

    def work(name: str) -> None:
        while found := backend.manager.claim(POOL, name):
            taken.append(found.task_id)
            backend.manager.commit(found, {})

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 100


def test_a_stale_holder_is_refused_everywhere(backend: Backend) -> None:
    create(backend.manager)
    stale = claim(backend.manager, "stale")
    expire(backend, stale)
    (taken,) = backend.manager.reclaim("sweeper")
    assert taken.status is TaskState.WAITING
    fresh = claim(backend.manager, "fresh")
    assert fresh.fence > stale.fence
    for write in (
        lambda: backend.manager.renew(stale),
        lambda: backend.manager.commit(stale, {}),
        lambda: backend.manager.fail(stale, TaskError("E", "m")),
        lambda: backend.manager.release(stale, "x"),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert not backend.manager.holds(stale)
    backend.manager.renew(fresh)
    backend.manager.commit(fresh, {"by": "fresh"})
    with pytest.raises(LeaseLost):
        backend.manager.commit(stale, {"by": "stale"})
    assert backend.manager.get(fresh.task_id).result == {"by": "fresh"}


def test_a_live_lease_is_not_reclaimed(backend: Backend) -> None:
    create(backend.manager)
    claimed = claim(backend.manager)
    assert backend.manager.reclaim("sweeper") == []
    time.sleep(1.2)
    backend.manager.renew(claimed)
    time.sleep(1.2)  # longer than the lease since the claim, shorter since it was renewed
    assert backend.manager.reclaim("sweeper") == []
    assert backend.manager.holds(claimed)


def test_a_dead_worker_need_not_be_waited_for(backend: Backend) -> None:
    create(backend.manager, 2)
    dead, alive = claim(backend.manager, "host/1/2"), claim(backend.manager, "host/1/3")
    (taken,) = backend.manager.reclaim("sweeper", ["host/1/2"])
    assert taken.id == dead.task_id
    assert backend.manager.holds(alive)


def test_a_poison_pill_is_quarantined(backend: Backend) -> None:
    (ident,) = create(backend.manager)
    for _ in range(backend.settings.max_worker_losses):
        expire(backend, claim(backend.manager))
        backend.manager.reclaim("sweeper")
    task = backend.manager.get(ident)
    assert task.status is TaskState.QUARANTINED
    assert "lost" in (task.error or {})["message"]
    assert backend.manager.claim(POOL, "w") is None


def test_failures_are_tried_again_then_final(backend: Backend) -> None:
    (ident,) = create(backend.manager)
    error = TaskError("ValueError", "$bad", "trace")
    states = [backend.manager.fail(claim(backend.manager), error) for _ in range(backend.settings.max_attempts)]
    assert states == [TaskState.WAITING, TaskState.WAITING, TaskState.FAILED]
    task = backend.manager.get(ident)
    assert (task.error or {})["message"] == "$bad"
    assert backend.manager.claim(POOL, "w") is None
    assert backend.manager.retry([ident], "me") == [ident]
    assert claim(backend.manager).failures == 0


def test_a_permanent_error_fails_at_once(backend: Backend) -> None:
    create(backend.manager)
    assert backend.manager.fail(claim(backend.manager), TaskError("DataError", "m", permanent=True)) is TaskState.FAILED


def test_backoff_keeps_a_failed_task_waiting(backend: Backend) -> None:
    slow = replace_settings(backend, backoff_seconds=1000.0, backoff_max_seconds=1000.0)
    create(slow)
    slow.fail(claim(slow), TaskError("E", "m"))
    assert slow.claim(POOL, "w") is None


def replace_settings(backend: Backend, **changes: Any) -> TaskManager:
    return TaskManager(backend.store, backend.settings.model_copy(update=changes))


def test_release_gives_back_untried(backend: Backend) -> None:
    (ident,) = create(backend.manager)
    backend.manager.release(claim(backend.manager), "stopping")
    task = backend.manager.get(ident)
    assert (task.status, task.failures, task.losses) == (TaskState.WAITING, 0, 0)


def test_cancel_reaches_waiting_and_running_but_not_done(backend: Backend) -> None:
    ids = create(backend.manager, 3)
    done = claim(backend.manager)
    backend.manager.commit(done, {})
    running = claim(backend.manager)
    assert set(backend.manager.cancel(ids, "me")) == set(ids) - {done.task_id}
    with pytest.raises(LeaseLost):
        backend.manager.commit(running, {})


def test_get_by_prefix(backend: Backend) -> None:
    ids = create(backend.manager, 2)
    assert backend.manager.get(ids[0][:10]).id == ids[0]
    for wrong in ("ffffffffffff", "xyz", "", "$where"):
        with pytest.raises(NotFound):
            backend.manager.get(wrong)
    backend.store.collection("tasks").insert_many(
        [{**backend.store.collection("tasks").find_one({}), "_id": f"abcd{n}", "key": str(n)} for n in range(2)]
    )
    with pytest.raises(StateError):
        backend.manager.get("abcd")


def test_the_window_of_messages_is_bounded(backend: Backend) -> None:
    small = replace_settings(backend, max_outstanding=4)
    create(small, 20)
    assert len(small.next_to_ring(POOL, 4)) == 4
    assert small.next_to_ring(POOL, 4) == []
    claimed = [claim(small) for _ in range(2)]
    assert len(small.next_to_ring(POOL, 4)) == 2
    for one in claimed:
        small.commit(one, {})


def test_an_urgent_task_takes_the_place_of_a_lesser_one_in_a_full_window(backend: Backend) -> None:
    ids = create(backend.manager, 20)
    backend.manager.next_to_ring(POOL, 4)
    backend.manager.prioritize([ids[19]], 9)
    assert backend.manager.next_to_ring(POOL, 4) == []  # the messages that are out are enough
    rung = list(backend.store.collection("tasks").find({"stage": "rung"}))
    assert {task["_id"] for task in rung} == {*ids[:3], ids[19]}
    assert claim(backend.manager).task_id == ids[19]


def test_a_task_that_is_created_late_with_priority_overtakes_all_but_the_window(backend: Backend) -> None:
    ids = create(backend.manager, 3_000)
    backend.manager.next_to_ring(POOL, 4)
    (late,) = backend.manager.create_tasks(POOL, [definition(-1)], priority=1).ids
    claimed = []
    while late not in claimed:
        backend.manager.next_to_ring(POOL, 4)
        claimed.append(claim(backend.manager).task_id)
    assert len(claimed) <= 5
    assert set(claimed) - {late} <= set(ids[:4])


def test_a_window_is_never_larger_than_allowed_whatever_the_priorities(backend: Backend) -> None:
    create(backend.manager, 30, priority=5)
    for _ in range(5):
        backend.manager.next_to_ring(POOL, 4)
    assert backend.store.collection("tasks").count_documents({"stage": "rung"}) == 4


def test_tasks_that_nobody_serves_do_not_block_others(backend: Backend) -> None:
    backend.manager.create_tasks(POOL, [definition(n) for n in range(100, 120)], queue="gpu", priority=9)
    ids = create(backend.manager, 5)
    rung = backend.manager.next_to_ring(POOL, 4)
    assert [queue for _, queue in rung].count("default") == 4
    assert claim(backend.manager).task_id in ids


def test_a_process_takes_only_what_it_can_run(backend: Backend) -> None:
    big = create(backend.manager, 20, needs={"mem_gb": 64, "gpu": 1})
    backend.manager.next_to_ring(POOL, 64)
    small = Needs(cpu=1, gpu=0, mem_gb=8)
    assert backend.manager.claim(POOL, "w", offer=small) is None
    (light,) = backend.manager.create_tasks(POOL, [definition(99)], needs={"cpu": 1, "mem_gb": 8}).ids
    assert claim(backend.manager, offer=small).task_id == light
    assert claim(backend.manager, offer=Needs(1, 1, 64)).task_id in big
    with pytest.raises(TemplateError, match=r"mem_gb"):
        create(backend.manager, needs={"mem_bg": 1})


def test_a_finished_task_is_trained_anew_only_when_asked(backend: Backend) -> None:
    (ident,) = create(backend.manager)
    first = claim(backend.manager)
    backend.manager.commit(first, {"n": 1})
    assert backend.manager.retry([ident], "me") == []
    assert backend.manager.retry([ident], "me", done=True, held=True) == [ident]
    assert backend.manager.claim(POOL, "w") is None
    backend.manager.unhold([ident])
    second = claim(backend.manager)
    with pytest.raises(LeaseLost):
        backend.manager.commit(first, {"n": 1})
    backend.manager.commit(second, {"n": 2})
    assert backend.manager.get(ident).result == {"n": 2}


def test_a_lost_worker_leaves_its_last_words(backend: Backend) -> None:
    manager = replace_settings(backend, max_worker_losses=1)
    (ident,) = create(manager)
    manager.renew(claim(manager, "host/1/2"), memory_mb=512.0)
    manager.reclaim("sweeper", {"host/1/2": "signal 9 (SIGKILL)"})
    error = manager.get(ident).error or {}
    assert (error["signal"], error["memory_mb"]) == ("signal 9 (SIGKILL)", 512.0)
    assert "SIGKILL" in error["message"]
    assert "512 MB" in error["message"]


@pytest.mark.parametrize("start", list(TaskState))
@pytest.mark.parametrize("end", list(TaskState))
def test_only_the_table_is_legal(start: TaskState, end: TaskState) -> None:
    if end in TRANSITIONS[start]:
        check_transition(start, end)
    else:
        with pytest.raises(InvalidTransition):
            check_transition(start, end)


def test_held_tasks_are_not_claimed_until_they_are_let_go(backend: Backend) -> None:
    ids = create(backend.manager, 2)
    running = claim(backend.manager, wanted=ids[0])
    assert backend.manager.hold(ids) == 1
    assert backend.manager.claim(POOL, "w") is None
    backend.manager.commit(running, {})
    assert backend.manager.unhold(ids) == 1
    assert claim(backend.manager).task_id == ids[1]


def test_removing_spares_what_runs(backend: Backend) -> None:
    ids = create(backend.manager, 3)
    running = claim(backend.manager, wanted=ids[1])
    assert backend.manager.remove([*ids, "ffff"]) == [ids[0], ids[2]]
    backend.manager.commit(running, {})
    assert [task.id for task in backend.manager.find(POOL)] == [ids[1]]


def test_tasks_are_found_by_window_model_age_and_error(backend: Backend) -> None:
    ids = create(backend.manager, 3)
    (other,) = backend.manager.create_tasks(
        POOL,
        [{"model": {"class": "N"}, "dataset": {"kwargs": {"segments": {"test": ["2022-01-03", "2022-01-31"]}}}}],
    ).ids

    def found(**filters: Any) -> list[str]:
        return [task.id for task in backend.manager.find(POOL, **filters)]

    assert found(model="N") == [other]
    assert found(window="2021-01-02") == ids[:2]  # the windows of these begin on the 1st, 2nd, 3rd and stay open
    assert other in found(window="2022-01-31")
    assert other not in found(window="2022-02-01")
    backend.manager.fail(
        claim(backend.manager, wanted=ids[2]), TaskError("ValueError", "a (bad) value", permanent=True)
    )
    assert found(error="(BAD)") == found(error="valueerror") == [ids[2]]
    assert found(error=".*") == []
    assert found(older_than=3600) == []
    assert found(older_than=0) == [*ids, other]


def test_explain_says_why_a_task_waits(backend: Backend) -> None:
    ids = create(backend.manager, 3)

    def why(ident: str) -> str:
        return " ".join(explain(backend, backend.manager.get(ident)))

    assert "2 waiting tasks of its pool come before it" in why(ids[2])
    assert "start a worker" in why(ids[2])
    backend.manager.prioritize([ids[2]], 1)
    assert "0 waiting tasks" in why(ids[2])
    backend.manager.prioritize([ids[2]], 0)
    backend.manager.hold([ids[0]])
    backend.manager.next_to_ring(POOL, 64)
    assert "held" in why(ids[0])
    running = claim(backend.manager, "host/1/2", wanted=ids[1])
    assert "host/1/2 runs it" in why(ids[1])
    expire(backend, running)
    assert "lease has run out" in why(ids[1])
    slow = replace_settings(backend, backoff_seconds=1000.0, backoff_max_seconds=1000.0)
    slow.fail(running, TaskError("E", "no data"))
    assert "no data" in why(ids[1])
    backend.manager.cancel([ids[1]], "me")
    assert "rollq tasks retry" in why(ids[1])

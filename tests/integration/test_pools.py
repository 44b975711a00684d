"""The task pools against a real store: identity, claims, fences, failures, losses."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from rollq import Backend, InvalidTransition, LeaseLost, NotFound, StateError, TaskPools, TaskState, TemplateError
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


def create(tasks: TaskPools, count: int = 1, **options: Any) -> list[str]:
    return list(tasks.create_tasks(POOL, [definition(n) for n in range(count)], **options).ids)


def claim(tasks: TaskPools, worker: str = "w", **options: Any) -> Claim:
    found = tasks.claim(POOL, worker, **options)
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
    first = backend.tasks.create_tasks(POOL, [definition(1), definition(2), definition(1)])
    turned = [dict(reversed(definition(n).items())) for n in (1, 2)]
    second = backend.tasks.create_tasks(POOL, turned)
    assert (first.new, second.new) == (2, 0)
    assert first.ids[:2] == second.ids
    assert len(backend.tasks.find(POOL)) == 2


def test_two_managers_creating_at_once_make_one_of_each(backend: Backend) -> None:
    found: list[Any] = []
    others = [Backend.of(backend.settings) for _ in range(4)]
    threads = [
        threading.Thread(
            target=lambda b=b: found.append(b.tasks.create_tasks(POOL, [definition(n) for n in range(50)]))
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
    assert len(backend.tasks.find(POOL)) == 50


def test_identity_is_unique_in_the_database(backend: Backend) -> None:
    from pymongo.errors import DuplicateKeyError

    create(backend.tasks)
    tasks = backend.store.collection("tasks")
    document = tasks.find_one({})
    assert document
    with pytest.raises(DuplicateKeyError):
        tasks.insert_one({**document, "_id": "other"})


def test_a_value_that_cannot_be_stored_is_named(backend: Backend) -> None:
    with pytest.raises(TemplateError, match=r"model\.kwargs\.n"):
        backend.tasks.create_tasks(POOL, [{"model": {"kwargs": {"n": float("nan")}}}])
    assert backend.tasks.find(POOL) == []


def test_claim_commit(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    claimed = claim(backend.tasks)
    assert backend.tasks.claim(POOL, "other") is None
    backend.tasks.commit(claimed, {"recorder_id": "$r", "metrics": {"Rank IC": 0.1}})
    task = backend.tasks.get(ident)
    assert (task.status, task.fence, task.attempts) == (TaskState.DONE, 1, 1)
    assert task.result == {"recorder_id": "$r", "metrics": {"Rank IC": 0.1}}
    assert [(t.start, t.end) for t in task.history] == [
        (None, "WAITING"),
        ("WAITING", "RUNNING"),
        ("RUNNING", "DONE"),
    ]
    backend.tasks.commit(claimed, {"recorder_id": "again"})  # the same claim: harmless
    assert backend.tasks.get(ident).result == task.result


def test_claims_follow_priority_then_age(backend: Backend) -> None:
    ids = create(backend.tasks, 20)
    backend.tasks.prioritize([ids[7]], 5)
    assert claim(backend.tasks).task_id == ids[7]
    backend.doorbell.top_up(POOL)
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


def test_eight_threads_claim_each_task_once(backend: Backend) -> None:
    create(backend.tasks, 100)
    taken: list[str] = []

    def work(name: str) -> None:
        while found := backend.tasks.claim(POOL, name):
            taken.append(found.task_id)
            backend.tasks.commit(found, {})

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 100


def test_a_stale_holder_is_refused_everywhere(backend: Backend) -> None:
    create(backend.tasks)
    stale = claim(backend.tasks, "stale")
    expire(backend, stale)
    (taken,) = backend.tasks.reclaim("sweeper")
    assert taken.status is TaskState.WAITING
    fresh = claim(backend.tasks, "fresh")
    assert fresh.fence > stale.fence
    for write in (
        lambda: backend.tasks.renew(stale),
        lambda: backend.tasks.commit(stale, {}),
        lambda: backend.tasks.fail(stale, TaskError("E", "m")),
        lambda: backend.tasks.release(stale, "x"),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert not backend.tasks.holds(stale)
    backend.tasks.renew(fresh)
    backend.tasks.commit(fresh, {"by": "fresh"})
    with pytest.raises(LeaseLost):
        backend.tasks.commit(stale, {"by": "stale"})
    assert backend.tasks.get(fresh.task_id).result == {"by": "fresh"}


def test_a_live_lease_is_not_reclaimed(backend: Backend) -> None:
    create(backend.tasks)
    claimed = claim(backend.tasks)
    assert backend.tasks.reclaim("sweeper") == []
    time.sleep(1.2)
    backend.tasks.renew(claimed)
    time.sleep(1.2)  # longer than the lease since the claim, shorter since it was renewed
    assert backend.tasks.reclaim("sweeper") == []
    assert backend.tasks.holds(claimed)


def test_a_dead_worker_need_not_be_waited_for(backend: Backend) -> None:
    create(backend.tasks, 2)
    dead, alive = claim(backend.tasks, "host/1/2"), claim(backend.tasks, "host/1/3")
    (taken,) = backend.tasks.reclaim("sweeper", ["host/1/2"])
    assert taken.id == dead.task_id
    assert backend.tasks.holds(alive)


def test_a_poison_pill_is_quarantined(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    for _ in range(backend.settings.max_worker_losses):
        expire(backend, claim(backend.tasks))
        backend.tasks.reclaim("sweeper")
    task = backend.tasks.get(ident)
    assert task.status is TaskState.QUARANTINED
    assert "lost" in (task.error or {})["message"]
    assert backend.tasks.claim(POOL, "w") is None


def test_failures_are_tried_again_then_final(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    error = TaskError("ValueError", "$bad", "trace")
    states = [backend.tasks.fail(claim(backend.tasks), error) for _ in range(backend.settings.max_attempts)]
    assert states == [TaskState.WAITING, TaskState.WAITING, TaskState.FAILED]
    task = backend.tasks.get(ident)
    assert (task.error or {})["message"] == "$bad"
    assert backend.tasks.claim(POOL, "w") is None
    assert backend.tasks.retry([ident], "me") == [ident]
    assert claim(backend.tasks).failures == 0


def test_a_permanent_error_fails_at_once(backend: Backend) -> None:
    create(backend.tasks)
    assert backend.tasks.fail(claim(backend.tasks), TaskError("DataError", "m", permanent=True)) is TaskState.FAILED


def test_backoff_keeps_a_failed_task_waiting(backend: Backend) -> None:
    slow = replace_settings(backend, backoff_seconds=1000.0, backoff_max_seconds=1000.0)
    create(slow)
    slow.fail(claim(slow), TaskError("E", "m"))
    assert slow.claim(POOL, "w") is None


def replace_settings(backend: Backend, **changes: Any) -> TaskPools:
    return TaskPools(backend.store, backend.settings.model_copy(update=changes))


def test_release_gives_back_untried(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    backend.tasks.release(claim(backend.tasks), "stopping")
    task = backend.tasks.get(ident)
    assert (task.status, task.failures, task.losses) == (TaskState.WAITING, 0, 0)


def test_cancel_reaches_waiting_and_running_but_not_done(backend: Backend) -> None:
    ids = create(backend.tasks, 3)
    done = claim(backend.tasks)
    backend.tasks.commit(done, {})
    running = claim(backend.tasks)
    assert set(backend.tasks.cancel(ids, "me")) == set(ids) - {done.task_id}
    with pytest.raises(LeaseLost):
        backend.tasks.commit(running, {})


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
    ids = create(backend.tasks, 20)
    backend.tasks.next_to_ring(POOL, 4)
    backend.tasks.prioritize([ids[19]], 9)
    assert backend.tasks.next_to_ring(POOL, 4) == []  # the messages that are out are enough
    rung = list(backend.store.collection("tasks").find({"stage": "rung"}))
    assert {task["_id"] for task in rung} == {*ids[:3], ids[19]}
    assert claim(backend.tasks).task_id == ids[19]


def test_a_task_that_is_created_late_with_priority_overtakes_all_but_the_window(backend: Backend) -> None:
    ids = create(backend.tasks, 3_000)
    backend.tasks.next_to_ring(POOL, 4)
    (late,) = backend.tasks.create_tasks(POOL, [definition(-1)], priority=1).ids
    claimed = []
    while late not in claimed:
        backend.tasks.next_to_ring(POOL, 4)
        claimed.append(claim(backend.tasks).task_id)
    assert len(claimed) <= 5
    assert set(claimed) - {late} <= set(ids[:4])


def test_a_window_is_never_larger_than_allowed_whatever_the_priorities(backend: Backend) -> None:
    create(backend.tasks, 30, priority=5)
    for _ in range(5):
        backend.tasks.next_to_ring(POOL, 4)
    assert backend.store.collection("tasks").count_documents({"stage": "rung"}) == 4


def test_tasks_that_nobody_serves_do_not_block_others(backend: Backend) -> None:
    backend.tasks.create_tasks(POOL, [definition(n) for n in range(100, 120)], queue="gpu", priority=9)
    ids = create(backend.tasks, 5)
    rung = backend.tasks.next_to_ring(POOL, 4)
    assert [queue for _, queue in rung].count("default") == 4
    assert claim(backend.tasks).task_id in ids


def test_a_process_takes_only_what_it_can_run(backend: Backend) -> None:
    big = create(backend.tasks, 20, needs={"mem_gb": 64, "gpu": 1})
    backend.tasks.next_to_ring(POOL, 64)
    small = Needs(cpu=1, gpu=0, mem_gb=8)
    assert backend.tasks.claim(POOL, "w", offer=small) is None
    (light,) = backend.tasks.create_tasks(POOL, [definition(99)], needs={"cpu": 1, "mem_gb": 8}).ids
    assert claim(backend.tasks, offer=small).task_id == light
    assert claim(backend.tasks, offer=Needs(1, 1, 64)).task_id in big
    with pytest.raises(TemplateError, match=r"mem_gb"):
        create(backend.tasks, needs={"mem_bg": 1})


def test_a_finished_task_is_trained_anew_only_when_asked(backend: Backend) -> None:
    (ident,) = create(backend.tasks)
    first = claim(backend.tasks)
    backend.tasks.commit(first, {"n": 1})
    assert backend.tasks.retry([ident], "me") == []
    assert backend.tasks.retry([ident], "me", done=True, held=True) == [ident]
    assert backend.tasks.claim(POOL, "w") is None
    backend.tasks.unhold([ident])
    second = claim(backend.tasks)
    with pytest.raises(LeaseLost):
        backend.tasks.commit(first, {"n": 1})
    backend.tasks.commit(second, {"n": 2})
    assert backend.tasks.get(ident).result == {"n": 2}


def test_a_lost_worker_leaves_its_last_words(backend: Backend) -> None:
    tasks = replace_settings(backend, max_worker_losses=1)
    (ident,) = create(tasks)
    tasks.renew(claim(tasks, "host/1/2"), memory_mb=512.0)
    tasks.reclaim("sweeper", {"host/1/2": "signal 9 (SIGKILL)"})
    error = tasks.get(ident).error or {}
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
    ids = create(backend.tasks, 2)
    running = claim(backend.tasks, wanted=ids[0])
    assert backend.tasks.hold(ids) == 1
    assert backend.tasks.claim(POOL, "w") is None
    backend.tasks.commit(running, {})
    assert backend.tasks.unhold(ids) == 1
    assert claim(backend.tasks).task_id == ids[1]


def test_removing_spares_what_runs(backend: Backend) -> None:
    ids = create(backend.tasks, 3)
    running = claim(backend.tasks, wanted=ids[1])
    assert backend.tasks.remove([*ids, "ffff"]) == [ids[0], ids[2]]
    backend.tasks.commit(running, {})
    assert [task.id for task in backend.tasks.find(POOL)] == [ids[1]]


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

    assert "2 waiting tasks of its pool come before it" in why(ids[2])
    assert "start a worker" in why(ids[2])
    backend.tasks.prioritize([ids[2]], 1)
    assert "0 waiting tasks" in why(ids[2])
    backend.tasks.prioritize([ids[2]], 0)
    backend.tasks.hold([ids[0]])
    backend.tasks.next_to_ring(POOL, 64)
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

"""TaskManager and run_task: what Qlib's users call, with leases under it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from rollq import (
    Backend,
    BadInput,
    InvalidTransition,
    LeaseLost,
    NotFound,
    StateError,
    TaskManager,
    TaskState,
    Unavailable,
    run_task,
)
from rollq.tasks.queue.prefetch import claim_on
from rollq.tasks.rounds.purpose import Serve
from tests.acceptance.processes.worker_processes import wait_until
from tests.pool_tasks import definition, expire

POOL = "pool"


@pytest.fixture
def manager(backend: Backend) -> TaskManager:
    return TaskManager(POOL, backend)


def make(manager: TaskManager, count: int, **options: Any) -> list[str]:
    return manager.create_task([definition(number) for number in range(count)], **options)


def states(manager: TaskManager) -> dict[str, int]:
    return {str(state): count for state, count in manager.task_stat().items() if count}


def test_creating_again_gives_the_same_ids_and_a_dry_run_changes_nothing(manager: TaskManager) -> None:
    tried = make(manager, 3, dry_run=True, print_nt=True)
    assert states(manager) == {}
    assert make(manager, 3) == tried == make(manager, 3)
    assert manager.insert_task(definition(1)) == tried[1]
    assert states(manager) == {"WAITING": 3}
    assert TaskManager.list(manager.backend) == [POOL]
    assert manager.backend.notifier.depth("default") > 0, "workers were notified"


def test_a_pool_shows_its_own_tasks_only(manager: TaskManager) -> None:
    make(manager, 1)
    other = TaskManager("other", manager.backend)
    (ident,) = make(other, 1)
    with pytest.raises(NotFound, match="pool 'other'"):
        manager.re_query(ident)
    assert other.re_query(ident)["_id"] == ident
    assert [task.pool for task in manager.query()] == [POOL]


def test_queries_in_the_form_of_the_reference(manager: TaskManager) -> None:
    ids = make(manager, 4)
    assert [task.id for task in manager.query({"filter.model.kwargs.n": {"$gte": 2}})] == ids[2:]
    assert [task["_id"] for task in manager.query({"_id": {"$in": [ids[0], ids[3]]}})] == [ids[0], ids[3]]
    assert manager.task_stat({"status": "waiting"})[TaskState.WAITING] == 4
    assert len(list(manager.query({"$or": [{"_id": ids[0]}, {"def.model.kwargs.n": 1}]}))) == 2
    first = next(manager.query())
    assert first["def"] == first["filter"] == definition(0)
    for wrong in (
        {"$where": "1"},
        {"history": 1},
        {"_id": {"$regex": "x"}},
        {"status": "sleeping"},
        {"$or": []},
        {"def.$x": 1},
        [1],
    ):
        with pytest.raises(BadInput):
            list(manager.query(wrong))  # type: ignore[arg-type]


def test_dates_in_queries_are_compared_as_they_are_stored(manager: TaskManager) -> None:
    days = [pd.Timestamp("2021-01-01") + pd.Timedelta(days=number) for number in range(3)]
    ids = manager.create_task(
        [{"dataset": {"kwargs": {"segments": {"train": (days[0], None), "test": (day, days[2])}}}} for day in days]
    )
    test = "filter.dataset.kwargs.segments.test"
    assert [task.id for task in manager.query({test: (days[1], days[2])})] == [ids[1]]
    assert [task.id for task in manager.query({f"{test}.0": {"$gte": days[1]}})] == ids[1:]
    assert [task.id for task in manager.query({"segments.test.0": {"$lt": days[1].to_pydatetime()}})] == ids[:1]
    asked = {"dataset": {"kwargs": {"segments": {"test": (days[1], days[2]), "train": (days[0], None)}}}}
    for name in ("def", "filter"):
        assert [task.id for task in manager.query({name: asked})] == [ids[1]], "in whatever order of its keys"


def test_a_task_is_read_like_a_document(manager: TaskManager) -> None:
    (ident,) = make(manager, 1)
    task = manager.re_query(_id=ident)
    assert isinstance(task["def"], dict)
    assert (
        dict(task)
        == dict(task.items())
        == {
            "_id": ident,
            "def": definition(0),
            "filter": definition(0),
            "status": "WAITING",
            "priority": 0,
        }
    )
    assert ("res" in task, "status" in task, "pool" in task, "nothing" in task) == (False, True, True, False)
    assert (task.get("res", 3), task.get("nothing", 4), task.get("_id")) == (None, 4, ident)
    with pytest.raises(KeyError):
        task["get"]
    run_task(lambda given: {"ic": 0.5}, POOL, backend=manager.backend)
    (stored,) = manager.query({"_id": ident}, decode=False)
    assert isinstance(stored, dict)
    assert (stored["def"], stored["res"], stored["status"], stored["_id"]) == (
        definition(0),
        {"ic": 0.5},
        "DONE",
        ident,
    )
    assert "res" in manager.re_query(stored)
    counts = manager.task_stat()
    assert (counts["done"], counts[TaskManager.STATUS_DONE], counts.get("waiting", 9), counts.get("x", 9)) == (
        1,
        1,
        0,
        9,
    )


def test_documents_are_inserted(manager: TaskManager) -> None:
    made = manager.insert_task({"def": definition(1), "filter": definition(1), "status": "waiting", "priority": 7})
    assert (made.inserted_id, manager.re_query(made).priority) == (made, 7)
    assert manager.insert_task_def(definition(1)).inserted_id == made
    assert manager.re_query(made)["def"] == definition(1)
    for wrong in ({"def": {}, "status": "done"}, {"def": {}, "res": {}}):
        with pytest.raises(BadInput):
            manager.insert_task(wrong)
    new = manager.replace_task(dict(manager.re_query(made)), {"def": definition(2), "priority": 3})
    assert (manager.re_query(new)["def"], manager.re_query(new).priority) == (definition(2), 3)
    assert manager.prioritize({"_id": new}, 4) == 1
    assert manager.re_query(new).priority == 4


def test_fetch_and_commit(manager: TaskManager) -> None:
    ids = make(manager, 3)
    manager.prioritize(ids[2], 5)
    task = manager.fetch_task()
    assert task
    assert (task.id, task.status, task.worker is not None) == (ids[2], TaskState.RUNNING, True)
    manager.commit_task_res(task, {"ic": 0.5})
    assert manager.re_query(task)["res"] == {"ic": 0.5}
    chosen = manager.fetch_task({"_id": ids[1]})
    assert chosen
    assert chosen.id == ids[1]
    manager.return_task(chosen)
    assert states(manager) == {"WAITING": 2, "DONE": 1}
    with pytest.raises(LeaseLost):
        manager.commit_task_res(chosen, {})
    with pytest.raises(BadInput, match="mapping"):
        manager.commit_task_res(task, 3)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="FAILED"):
        manager.commit_task_res(task, {}, "FAILED")


def test_safe_fetch_returns_what_was_not_committed(manager: TaskManager) -> None:
    (ident,) = make(manager, 1)
    with pytest.raises(KeyboardInterrupt), manager.safe_fetch_task():
        raise KeyboardInterrupt
    assert states(manager) == {"WAITING": 1}
    with manager.safe_fetch_task() as task:
        assert task
    assert states(manager) == {"WAITING": 1}, "a block that forgets to commit leaves nothing RUNNING"
    with manager.safe_fetch_task() as task:
        assert task
        manager.commit_task_res(task, {})
    assert manager.re_query(ident).failures == 0
    with manager.safe_fetch_task() as task:
        assert task is None


def test_safe_fetch_renews_the_lease(manager: TaskManager) -> None:
    make(manager, 1)
    with manager.safe_fetch_task() as task:
        assert task
        time.sleep(manager.backend.settings.lease_seconds * 1.5)
        assert manager.reset_waiting() == []
        manager.commit_task_res(task, {})
    assert states(manager) == {"DONE": 1}


def test_run_task_renews_the_lease_that_the_settings_name(manager: TaskManager) -> None:
    make(manager, 1)
    taken_back: list[str] = []

    def slow(task: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(manager.backend.settings.lease_seconds * 1.5)
        taken_back.extend(manager.reset_waiting())
        return {}

    assert run_task(slow, POOL, backend=manager.backend) == 1
    assert taken_back == []
    assert states(manager) == {"DONE": 1}


def test_the_iterator_takes_every_task_once(manager: TaskManager) -> None:
    ids = make(manager, 5)
    seen = []
    for task in manager.task_fetcher_iter():
        seen.append(task.id)
        manager.commit_task_res(task, {})
    assert sorted(seen) == sorted(ids)


def test_reset_waiting_never_touches_a_live_task(manager: TaskManager) -> None:
    make(manager, 2)
    live, dead = manager.fetch_task(), manager.fetch_task()
    assert live
    assert dead
    expire(manager.backend, claim_on(dead))
    assert manager.reset_waiting({"_id": live.id}) == []
    assert manager.reset_waiting() == [dead.id]
    assert manager.re_query(live).status is TaskState.RUNNING


def test_reset_status_follows_the_table(manager: TaskManager) -> None:
    ids = make(manager, 3)
    done, running = manager.fetch_task({"_id": ids[0]}), manager.fetch_task({"_id": ids[1]})
    assert done
    assert running
    manager.commit_task_res(done, {"n": 1})
    assert manager.reset_status({"_id": ids[2]}, "cancelled") == [ids[2]]
    assert sorted(manager.reset_status(None, "waiting")) == sorted([ids[0], ids[2]])
    assert manager.re_query(ids[0]).committed == {"n": 1}, "it counts until there is a new one"
    assert manager.re_query(running).status is TaskState.RUNNING
    with pytest.raises(InvalidTransition):
        manager.reset_status(None, "DONE")


def test_remove_and_replace(manager: TaskManager) -> None:
    ids = make(manager, 3)
    round_id = manager.backend.rounds.create(POOL, ids, Serve())
    manager.backend.tasks.join_round(ids, round_id)
    running = manager.fetch_task({"_id": ids[0]})
    with pytest.raises(StateError, match="Cancel it first"):
        manager.replace_task(ids[0], definition(10))
    new = manager.replace_task(ids[1], definition(10))
    assert manager.backend.rounds.get(round_id).task_ids == (ids[0], new, ids[2])
    assert [task.id for task in manager.backend.tasks.find(round_id=round_id)] == [ids[0], ids[2], new]
    assert manager.replace_task(ids[2], definition(2)) == ids[2]
    with pytest.raises(NotFound):
        manager.re_query(ids[1])
    assert running
    assert sorted(manager.remove()) == sorted([ids[2], new])


def test_two_phases(manager: TaskManager) -> None:
    ids = make(manager, 2)
    assert run_task(lambda task: {"prepared": task["model"]["kwargs"]["n"]}, POOL, None, False, "WAITING", "PART_DONE",
                    backend=manager.backend) == 2  # fmt: skip
    assert states(manager) == {"PART_DONE": 2}
    assert manager.fetch_task() is None
    half = manager.fetch_task(status="PART_DONE")
    assert half
    manager.return_task(half)
    assert states(manager) == {"PART_DONE": 2}
    again = manager.fetch_task({"_id": half.id}, "PART_DONE")
    assert again
    expire(manager.backend, claim_on(again))
    assert manager.reset_waiting() == [again.id]
    assert states(manager) == {"PART_DONE": 2}, "a lost second phase does not repeat the first"
    finish = {"before_status": "PART_DONE", "after_status": "DONE", "backend": manager.backend}
    assert run_task(lambda result: {**result, "done": True}, POOL, **finish) == 2  # type: ignore[arg-type]
    assert [task.result for task in manager.query()] == [{"prepared": n, "done": True} for n in range(2)]
    assert [task.id for task in manager.query({"status": "DONE"})] == ids
    with pytest.raises(BadInput, match="PART_DONE"):
        run_task(lambda task: task, POOL, None, False, "DONE", "DONE", backend=manager.backend)


def test_each_task_in_a_process_of_its_own(manager: TaskManager) -> None:
    ids = make(manager, 3)
    held = []

    def work(task: Mapping[str, Any], add: int) -> dict[str, int]:
        held.append(task)
        if task["model"]["kwargs"]["n"] == 1:
            raise ValueError("one's own")
        if task["model"]["kwargs"]["n"] == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"pid": os.getpid(), "sum": add + 1}

    assert run_task(work, POOL, {}, True, backend=manager.backend, add=1) == 1
    assert held == [], "what a child holds is gone with it"
    assert manager.re_query(ids[0])["res"]["sum"] == 2
    assert manager.re_query(ids[0])["res"]["pid"] != os.getpid()
    own, killed = (manager.re_query(ident) for ident in ids[1:])
    assert (own.status, own.error["type"]) == ("FAILED", "ValueError")
    assert "test_task_manager.py" in own.error["where"]
    assert "The process of the task died (signal 9)" in killed.error["message"]


def test_a_function_may_return_nothing(manager: TaskManager) -> None:
    (ident,) = make(manager, 1)
    assert run_task(lambda task: None, POOL, backend=manager.backend) == 1
    assert manager.re_query(ident).result == {}
    make(manager, 2)
    run_task(lambda task: 3, POOL, backend=manager.backend)
    (failed,) = manager.query({"status": "FAILED"})
    assert "a mapping, a recorder or None, not a int" in str(failed.error)


def test_two_loops_share_a_pool_and_a_bad_task_stops_neither(manager: TaskManager) -> None:
    ids = make(manager, 20)

    def work(task: dict[str, Any], factor: int) -> dict[str, Any]:
        if task["model"]["kwargs"]["n"] == 7:
            raise RuntimeError("bad window")
        return {"n": task["model"]["kwargs"]["n"] * factor}

    others = [
        threading.Thread(target=run_task, args=(work, POOL), kwargs={"backend": manager.backend, "factor": 3})
        for _ in range(2)
    ]
    for other in others:
        other.start()
    waited = manager.wait(timeout=60)
    for other in others:
        other.join()
    assert waited.states[TaskState.DONE] == 19
    assert str(waited) == "19 DONE, 1 FAILED"
    (failed,) = waited.failures
    assert (failed.id, failed.failures) == (ids[7], manager.backend.settings.max_attempts)
    assert (failed.error or {})["message"] == "bad window"
    assert "RuntimeError" in (failed.error or {})["traceback"]
    assert manager.re_query(ids[3]).result == {"n": 9}


def test_wait_is_woken_by_the_change(manager: TaskManager) -> None:
    make(manager, 1)
    task = manager.fetch_task()
    assert task
    told: list[Any] = []
    woken: list[float] = []

    def waiting() -> None:
        manager.wait(progress=told.append)
        woken.append(time.monotonic())

    thread = threading.Thread(target=waiting)
    thread.start()
    wait_until(lambda: bool(told))
    time.sleep(0.5)
    committed = time.monotonic()
    manager.commit_task_res(task, {})
    thread.join()
    assert woken[0] >= committed
    assert [found[TaskState.DONE] for found in told] == [0, 1]


def test_wait_says_what_is_left_when_the_time_is_over(manager: TaskManager) -> None:
    make(manager, 2)
    with pytest.raises(StateError, match="2 WAITING"):
        manager.wait(timeout=0.3)


def test_without_servers_it_says_what_to_do(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unavailable, match="rollq up"):
        TaskManager(POOL)

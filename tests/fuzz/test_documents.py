"""Documents that another program changed: reads work, writes work or are refused, no other task is held up."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from rollq import Backend, LeaseLost, TaskState
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.rounds.coordinator import gather
from rollq.tasks.client.explain import explain
from rollq.tasks.mongo.client import Document
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.queue.task import TaskError
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.upkeep.sweeper import sweep
from tests.acceptance.processes.worker_processes import wait_until
from tests.chaos.job import definition
from tests.fuzz.junk import CASES, SEED, allowed, mutated, stored_junk
from tests.fuzz.short_worker import short_worker
from tests.made_sets import SIGNALS, made_set
from tests.pool_tasks import age

POOL, LOG = "pool", "hurt.log"
KEPT = ("_id",)  # MongoDB itself keeps the id of a document


def hurt(backend: Backend, collection: str, chance: random.Random) -> int:
    """Change every document of a collection; returns how many the server took."""
    documents = backend.store.collection(collection)
    return sum(hurt_one(backend, collection, document, chance) for document in list(documents.find({})))


def hurt_one(backend: Backend, collection: str, document: Document, chance: random.Random) -> bool:
    wrong = mutated({name: value for name, value in document.items() if name not in KEPT}, chance, stored_junk)
    if not isinstance(wrong, dict) or "\x00" in repr(list(wrong)):
        wrong = {}
    try:
        backend.store.collection(collection).replace_one({"_id": document["_id"]}, wrong)
    except Exception:  # noqa: BLE001 - two hurt documents may share a key, or the server refuses a name of a field
        return False
    return True


def a_pool_in_every_state(backend: Backend, count: int) -> list[str]:
    """Tasks that wait, run, failed, are done, are held."""
    tasks = backend.tasks
    ids = list(tasks.create_tasks(POOL, [definition(number, 0.0) for number in range(count)]).ids)
    for number in range(count * 2 // 3):
        if (claimed := tasks.claim(POOL, f"host/1/{number}")) and number % 4:
            end: Any = (tasks.commit, tasks.fail, tasks.release)[number % 3]
            end(claimed, {"recorder_id": "r"} if number % 3 == 0 else TaskError("E", "m") if number % 3 == 1 else "x")
    tasks.next_to_notify(POOL, 8)
    tasks.hold(ids[-5:])
    return ids


def start_anew(backend: Backend) -> None:
    # Dropped, not emptied: the embedded server keeps entries of its unique index for documents that were hurt.
    for name in ("tasks", "staging", "pools", "rounds", "online_sets"):
        backend.store.collection(name).drop()
    backend.prepare()
    OnlineSets(backend.store).ensure_indexes()


def by_hand(backend: Backend, ids: list[str]) -> None:
    tasks = backend.tasks
    for act in (tasks.hold, tasks.unhold, lambda some: tasks.prioritize(some, 3)):
        allowed(act, ids)
    for change in (lambda some: tasks.cancel(some, "me"), lambda some: tasks.retry(some, "me"), tasks.remove):
        allowed(change, ids)


def test_no_document_raises_a_bare_error(backend: Backend) -> None:
    chance = random.Random(SEED)
    tasks = backend.tasks
    tried = 0
    while tried < CASES["documents of tasks"]:
        start_anew(backend)
        ids = a_pool_in_every_state(backend, 60)
        claims = [found for found in (tasks.claim(POOL, f"w{number}") for number in range(4)) if found]
        tried += hurt(backend, "tasks", chance) + hurt(backend, "staging", chance)
        for task in tasks.find(definitions=True):
            task.to_dict()
            if isinstance(task.id, str):
                allowed(explain, backend, task)
        for claimed in claims:
            for write in (tasks.renew, tasks.holds, lambda held: tasks.fail(held, TaskError("E", "m"))):
                allowed(write, claimed)
        for ident in ids[::7]:
            allowed(tasks.get, ident)
        allowed(tasks.has_active, "round")
        allowed(tasks.stat, POOL)
        allowed(tasks.reclaim, "sweeper", ["host/1/0"])
        allowed(tasks.next_to_notify, POOL, 64)
        allowed(sweep, backend, "sweeper")
        while isinstance(claimed := allowed(tasks.claim, POOL, "w"), Claim):  # whatever can still be claimed
            allowed(tasks.commit, claimed, {})
        by_hand(backend, chance.sample(ids, 20))
        assert len(tasks.remove(ids)) + len(tasks.find(ids=ids)) <= len(ids)


def test_an_invalid_task_is_dead_lettered_and_holds_up_no_other(backend: Backend) -> None:
    ids = backend.tasks.create_tasks(POOL, [definition(number, 0.0) for number in range(12)]).ids
    documents = backend.store.collection("tasks")
    wrong: list[Document] = [
        {"$set": {"requested": 7}},
        {"$set": {"definition": "none"}},
        {"$unset": {"definition": 1}},
        {"$set": {"fence": "x"}},
        {"$set": {"history": 3}},
        {"$set": {"failures": float("nan")}},
        {"$set": {"fence": float("nan")}},
        {"$set": {"fence": 2**62}},
    ]
    for ident, change in zip(ids, wrong, strict=False):
        documents.update_one({"_id": ident}, change)
    done = set()
    while claimed := backend.tasks.claim(POOL, "w"):
        backend.tasks.commit(claimed, {})
        done.add(claimed.task_id)
    assert done == set(ids[len(wrong) :])
    for ident in ids[: len(wrong)]:
        stored = documents.find_one({"_id": ident}) or {}
        assert (stored["status"], stored["error"]["type"]) == ("FAILED", "DocumentCorrupted")
        task = backend.tasks.get(ident)
        assert task.status is TaskState.FAILED
        assert "invalid" in (task.error or {})["message"]
    assert set(backend.tasks.remove(ids)) == set(ids)


def test_a_running_task_without_a_lease_is_dead_lettered_and_its_holder_refused(backend: Backend) -> None:
    (ident,) = backend.tasks.create_tasks(POOL, [definition(1, 0.0)]).ids
    claimed = backend.tasks.claim(POOL, "w")
    assert claimed
    backend.store.collection("tasks").update_one({"_id": ident}, {"$set": {"lease": "mine"}})
    assert backend.tasks.reclaim("sweeper") == []
    assert backend.tasks.get(ident).status is TaskState.FAILED
    assert isinstance(allowed(backend.tasks.commit, claimed, {"n": 1}), LeaseLost)
    assert backend.tasks.get(ident).result is None


def test_a_worker_sweeps_and_works_among_invalid_documents(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    chance = random.Random(SEED)
    with short_worker(backend, LOG) as live_worker:
        for _ in range(3):
            count = CASES["documents met by a worker"] // 3
            backend.tasks.create_tasks("hurt", [definition(number, 0.0) for number in range(count)])
            hurt(backend, "tasks", chance)
            backend.notifier.notify("hurt", "0" * 24, "default")
            good = f"good{time.monotonic_ns()}"
            backend.tasks.create_tasks(good, [definition(number, 0.0) for number in range(20)])
            allowed(backend.notifier.top_up, good)
            wait_until(lambda good=good: backend.tasks.stat(good)[TaskState.DONE] == 20, 30)
            pids = live_worker.everyone()
            assert len(pids) == 3
        assert live_worker.everyone() == pids
    log = (backend.settings.state_dir / LOG).read_text(errors="replace")
    assert "is dead-lettered as FAILED" in log
    assert "Traceback" not in log


def test_rounds_and_online_sets_raise_nothing_else(backend: Backend) -> None:
    chance = random.Random(SEED)
    sets = OnlineSets(backend.store)
    tried = 0
    while tried < CASES["documents of rounds and online sets"]:
        start_anew(backend)
        ids = a_pool_in_every_state(backend, 6)
        rounds = [backend.rounds.create(POOL, ids, Serve("s", ("2021-01-04",))) for _ in range(25)]
        gathering = backend.rounds.claim(rounds[0], "dead")
        assert gathering
        age(backend, "rounds", rounds[0])
        for number, ident in enumerate(rounds):
            models = [OnlineModel(ids[0], "r", ("2021-01-04", None))]
            sets.publish(made_set(ident, models, "s", POOL, signals=SIGNALS, metrics={"IC": float(number)}))
        tried += hurt(backend, "rounds", chance) + hurt(backend, "online_sets", chance)
        for ident in rounds:
            allowed(backend.rounds.get, ident)
            allowed(gather, backend, ident, "w")
            allowed(sets.of_round, ident)
        for ask in (
            lambda: backend.rounds.find(),
            backend.rounds.abandoned,
            lambda: sets.history("s"),
            sets.strategies,
        ):
            allowed(ask)
        allowed(sets.current, "s")
        allowed(backend.rounds.finish, gathering, {})
        allowed(sweep, backend, "sweeper")

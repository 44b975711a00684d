"""Invalid documents are dead-lettered where they are decoded, or where a write on them fails; nothing else is read."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import pytest

from rollq import Backend, InvalidTransition, LeaseLost, TaskState
from rollq.tasks.mongo.records import as_seen
from rollq.tasks.queue.dead_letters import DeadLetters
from rollq.tasks.queue.prefetch import Prefetch
from rollq.tasks.queue.states import TASK_STATES
from rollq.tasks.resources import Resources
from rollq.tasks.rounds.documents import ROUND_STATES, RoundState
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.state_machine import StateMachine
from tests.pool_tasks import POOL, claim, create

AVAILABLE = Resources(cpu=4.0)


def spoil(backend: Backend, ids: Sequence[str], **fields: Any) -> None:
    backend.store.collection("tasks").update_many({"_id": {"$in": list(ids)}}, {"$set": fields})


@pytest.mark.parametrize("fields", [{"requested": 7}, {"requested": {"cpu": "many"}}, {"fence": "x"}, {"history": 3}])
@pytest.mark.parametrize("available", [None, AVAILABLE])
def test_many_invalid_documents_stand_before_no_valid_one(
    backend: Backend, fields: dict[str, Any], available: Resources | None
) -> None:
    *invalid, last = create(backend.tasks, 20)
    spoil(backend, invalid, **fields, priority=9)
    assert claim(backend.tasks, available=available).task_id == last
    stat = backend.tasks.stat(POOL)
    assert (stat[TaskState.FAILED], stat[TaskState.RUNNING]) == (19, 1)


def test_an_invalid_next_task_hinders_no_commit(backend: Backend) -> None:
    first, second, third = create(backend.tasks, 3)
    prefetch = Prefetch()
    held = backend.tasks.claim(POOL, "w", wanted=first, prefetch=prefetch)
    assert held
    spoil(backend, [second], history="none")  # the store refuses the claim that goes with the commit
    backend.tasks.commit(held, {"n": 1})
    following = backend.tasks.claim(POOL, "w", prefetch=prefetch)
    assert following
    assert [backend.tasks.get(ident).status for ident in (first, second, third)] == ["DONE", "FAILED", "RUNNING"]


@pytest.mark.parametrize("end", ["commit", "release"])
def test_who_holds_an_invalid_task_loses_it(backend: Backend, end: str) -> None:
    (ident,) = create(backend.tasks)
    held = claim(backend.tasks)
    spoil(backend, [ident], history="none")
    with pytest.raises(LeaseLost):
        getattr(backend.tasks, end)(held, {} if end == "commit" else "why")
    assert (backend.tasks.get(ident).error or {})["type"] == "DocumentCorrupted"


def test_turns_are_given_though_one_task_is_invalid(backend: Backend) -> None:
    ids = create(backend.tasks, 3)
    spoil(backend, ids, backfill="b", position=1, pending=1, stage="held")
    seen = list(backend.tasks.admission.positions(ids).values())
    backend.store.collection("tasks").update_one({"_id": ids[0]}, {"$set": {"status": "DONE", "history": 3}})
    spoil(backend, ids[1:], history=3)
    assert backend.tasks.admission.admit("b", seen, "me") == 2
    assert backend.tasks.admission.drop("b", 3, "me") == 0, "both are dead-lettered, as the store refuses the write"
    assert backend.tasks.stat(POOL)[TaskState.FAILED] == 2


def test_a_tasks_are_staged_without_the_invalid_ones(backend: Backend) -> None:
    ids = create(backend.tasks, 6)
    spoil(backend, ids[:2], priority="high", stage="staged")
    spoil(backend, ids[2:3], not_before="soon", stage="delayed")
    backend.store.collection("staging").update_many({}, {"$set": {"blocks": "none"}})
    assert {ident for ident, _ in backend.tasks.next_to_notify(POOL, 64)} == set(ids[3:])
    assert backend.tasks.stat(POOL)[TaskState.FAILED] == 3
    assert backend.tasks.notified_before(POOL, -60.0)


def test_a_mistake_of_the_caller_reads_no_documents(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    create(backend.tasks, 3)
    sifted: list[Sequence[str]] = []
    no_error: Any = ValueError("not described")
    monkeypatch.setattr(DeadLetters, "sift", lambda _, ids: sifted.append(ids) or [])
    with pytest.raises(InvalidTransition):
        backend.tasks.claim_among(POOL, "w", {}, TaskState.DONE)
    with pytest.raises(AttributeError):
        backend.tasks.fail(claim(backend.tasks), no_error)
    assert sifted == []


def test_an_invalid_document_that_moved_since_it_was_read_is_left_alone(backend: Backend) -> None:
    kinds: tuple[tuple[str, StateMachine[Any], StrEnum, str], ...] = (
        ("tasks", TASK_STATES, TaskState.FAILED, create(backend.tasks)[0]),
        ("rounds", ROUND_STATES, RoundState.FAILED, backend.rounds.create(POOL, [], Serve())),
    )
    for collection, states, end, ident in kinds:
        documents = backend.store.collection(collection)
        read = documents.find_one({"_id": ident}) or {}
        seen = as_seen({**read, "history": 7}, states, end)
        assert documents.count_documents(seen) == 1
        documents.update_one({"_id": ident}, {"$inc": {"fence": 1}})
        assert documents.count_documents(seen) == 0
        with pytest.raises(InvalidTransition):
            as_seen({**read, "status": "DONE" if collection == "tasks" else "gathered"}, states, end)
        assert as_seen({"_id": ident, "status": 7, "fence": None}, states, end) == {"_id": ident}

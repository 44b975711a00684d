"""Creating tasks: the same definition is the same task, whichever process creates it, and however often."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rollq import Backend, TemplateError
from tests.pool_tasks import POOL, create, definition


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

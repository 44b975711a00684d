"""A database says which layout it has; one of another layout is refused with one message, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollq import Backend
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import StateError
from rollq.tasks.mongo.client import Document
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.resources import Resources
from rollq.tasks.rounds.purpose import Serve


@pytest.fixture
def fresh(settings: Settings) -> Iterator[Backend]:
    """A backend on a database in which there is nothing."""
    made = Backend.of(settings)
    yield made
    made.store.close()
    made.app.close()


def test_every_document_carries_the_schema(backend: Backend) -> None:
    backend.tasks.create_tasks("pool", [{"number": 1}])
    backend.rounds.create("pool", [], Serve())
    backend.worker_registry.heartbeat("w", ["default"], 1, Resources())
    backend.tasks.orphans.note("t", "pool", "why")
    for name in backend.store._database().list_collection_names():
        for document in backend.store.collection(name).find():
            assert document["schema"] == SCHEMA, name


@pytest.mark.parametrize(
    ("layout", "pool", "message"),
    [
        (None, {}, "older layout"),
        (None, {"schema": SCHEMA - 1}, "older layout"),
        ({"schema": SCHEMA - 1}, {}, "older layout"),
        ({}, {}, "older layout"),
        ({"schema": "x"}, {}, "older layout"),
        ({"schema": SCHEMA + 1}, {"schema": SCHEMA}, "newer rollq"),
        (None, {"schema": SCHEMA + 1}, "newer rollq"),
    ],
)
def test_another_layout_is_refused(fresh: Backend, layout: Document | None, pool: Document, message: str) -> None:
    layouts = fresh.store.collection("layout")
    layouts.insert_many([{"_id": "rollq", **layout}] if layout is not None else [{"_id": "foreign"}])
    fresh.store.collection("pools").insert_one({"_id": "p", **pool})
    before = list(layouts.find())
    for _ in range(2):
        with pytest.raises(StateError, match=message) as refused:
            fresh.prepare()
    assert refused.value.fix
    assert list(layouts.find()) == before


def test_a_database_with_strategies_alone_is_known_too(fresh: Backend) -> None:
    fresh.store.collection("strategies").insert_one({"_id": "s"})
    with pytest.raises(StateError, match="older layout"):
        fresh.prepare()


def test_a_database_of_this_layout_stays_so(fresh: Backend) -> None:
    fresh.prepare()
    fresh.tasks.create_tasks("pool", [{"number": 1}])
    fresh.prepare()
    fresh.store.collection("layout").drop()  # its pools say it as well
    fresh.prepare()
    assert fresh.store.collection("layout").find_one() == {"_id": "rollq", "schema": SCHEMA}

"""Every test in this folder runs on every store variant: ``backend`` and ``settings`` are those of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pymongo import MongoClient

from rollq.tasks.config.settings import Settings
from tests.conformance.stores import VARIANTS, StoreServer


@pytest.fixture(scope="session", params=VARIANTS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """A running store of one variant."""
    found = StoreServer.start(request.param, tmp_path_factory.mktemp(request.param))
    yield found
    found.stop()


@pytest.fixture
def settings(settings: Settings, server: StoreServer) -> Iterator[Settings]:
    """Settings of a test, with a fresh database on the variant's server."""
    name = f"rollq-test-{uuid4().hex[:12]}"
    yield settings.model_copy(update={"mongo_uri": server.uri, "mongo_database": name})
    if server.child is None:  # a foreign server: leave nothing behind
        with MongoClient(server.uri) as client:
            client.drop_database(name)

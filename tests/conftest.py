"""Fixtures: a real embedded stack per test session, a database and a queue of its own per test."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

os.environ.update({"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"})
# The tests start hundreds of processes; without bytecode each would compile its libraries anew, for seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell has Ctrl-C ignored by what it runs in the background, and so would every process that the tests start.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

import hypothesis
import pytest
import redis

from rollq.local.stack import LocalStack
from rollq.scheduler.online.ledger import OnlineSets
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings, load_settings
from tests.watched_writes import WRITES

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples" / "sp500"
_numbers = itertools.count()
sys.dont_write_bytecode = False

# How fast this machine draws an example says nothing about the code under test.
hypothesis.settings.register_profile("rollq", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("rollq")


LONGEST_FIRST = ("chaos", "acceptance", "fuzz", "integration", "conformance", "unit")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side the long tests come first, so that no process is left alone with one of them at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: LONGEST_FIRST.index(item.path.relative_to(TESTS).parts[0]))


@pytest.fixture(autouse=True)
def _writes_are_watched() -> Iterator[None]:
    """Whatever a test is about: rollq writes no status past its table and no document without a schema."""
    WRITES.wrong.clear()
    yield
    assert WRITES.wrong == []


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The embedded stack; a missing server is a failure, never a skip."""
    with LocalStack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def settings(stack: LocalStack) -> Settings:
    """Settings of a test: a fresh database, an empty broker database, short times."""
    assert stack.runtime
    number = next(_numbers)
    url = stack.runtime.redis_url.removesuffix("/0") + f"/{number % 16}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return load_settings(
        state_dir=stack.state_dir,
        mongo_uri=stack.runtime.mongo_uri,
        mongo_database=f"test{number}",
        redis_url=url,
        mlflow_uri=stack.runtime.mlflow_uri,
        lease_seconds=2.0,
        sweep_seconds=0.5,
        backoff_seconds=0.0,
    )


@pytest.fixture
def backend(settings: Settings) -> Iterator[Backend]:
    """A backend with indexes on a fresh database."""
    made = Backend.of(settings)
    made.prepare()
    OnlineSets(made.store).ensure_indexes()
    yield made
    made.store.close()
    made.app.close()

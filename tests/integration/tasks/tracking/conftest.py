"""A real MLflow store for these tests: SQLite in a folder, and a server over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollq.local.child import free_port
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.store import local_tracking_uri, prepare_tracking
from tests.integration.tasks.tracking.server import Server

_numbers = iter(range(1_000_000))


@pytest.fixture(scope="session")
def sqlite_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = local_tracking_uri(tmp_path_factory.mktemp("mlflow"))
    prepare_tracking(made)
    return made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), free_port()) as running:
        yield running


@pytest.fixture(params=["sqlite", "http"])
def uri(request: pytest.FixtureRequest) -> str:
    """Each test that asks for it runs on both."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_uri"))
    return str(request.getfixturevalue("server").uri)


@pytest.fixture
def experiment(uri: str) -> MLflowExperiment:
    """An experiment of its own."""
    return MLflowExperiment.open(f"e{next(_numbers)}", uri)


@pytest.fixture
def local(sqlite_uri: str) -> MLflowExperiment:
    """An experiment of its own, on SQLite."""
    return MLflowExperiment.open(f"e{next(_numbers)}", sqlite_uri)

"""What MLflow's clients raise when its server is away, broken or overloaded is an outage; what it refuses is not."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow.artifacts
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy import create_engine, text

from rollq.local.child import free_port
from rollq.tasks.failures import Kind, kind_of
from rollq.tasks.tracking.mlflow.store import local_tracking_uri, prepare_tracking
from tests.integration.tasks.tracking.server import Server


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's own patience is not what is tested."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@contextmanager
def gateway(status: int) -> Iterator[str]:
    """What stands before a server and answers each request with a status and a page; yields its URI."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>gateway</html>")

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def kind(call: Callable[[], object]) -> Kind:
    with pytest.raises(Exception) as caught:
        call()
    return kind_of(caught.value)


def download(uri: str) -> Kind:
    """Of what comes of fetching an artifact through a server."""
    address = f"mlflow-artifacts:{uri.removeprefix('http:')}/model.txt"
    return kind(lambda: mlflow.artifacts.download_artifacts(address, tracking_uri=uri))


def search(uri: str) -> Kind:
    return kind(MlflowClient(uri).search_experiments)


def test_a_server_that_is_not_there_is_an_outage() -> None:
    assert search(f"http://127.0.0.1:{free_port()}") is Kind.OUTAGE


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_broken_or_busy_is_an_outage(status: int) -> None:
    with gateway(status) as uri:
        assert search(uri) is Kind.OUTAGE
        assert download(uri) is Kind.OUTAGE


def test_what_a_server_refuses_is_an_own_error(server: Server) -> None:
    assert kind(lambda: MlflowClient(server.uri).get_run("0" * 32)) is Kind.OWN
    with gateway(400) as uri:
        assert search(uri) is Kind.OWN
        assert download(uri) is Kind.OWN


def test_a_database_that_does_not_work_is_an_outage(tmp_path: Path) -> None:
    uri = local_tracking_uri(tmp_path)
    prepare_tracking(uri)
    client = MlflowClient(uri)
    client.search_experiments()
    with create_engine(uri).begin() as connection:
        connection.execute(text("ALTER TABLE experiments RENAME TO elsewhere"))
    assert kind(client.search_experiments) is Kind.OUTAGE


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from rollq.tasks.tracking.mlflow.store import prepare_tracking

seen = []

@event.listens_for(Engine, "before_cursor_execute")
def count(*statement):
    seen.append(statement)
    if len(seen) == 40:
        os.kill(os.getpid(), signal.SIGKILL)

prepare_tracking(sys.argv[1])
"""


def test_a_process_that_was_killed_while_it_made_the_database_leaves_one_that_can_be_made(tmp_path: Path) -> None:
    uri = local_tracking_uri(tmp_path)
    ended = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDDLE, uri], check=False).returncode
    assert ended == -signal.SIGKILL
    prepare_tracking(uri)
    assert [one.name for one in MlflowClient(uri).search_experiments()] == ["Default"]
    (tmp_path / "mlflow.ready").unlink()
    MlflowClient(uri).create_experiment("kept")
    prepare_tracking(uri)
    assert len(MlflowClient(uri).search_experiments()) == 2, "a database without our mark is never removed"


def test_a_mistake_in_the_use_of_mlflow_is_an_own_error() -> None:
    def raises() -> None:
        raise MlflowException("no model of this kind")

    assert kind(raises) is Kind.OWN
    assert kind(lambda: mlflow.artifacts.download_artifacts()) is Kind.OWN

"""The broker of the settings is the one that is used: over a socket too, whatever Celery's own variables say."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError

from rollq.local.servers import broker_binary
from rollq.tasks.backend import Backend
from rollq.tasks.broker.celery_app import make_app, queue_name
from rollq.tasks.broker.notifier import Notifier
from rollq.tasks.config.settings import Settings, load_settings

FOREIGN = {
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CELERY_BROKER_READ_URL": "amqp://127.0.0.1:1//",
    "CELERY_BROKER_WRITE_URL": "sqla+sqlite:///nowhere",
    "CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/0",
    "CELERY_CONFIG_MODULE": "celeryconfig",
    "CELERY_LOADER": "nowhere:Loader",
}


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    """A broker that listens on a socket alone, at a path with odd characters."""
    folder = tmp_path / "odd #1 %41"
    folder.mkdir()
    path = folder / "redis.sock"
    command = [broker_binary(), "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            assert server.poll() is None
            time.sleep(0.01)
        yield path
    finally:
        server.terminate()
        server.wait()


def received(settings: Settings, name: str) -> list[object]:
    """The next message of a list, as a worker takes it."""
    with make_app(settings).connection_for_read() as connection, connection.SimpleQueue(name) as queue:
        return list(queue.get(timeout=10).payload[0])


def test_a_socket_is_a_broker_like_any_other(backend: Backend, socket: Path) -> None:
    url = "redis+socket://" + str(socket).replace("%", "%25").replace("#", "%23").replace(" ", "%20")
    settings = load_settings(redis_url=f"{url}?virtual_host=3")
    notifier = Notifier(settings, backend.tasks)
    notifier.notify("pool", "a" * 24, "default")
    assert notifier.depth("default") == 1
    with redis.Redis(unix_socket_path=str(socket), db=3) as client:
        assert client.llen(queue_name("default")) == 1
    assert received(settings, queue_name("default")) == ["pool", "a" * 24]


def test_variables_of_another_celery_project_do_no_harm(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "celeryconfig.py").write_text("broker_url = 'amqp://127.0.0.1:1//'\ntask_serializer = 'pickle'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    notifier = Notifier(backend.settings, backend.tasks)
    notifier.notify("pool", "b" * 24, "default")
    assert notifier.depth("default") == 1
    assert received(backend.settings, queue_name("default")) == ["pool", "b" * 24]
    app = make_app(backend.settings)
    assert app.conf.task_serializer == "json"
    assert type(app.backend).__name__ == "DisabledBackend"


def test_an_encrypted_broker_is_spoken_to_in_no_other_way(backend: Backend) -> None:
    settings = backend.settings.model_copy(update={"redis_url": backend.settings.redis_url.replace("redis", "rediss")})
    with make_app(settings).connection_for_write() as connection, pytest.raises((OperationalError, redis.RedisError)):
        connection.default_channel.client.ping()

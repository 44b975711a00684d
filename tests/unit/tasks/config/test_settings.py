"""Settings: order of precedence, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rollq import SettingsError, load_settings
from rollq.tasks.config.settings import Settings, worker_environment


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_source_beats_the_one_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().lease_seconds == 30
    (folder / "rollq.toml").write_text('lease_seconds = 1\nmax_attempts = 7\nqueues = ["a"]\n')
    assert load_settings().lease_seconds == 1
    monkeypatch.setenv("ROLLQ_LEASE_SECONDS", "2")
    assert load_settings().lease_seconds == 2
    found = load_settings(lease_seconds=3, log_level=None)
    assert (found.lease_seconds, found.max_attempts, found.queues, found.log_level) == (3, 7, ("a",), "INFO")


def test_mlflow_has_its_usual_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert load_settings().mlflow_uri == "http://127.0.0.1:1"


def test_a_child_process_sees_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(lease_seconds=4.5, queues=("a", "b"), mlflow_uri="sqlite:///x")
    for name, value in worker_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


@pytest.mark.parametrize(
    ("text", "named"),
    [("leese_seconds = 1", "leese_seconds"), ("lease_seconds = -1", "lease_seconds"), ("= 1", "rollq.toml")],
)
def test_a_bad_file_is_named(folder: Path, text: str, named: str) -> None:
    (folder / "rollq.toml").write_text(text)
    with pytest.raises(SettingsError, match=named) as raised:
        load_settings()
    assert raised.value.fix


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"ROLLQ_CONCURRENCY": "-1"}, "the variable ROLLQ_CONCURRENCY"),
        ({"rollq_max_attempts": "three"}, "the variable rollq_max_attempts"),
        ({"ROLLQ_QUEUES": '["gpu"'}, "the variable ROLLQ_QUEUES"),
        ({"ROLLQ_LEASE_SECONDS": "inf"}, "the variable ROLLQ_LEASE_SECONDS"),
        ({"ROLLQ_LOG_LEVEL": "LOUD"}, "the variable ROLLQ_LOG_LEVEL"),
        ({"toml": "\nmem_gb = nan\n"}, "rollq.toml, line 2"),
        ({"toml": "gpu = 1\nqueues = 7\n"}, "rollq.toml, line 2"),
        ({"toml": "gpu = 1\ngpu = 2\n"}, "line 2"),
        ({"toml": "gpus = 1\n"}, "Did you mean 'gpu'"),
        ({"option": ("drain_seconds", -1)}, "the option --drain-seconds"),
        ({"option": ("drain_second", 1)}, "Did you mean 'drain_seconds'"),
        ({"ROLLQ_MAX_ATEMPTS": "5"}, "Did you mean ROLLQ_MAX_ATTEMPTS"),
        ({"ROLLQ_REDIS_URI": "redis://x"}, "Did you mean ROLLQ_REDIS_URL"),
    ],
)
def test_the_place_is_blamed(given: dict[str, Any], place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = dict([given.pop("option")]) if "option" in given else {}
    if "toml" in given:
        (folder / "rollq.toml").write_text(given.pop("toml"))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=re.escape(place)) as raised:
        load_settings(**options)
    assert raised.value.fix


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLQ_REDIS_SERVICE_HOST", "10.0.0.1")  # as Kubernetes says it of a service rollq-redis
    monkeypatch.setenv("ROLLQ_REDIS_PORT", "tcp://10.0.0.1:6379")
    monkeypatch.setenv("ROLLQ_API_TOKEN", "secret")
    monkeypatch.setenv("ROLLQ_CONCURRENCY", "")  # compose gives what is not set as nothing
    assert load_settings() == Settings()


@pytest.mark.parametrize(("text", "meant"), [("gpu", ("gpu",)), ("gpu, cpu", ("gpu", "cpu")), ('["a,b"]', ("a,b",))])
def test_lists_are_words_with_commas_or_json(text: str, meant: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLQ_QUEUES", text)
    assert load_settings().queues == meant


def test_the_tilde_is_the_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("ROLLQ_STATE_DIR", "~/state")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///~/mlflow.db")
    found = load_settings()
    assert (found.state_dir, found.mlflow_uri) == (folder / "state", f"sqlite:///{folder}/mlflow.db")
    with pytest.raises(SettingsError, match="--state-dir"):
        load_settings(state_dir="~nobody-like-this/x")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("redis_url", "redis://redis:6379/0"),
        ("redis_url", "redis://10.0.0.1"),
        ("redis_url", "redis://127.0.0.1.example.com:1"),
        ("redis_url", "redis://@cache:6379"),
        ("redis_url", "redis://:@cache"),
        ("redis_url", "rediss://user@cache"),
        ("redis_url", "redis://[2001:db8::1]/0"),
        ("mongo_uri", "mongodb://db.internal"),
        ("mongo_uri", "mongodb://user@127.0.0.1,db.internal:1/"),
        ("mongo_uri", "mongodb+srv://cluster.example.com"),
    ],
)
def test_an_open_server_elsewhere_is_refused(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}.*without a password"):
        load_settings(**{name: url})
    assert getattr(load_settings(**{name: url}, allow_insecure=True), name) == url


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("redis_url", "redis://127.0.0.1:6379/0"),
        ("redis_url", "redis://127.1.2.3"),
        ("redis_url", "redis://LOCALHOST"),
        ("redis_url", "redis://[::1]/0"),
        ("redis_url", "redis://[0:0:0:0:0:0:0:1]:1"),
        ("redis_url", "unix:///run/redis.sock"),
        ("redis_url", "redis://:pw@redis:1"),
        ("mongo_uri", "mongodb://%2Frun%2Fmongodb-27017.sock/rollq"),
        ("mongo_uri", "mongodb://u:p@a:1,b:2/?replicaSet=rs"),
        ("mongo_uri", "mongodb+srv://u:p@cluster.example.com"),
        ("mongo_uri", "mongodb://CN=me@db/?authMechanism=MONGODB-X509"),
    ],
)
def test_a_safe_server_is_accepted(name: str, url: str) -> None:
    assert getattr(load_settings(**{name: url}), name) == url


@pytest.mark.parametrize(
    ("url", "meant"),
    [("redis+socket:///run/r.sock?virtual_host=2", "unix:///run/r.sock?db=2"), ("valkey://[::1]", "redis://[::1]")],
)
def test_other_names_of_a_broker(url: str, meant: str) -> None:
    assert load_settings(redis_url=url).redis_url == meant


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("redis_url", "amqp://localhost"),
        ("redis_url", "localhost:6379"),
        ("redis_url", "redis://localhost:port"),
        ("redis_url", "redis://localhost:99999"),
        ("redis_url", "redis://[::1/0"),
        ("mongo_uri", "localhost:27017"),
        ("mongo_uri", "mongodb://localhost:0"),
    ],
)
def test_what_is_no_url_of_a_server(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings(**{name: url})

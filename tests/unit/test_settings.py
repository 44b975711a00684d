"""Settings: order of precedence, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollq import SettingsError, load_settings
from tasks.settings import worker_environment


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


@pytest.mark.parametrize("url", ["redis://redis:6379/0", "redis://10.0.0.1", "redis://127.0.0.1.example.com:1"])
def test_an_open_server_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="redis_url"):
        load_settings(redis_url=url)
    assert load_settings(redis_url=url, allow_insecure=True).redis_url == url


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:6379/0", "redis://localhost", "redis://[::1]:1", "redis://:pw@redis:1"]
)
def test_a_safe_server_is_accepted(url: str) -> None:
    assert load_settings(redis_url=url).redis_url == url

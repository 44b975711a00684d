"""A pool that does not exist is an error of every verb that looks into one, and nothing happens."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from rollq.cli.main import app
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound
from tests.pool_tasks import definition

VERBS = (
    "tasks list",
    "tasks stat",
    "tasks stat --error x",
    "tasks wait --timeout 1",
    "tasks cancel --yes",
    "tasks remove --yes",
    "tasks retry",
    "tasks hold",
    "tasks prioritize --priority 3",
    "tasks reset-waiting",
    "tasks reset-status --to waiting --yes",
    "tasks fetch",
    "tasks run",
    "backfill list",
)


def test_no_verb_takes_it_for_an_empty_one(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.tasks.create_tasks("mine", [definition(1)])
    for name in ("mongo_uri", "mongo_database", "redis_url", "mlflow_uri", "state_dir"):
        monkeypatch.setenv(f"ROLLQ_{name.upper()}", str(getattr(backend.settings, name)))
    for verb in VERBS:
        ran = CliRunner().invoke(app, [*verb.split(), "--pool", "mien"])
        assert isinstance(ran.exception, NotFound), f"{verb}: {ran.exception!r} {ran.output}"
        assert "There is no pool 'mien'. Did you mean 'mine'?" in str(ran.exception), verb
    assert backend.tasks.stat("mine")["WAITING"] == 1

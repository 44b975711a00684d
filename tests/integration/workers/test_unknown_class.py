"""A worker that is older than the settings leaves a task alone whose class it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollq import Backend, TaskState, run_task
from rollq.enqueueing import enqueue_plan
from rollq.health.repair import look_at_work
from rollq.tasks.client.explain import explain
from rollq.tasks.client.unserved import unserved
from rollq.tasks.components import registry
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ComponentError, UnknownClass
from rollq.tasks.resources import Resources
from rollq.workers.jobs.attempt import Outcome, WorkerContext, run_one
from tests.own_model import COMPONENT, Project, project

__all__ = ["project"]
OLD, KNOWING = WorkerContext("host/1/11"), WorkerContext("host/2/21")
FIX = "no worker knows the class SignedModel: restart workers, or register it (components in rollq.toml)"


@pytest.fixture
def ids(backend: Backend, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Tasks of a class that the backend of the test has no setting for; the worker tries again at once."""
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(registry, "_added", [])
    monkeypatch.setattr("rollq.workers.jobs.unknown_class.wait_after", lambda *_: 0.0)
    yield enqueue_plan(project.plan(), backend).created.ids
    current_settings.cache_clear()


def heartbeat(backend: Backend, name: str) -> None:
    backend.worker_registry.heartbeat(name, ["default"], 1, Resources(cpu=1))


def test_a_worker_without_the_class_leaves_the_task_alone_and_it_is_said(backend: Backend, ids: list[str]) -> None:
    heartbeat(backend, "host/1")
    for _ in range(4):  # more often than a task may fail
        assert run_one(backend, "signed", ids[0], OLD) is Outcome.RELEASED
    assert {task.failures for task in backend.tasks.find(ids=ids)} == {0}
    assert {task.status for task in backend.tasks.find(ids=ids)} == {TaskState.WAITING}
    (met, *_) = [task for task in backend.tasks.find(ids=ids) if task.given_back]
    said = explain(backend, met)
    assert said[0] == f"It waits: {FIX}"
    (line,) = map(str, unserved(backend))
    assert line.endswith(FIX)
    assert any(FIX in check.detail for check in look_at_work(backend, repair=False))
    heartbeat(backend, "host/2")  # it has not met the class: it may know it
    assert unserved(backend) == []
    assert FIX not in " ".join(explain(backend, met))


def test_a_worker_that_knows_the_class_trains_what_another_gave_back(
    backend: Backend, project: Project, ids: list[str]
) -> None:
    assert run_one(backend, "signed", ids[0], OLD) is Outcome.RELEASED
    mine = Backend.of(project.settings)
    assert {run_one(mine, "signed", None, KNOWING) for _ in ids} == {Outcome.COMMITTED}
    mine.store.close()
    mine.app.close()


def test_settings_that_name_the_class_by_now_are_read_again(backend: Backend, ids: list[str]) -> None:
    heartbeat(backend, "host/1")
    assert run_one(backend, "signed", ids[0], OLD) is Outcome.RELEASED
    Path("rollq.toml").write_text("components = [")  # half written
    assert run_one(backend, "signed", ids[0], OLD) is Outcome.RELEASED
    Path("rollq.toml").write_text(f'components = ["{COMPONENT}"]')
    assert {run_one(backend, "signed", None, OLD) for _ in ids} == {Outcome.COMMITTED}
    assert backend.worker_registry.workers()[0].lacks == ()


def test_a_module_that_is_not_found_is_a_class_that_is_not_known(
    backend: Backend, project: Project, ids: list[str]
) -> None:
    project.forget()
    (project.folder / "signed_model.py").rename(project.folder / "elsewhere.py")
    mine = Backend.of(project.settings)
    assert run_one(mine, "signed", ids[0], OLD) is Outcome.RELEASED
    mine.store.close()
    mine.app.close()


def test_run_task_gives_it_back_and_says_so(backend: Backend, ids: list[str]) -> None:
    with pytest.raises(UnknownClass, match="SignedModel"):
        run_task(lambda definition: {"ran": True}, "signed", backend=backend)
    assert {(task.status, task.losses) for task in backend.tasks.find(ids=ids)} == {(TaskState.WAITING, 0)}


def test_a_class_that_nobody_registered_is_refused_before_there_is_a_task(project: Project) -> None:
    text = (project.folder / "signed.yaml").read_text()
    (project.folder / "signed.yaml").write_text(text.replace("SignedModel", "SingedModel"))
    with pytest.raises(ComponentError, match="'SingedModel' is not registered"):
        project.plan()


def test_a_task_past_every_check_fails_by_its_own_class(backend: Backend, ids: list[str]) -> None:
    definition = {**backend.tasks.get(ids[0]).definition, "model": {"class": "NoSuchModel", "kwargs": {}}}
    del definition["identity"]
    backend.tasks.create_tasks("raw", [definition])
    assert run_one(backend, "raw", None, OLD) is Outcome.FAILED


def test_what_waits_without_a_worker_is_said_in_one_line(backend: Backend, ids: list[str]) -> None:
    start = "start one: rollq worker --queues default"
    assert list(map(str, unserved(backend))) == [
        f"{len(ids)} tasks wait for a worker that serves queue 'default': {start}"
    ]
    heartbeat(backend, "host/1")
    assert unserved(backend) == []

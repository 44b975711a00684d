"""A process trains a task with the code that it was made with, or says why not; in this process, without workers."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import pytest

from rollq import Backend, StateError, TaskState, run_task
from rollq.enqueueing import enqueue_plan
from rollq.tasks.broker.messages import ROUTINE, TRAIN
from rollq.tasks.client.reuse import REUSED, judge
from rollq.tasks.components.source import forget_changed
from rollq.tasks.errors import NotYet, PermanentError
from rollq.tasks.ingredients.code_check import StaleCode, check_code, check_loaded, refuse_if_stale
from rollq.tasks.queue.admission import Attachment
from rollq.workers.jobs.attempt import Outcome, WorkerContext, run_one
from rollq.workers.process.app import WorkerLife
from tests.own_model import Project, project
from tests.synthetic import closes, write

__all__ = ["project"]
CONTEXT = WorkerContext("w/1")


@pytest.fixture
def mine(backend: Backend, project: Project) -> Backend:
    """The backend, which knows the project's class."""
    made = Backend.of(project.settings)
    yield made
    made.store.close()
    made.app.close()


def test_other_code_on_this_machine_is_said_and_a_retry_takes_it(mine: Backend, project: Project) -> None:
    ids = enqueue_plan(project.plan(), mine).created.ids
    project.code(-1.0)
    project.forget()
    assert {run_one(mine, "signed", None, CONTEXT) for _ in ids} == {Outcome.FAILED}
    failed, *_ = mine.tasks.find("signed", status=[TaskState.FAILED])
    assert failed.error
    assert "another code of signed_model:SignedModel than the task was made with" in failed.error["message"]
    assert "rollq enqueue" in failed.error["message"] or "Enqueue the template again" in failed.error["message"]
    mine.tasks.retry([failed.id], "me")
    assert run_one(mine, "signed", failed.id, CONTEXT) is Outcome.COMMITTED
    assert "model" in mine.tasks.get(failed.id).result["other_code"]
    attachment = Attachment("b" * 12, 0, [0])
    mine.tasks.admission.attach(list(mine.tasks.admission.positions([failed.id]).values()), attachment, "me")
    mine.tasks.admission.admit(attachment.backfill, mine.tasks.admission.pending(attachment.backfill, 1), "me")
    assert not mine.tasks.get(failed.id).any_code, "the leave was for that retry"
    mine.tasks.cancel([failed.id], "me")
    project.code(1.0)  # the code of before again: what was made with another is not called the same
    whys = {one.task_id: one.why for one in judge(mine.tasks, "signed", project.plan().definitions)}
    assert set(whys) == set(ids)
    assert "other code" in whys[failed.id]


def test_older_code_in_this_process_gives_the_task_back(mine: Backend, project: Project) -> None:
    project.plan()  # this process has imported it
    project.code(-1.0)
    (ident, *_) = enqueue_plan(project.plan(), mine).created.ids
    assert run_one(mine, "signed", ident, CONTEXT) is Outcome.RELEASED
    task = mine.tasks.get(ident)
    assert (task.status, task.failures, task.losses) == (TaskState.WAITING, 0, 0)
    with pytest.raises(StateError, match="Start it again"):
        refuse_if_stale()
    with pytest.raises(StaleCode):
        check_loaded()
    for name in ("helper_of_model", "signed_model"):
        importlib.reload(sys.modules[name])
    refuse_if_stale()
    assert run_one(mine, "signed", ident, CONTEXT) is Outcome.COMMITTED


def test_a_definition_that_names_another_class_by_hand_is_run(mine: Backend, project: Project) -> None:
    plan = project.plan()
    for definition in plan.definitions:
        definition["model"] = {"class": "RidgeModel", "kwargs": {"alpha": 1.0}}
    ids = enqueue_plan(plan, mine).created.ids
    assert {run_one(mine, "signed", None, CONTEXT) for _ in ids} == {Outcome.COMMITTED}


def test_run_task_asks_too(mine: Backend, project: Project) -> None:
    project.plan()
    project.code(-1.0)
    ids = enqueue_plan(project.plan(), mine).created.ids
    with pytest.raises(StaleCode):
        run_task(lambda definition: {"ran": True}, "signed", backend=mine)
    assert {task.status for task in mine.tasks.find(ids=ids)} == {TaskState.WAITING}
    project.forget()
    assert run_task(lambda definition: {"ran": True}, "signed", backend=mine) == len(ids)


def test_data_that_were_revised_before_the_training_are_written_down(mine: Backend, project: Project) -> None:
    planned = project.plan()
    first, second = enqueue_plan(planned, mine).created.ids
    prices = closes(sessions=250)
    prices.loc["2020-08-20", "S03"] *= 1.01  # seen by the second window alone
    write(prices, project.folder)
    assert [run_one(mine, "signed", ident, CONTEXT) for ident in (first, second)] == [Outcome.COMMITTED] * 2
    results = [mine.tasks.get(ident).result or {} for ident in (first, second)]
    assert [result.get("other_data") for result in results] == [None, ["test"]]
    kept, other = judge(mine.tasks, "signed", planned.definitions)
    assert kept.why == REUSED
    assert "had been revised" in other.why
    again = judge(mine.tasks, "signed", project.plan().definitions)
    assert [one.why.partition(" (")[0] for one in again] == [
        REUSED,
        "trained again: 1 session of test was revised",
    ]


def test_a_process_passes_on_what_it_would_do_with_older_code(mine: Backend, project: Project) -> None:
    life = WorkerLife(mine)
    life.asked = SimpleNamespace(listen=lambda: None)  # type: ignore[assignment]
    project.plan()
    received = {"task": SimpleNamespace(name=ROUTINE), "args": ("signed", "2020-08-03")}
    life.on_message(**received)
    assert not mine.notifier.waiting([])
    project.code(-1.0)
    life.on_message(task=SimpleNamespace(name=TRAIN), args=("signed", "0" * 24))  # the task says which code it means
    with pytest.raises(SystemExit):
        life.on_message(**received)
    assert mine.notifier.waiting([]) == 1
    forget_changed()
    life.on_message(**received)


def test_a_task_is_left_to_machines_that_may_have_its_code(project: Project) -> None:
    definition = project.plan().definitions[0]
    project.code(-1.0)
    project.forget()
    components = project.settings.components
    with pytest.raises(NotYet, match="left to workers of other machines"):
        check_code(definition, components, elsewhere=lambda: True)
    with pytest.raises(PermanentError, match="rollq tasks retry"):
        check_code(definition, components)
    assert set(check_code(definition, components, as_found=True)) == {"model"}

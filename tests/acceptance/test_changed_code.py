"""Code of a user's own that is changed under a running worker is what it trains with next."""

from __future__ import annotations

from pathlib import Path

from rollq import Backend, TaskState
from rollq.enqueueing import enqueue_plan
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from tests.acceptance.processes.worker_processes import wait_until, worker
from tests.own_model import Project, project

__all__ = ["project"]


def sign_of(backend: Backend, ident: str) -> str:
    """The sign that a task's model was trained with."""
    experiment = MLflowExperiment.open("signed", backend.settings.mlflow_uri)
    recorder = experiment.get_recorder((backend.tasks.get(ident).result or {})["recorder_id"])
    return Path(recorder.download_artifact("model/sign.txt")).read_text()


def test_a_running_worker_trains_with_the_code_of_now(backend: Backend, project: Project) -> None:
    def states(ids: tuple[str, ...]) -> set[TaskState]:
        return {task.status for task in backend.tasks.find(ids=ids)}

    log = project.folder / "worker.log"
    with worker(project.settings, 1, log=log, folder=project.folder):
        first = enqueue_plan(project.plan(), backend).created
        wait_until(lambda: states(first.ids) == {TaskState.DONE})
        project.code(-1.0)
        second = enqueue_plan(project.plan(), backend).created
        assert (second.new, first.new) == (len(first.ids), len(first.ids))
        wait_until(lambda: states(second.ids) == {TaskState.DONE})
        project.code(-2.0, fit="raise ValueError('half-way')")
        third = enqueue_plan(project.plan(), backend).created
        wait_until(lambda: states(third.ids) == {TaskState.FAILED})
        project.code(-3.0)
        backend.tasks.retry(third.ids, "me")
        wait_until(lambda: states(third.ids) == {TaskState.DONE})
    signs = [{sign_of(backend, ident) for ident in made.ids} for made in (first, second, third)]
    assert signs == [{"1.0"}, {"-1.0"}, {"-3.0"}]
    tasks = backend.tasks.find(ids=[*first.ids, *second.ids, *third.ids])
    assert {task.losses for task in tasks} == {0}
    assert "Traceback" not in log.read_text()

"""What a model that serves was trained from: its own run says so, whatever has become of its task since."""

from __future__ import annotations

from functools import lru_cache

from rollq.scheduler.online.online_set import OnlineModel
from rollq.tasks.backend import Backend
from rollq.tasks.definition import Definition, segments_of
from rollq.tasks.errors import ArtifactMissing
from rollq.tasks.tracking.mlflow.experiment import find_run

KNOWN = 4_096  # definitions that a process remembers: those of finished runs do not change


def trained_definition(backend: Backend, pool: str, model: OnlineModel) -> Definition:
    """The definition that a model was trained from; not to be changed.

    Args:
        pool: the MLflow experiment of the model.

    Raises:
        NotFound: its run is gone; or the run does not say, and its task is gone.
        ArtifactCorrupted: what the run says has changed.
        Unavailable: MLflow does not answer.
    """
    try:
        return _definition(backend.settings.mlflow_uri, model.recorder_id)
    # The run is older than the artifact `task`; its task may still be there.
    except ArtifactMissing:
        return backend.tasks.get(model.task_id).definition


def trained_test(backend: Backend, pool: str, model: OnlineModel) -> tuple[str, str]:
    """First and last day that a model predicted when it was trained. Raises as ``trained_definition``."""
    start, end = segments_of(trained_definition(backend, pool, model))["test"]
    return str(start), str(end)


@lru_cache(KNOWN)
def _definition(uri: str, run: str) -> Definition:
    definition: Definition = find_run(run, uri).load_object("task")
    return definition

"""Warm start: a task whose definition names an earlier task begins with that task's model.

``definition["init_model"]`` is ``{"pool": ..., "task": <id, 24 hex digits>}``. It is in the definition, so it is part
of what the task is.
"""

from __future__ import annotations

import inspect
import re

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import CHAIN, DATASET, MODEL, Definition
from rollq.tasks.errors import ComponentError, NotFound, NotYet, PermanentError, StateError, TemplateError
from rollq.tasks.queue.reader import TaskReader
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.tracking.mlflow.experiment import find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder


def find_earlier(definition: Definition, tasks: TaskReader | None) -> Task | None:
    """The earlier task whose model this one starts from, with a result; None if the definition names none.

    Raises:
        NotYet: it is not finished.
        PermanentError: it is gone, or ended without a result.
        TemplateError: the definition names it in another form, or with another pool.
        StateError: the definition names one, and there are no ``tasks`` to look for it.
    """
    if CHAIN not in definition:
        return None
    pool, ident = _names(definition[CHAIN])
    if tasks is None:
        raise StateError(f"Task {ident} of pool {pool!r} cannot be looked for here.", "Train it on a worker.")
    try:
        task = tasks.get(ident)
    except NotFound:
        raise PermanentError(
            f"Task {ident} of pool {pool!r}, whose model this one starts from, is gone.",
            "Enqueue it again; then `rollq tasks retry` this one.",
        ) from None
    # An id alone finds a task in whatever pool; the chain must stay within what it was planned for.
    if task.pool != pool:
        raise TemplateError(
            f"task {ident} is in pool {task.pool!r}, not in {pool!r}.", "Name that pool.", f"{CHAIN}.pool"
        )
    _check_done(task)
    return task


def keywords(model: Model, earlier: Task | None, settings: Settings) -> dict[str, Model]:
    """What ``model.fit`` is to be given: nothing, or the model that ``earlier`` left as ``init_model``.

    Raises:
        ComponentError: the ``fit`` of this model knows no ``init_model``.
        PermanentError: the result of the earlier task has no model, or its recorder is gone.
        ArtifactCorrupted: the model's bytes have changed.
        Unavailable: MLflow does not answer.
    """
    if earlier is None:
        return {}
    if CHAIN not in inspect.signature(model.fit).parameters:
        name = type(model).__name__
        raise ComponentError(f"a {name} cannot start from another model.", "Leave out warm_start.", CHAIN)
    return {CHAIN: _load(earlier, settings)}


def share_codes(dataset: Dataset, earlier: Task | None, settings: Settings) -> None:
    """Let a dataset know its categories by the codes that the model of ``earlier`` knows them by.

    Raises:
        PermanentError: the recorder of the earlier task has no dataset, or is gone.
    """
    start_from = getattr(dataset, "start_from", None)  # one of one's own that has codes of its own needs none
    if earlier is None or start_from is None or not dataset.categorical:
        return
    try:
        start_from(_recorder(earlier, settings).load_object(DATASET))
    except NotFound as error:
        raise PermanentError(
            f"Task {earlier.id} of pool {earlier.pool!r} has no dataset to start from: {error.message}",
            f"`rollq tasks retry {earlier.id}`; then retry this one.",
        ) from error


def _names(value: object) -> tuple[str, str]:
    """The pool and the task that ``init_model`` names."""
    match value:
        case {"pool": str(pool), "task": str(ident), **more} if not more and re.fullmatch("[0-9a-f]{24}", ident):
            return pool, ident
    raise TemplateError(f"{value!r} names no task.", "Write {pool: NAME, task: ID of 24 hex digits}.", CHAIN)


def _check_done(task: Task) -> None:
    which = f"Task {task.id} of pool {task.pool!r}, whose model this one starts from, is {task.status}"
    under_way = not task.status.is_terminal and not (task.held and task.committed is not None)
    if under_way:  # also one that is trained again; but a person who holds that one does not hold its successors
        raise NotYet(f"{which}.", "This one is tried again by itself.")
    # A task that failed when it was trained again has an earlier result, which is as good a start as it was before.
    if task.status is not TaskState.DONE and task.committed is None:
        raise PermanentError(f"{which}.", f"`rollq tasks retry {task.id}`; then retry this one.")


def _load(task: Task, settings: Settings) -> Model:
    try:
        model: Model = _recorder(task, settings).load_object(MODEL)
    except NotFound as error:
        raise PermanentError(
            f"Task {task.id} of pool {task.pool!r} has no model to start from: {error.message}",
            f"`rollq tasks retry {task.id}`; then retry this one.",
        ) from error
    return model


def _recorder(task: Task, settings: Settings) -> MLflowRecorder:
    ident = (task.committed or {}).get("recorder_id")
    if not isinstance(ident, str):
        raise NotFound("its result names no recorder.")
    return find_run(ident, settings.mlflow_uri, **settings.artifact_options)

"""``task_train``: trains a task's definition in this process, without a pool, as the reference's function does.

``begin_task_train`` and ``end_task_train`` are its two halves, for ``run_task`` in two phases.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import load_settings
from rollq.tasks.definition import CHAIN, EXPERIMENT, Definition, run_name, with_tuples
from rollq.tasks.errors import BadInput
from rollq.tasks.identity import canonical
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.recorder import Recorder
from rollq.tasks.tracking.runs.run_tags import BEGIN, TRAIN_STATUS, current_tags
from rollq.tasks.tracking.workflow import R
from rollq.workers.jobs.training import check_parts, train


def task_train(
    task_config: Mapping[str, object], experiment_name: str | None = None, recorder_name: str | None = None
) -> Recorder:
    """Train a task here and now, in a new run; each call makes one.

    Inside ``run_task`` the run belongs to the task that is run.

    Args:
        task_config: the definition of a task: ``model``, ``dataset`` and ``record``.
        experiment_name: where the run is; None: what the definition says, else the default experiment.
        recorder_name: None: the model's class and the first day of the test segment.

    Returns:
        The run, FINISHED. If the training fails it is FAILED, with the traceback as an artifact.

    Raises:
        TemplateError: a part of the definition is missing, or has no JSON form.
        ComponentError: a class is not registered, or does not take its keywords.
        DataError: the data cannot be used.
        StateError: another run is active in this process.
    """
    definition = _checked(task_config)
    name = recorder_name or run_name(definition)
    with R.start(experiment_name=experiment_name or definition.get(EXPERIMENT), recorder_name=name) as recorder:
        _train(definition, recorder)
    return recorder


def begin_task_train(
    task_config: Mapping[str, object], experiment_name: str | None = None, recorder_name: str | None = None
) -> Recorder:
    """Only make the run of a task, SCHEDULED; ``end_task_train`` trains it. Arguments and errors as ``task_train``."""
    definition = _checked(task_config)
    experiment = R.get_exp(experiment_name=experiment_name or definition.get(EXPERIMENT))
    recorder = experiment.create_recorder(recorder_name or run_name(definition), {TRAIN_STATUS: BEGIN})
    recorder.save_objects(task=with_tuples(definition))
    return recorder


def end_task_train(rec: Recorder, experiment_name: str | None = None) -> Recorder:
    """Train what ``begin_task_train`` made.

    Args:
        rec: what it returned.
        experiment_name: where a new run is made, if there has to be one; None: in the experiment of ``rec``.

    Returns:
        ``rec``, FINISHED. One that was begun before may still be written to by the process that did so: a new run is
        made beside it, and returned.

    Raises:
        ArtifactMissing: the run holds no task.
        ComponentError, DataError, StateError: as ``task_train``.
    """
    experiment = R.get_exp(experiment_id=rec.experiment_id, create=False)
    found = experiment.get_recorder(rec.id, create=False)
    if found.status is RecorderStatus.FINISHED:
        return found
    definition: Definition = found.load_object("task")
    if found.status is not RecorderStatus.SCHEDULED:
        with R.start(experiment_name=experiment_name or experiment.name, recorder_name=found.name) as recorder:
            _train(definition, recorder)
        return recorder
    with R.start(experiment_id=rec.experiment_id, recorder_id=rec.id, resume=True) as recorder:
        recorder.set_tags(current_tags())
        _train(definition, recorder)
    return recorder


def _checked(task_config: Mapping[str, object]) -> Definition:
    """A definition as it is stored, with its parts."""
    if not isinstance(task_config, Mapping):
        raise BadInput(f"A task is a mapping, not a {type(task_config).__name__}.", "Give its definition.")
    definition: Definition = canonical(task_config)
    check_parts(definition)
    return definition


def _train(definition: Definition, recorder: Recorder) -> None:
    """Train into a run that has begun."""
    if not isinstance(recorder, MLflowRecorder):
        raise BadInput(f"A {type(recorder).__name__} cannot be trained into.", "Use MLflowExpManager.")
    # Only a warm start asks for another task.
    tasks = Backend.connect().tasks.reader if CHAIN in definition else None
    train(definition, recorder, lambda: None, load_settings(), tasks)

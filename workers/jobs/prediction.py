"""Predicting days with a model that was trained before: as a task on a worker, and for the updaters by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from uuid import uuid4

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.registry import resolve
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import DATASET, MODEL, PREDICT, SEGMENTS_KEY, TEST, Definition, segments_of
from rollq.tasks.errors import ArtifactMissing, DataError, StateError, TemplateError
from rollq.tasks.predictions.day_hashes import day_hashes
from rollq.tasks.predictions.fitted_dataset import fitted_dataset, saved_part, saved_task
from rollq.tasks.predictions.increments import Increment, save_increment
from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.tracking.mlflow.experiment import find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.workers.jobs.scores import checked_scores

SEGMENT = f"{SEGMENTS_KEY}.{TEST}"
FIX = "Create the task anew."


def predict(claim: Claim, checkpoint: Callable[[], None], settings: Settings) -> dict[str, object]:
    """Run a prediction task: predict days with the model of a finished run, and put an increment beside it.

    Nothing of the run is changed: neither its status nor its manifest, whatever becomes of the task.

    Args:
        checkpoint: called often; raises when the attempt must stop.

    Returns:
        The small JSON that is committed: ``{recorder_id, artifact, sha256, from, to, rows, sessions, gone}``. ``from``
        and ``to`` are the first and last session that were predicted; ``gone`` are the asked days without any row.

    Raises:
        TemplateError: the definition is none of a prediction task.
        NotFound: there is no such run.
        StateError: its model is not trained.
        DataError: the data cannot be read, or the segment has no row and no single days were asked for.
    """
    definition = claim.definition
    check_prediction(definition)
    recorder = _finished(definition[PREDICT]["recorder_id"], settings)
    dataset = fitted_dataset(recorder, definition[DATASET], settings.components)
    model = load_model(recorder, settings.components)
    checkpoint()
    start, end = segments_of(definition)[TEST]
    increment = _predicted(model, dataset, str(start), end, definition[PREDICT]["days"])
    checkpoint()
    # The name is this attempt's own: an increment of an attempt that was cut off is never written over, nor taken for
    # this one.
    kept = save_increment(recorder, f"{claim.task_id}-{claim.attempt}-{uuid4().hex[:8]}", increment)
    checkpoint()
    return {"recorder_id": recorder.id, **kept, **_summary(increment, definition[PREDICT]["days"])}


def check_prediction(definition: Definition) -> None:
    """Refuse a definition that was put into the pool past every check.

    Raises:
        TemplateError: a part of it is missing or of the wrong form.
    """
    asked = definition.get(PREDICT)
    if not isinstance(asked, Mapping) or set(asked) != {"pool", "recorder_id", "days"}:
        raise TemplateError("it is a mapping of pool, recorder_id and days.", FIX, PREDICT)
    for name in ("pool", "recorder_id"):
        if not isinstance(asked[name], str) or not asked[name]:
            raise TemplateError("it is missing or no text.", FIX, f"{PREDICT}.{name}")
    days = asked["days"]
    if days is not None and not (isinstance(days, list) and days and all(_is_day(day) for day in days)):
        raise TemplateError("it is a list of days (YYYY-MM-DD), or null for all.", FIX, f"{PREDICT}.days")
    if not isinstance(definition.get(DATASET), Mapping):
        raise TemplateError("'dataset' is missing or no mapping.", FIX, DATASET)
    start, end = segments_of(definition).get(TEST, (None, None))
    if not _is_day(start) or not (end is None or _is_day(end)):
        raise TemplateError("it is a pair of days (YYYY-MM-DD); null for the last session there is.", FIX, SEGMENT)


def load_model(recorder: MLflowRecorder, components: tuple[str, ...] = ()) -> Model:
    """The model of a run, of the class that its task names; of one that was made by hand, as it was saved.

    Raises:
        ArtifactMissing, ArtifactCorrupted: the run does not hold it; it says how to save it.
        ComponentError: its class is not registered.
    """
    named = saved_task(recorder).get(MODEL)
    if named is None:
        made: Model = saved_part(recorder, MODEL)
        if not callable(getattr(made, "predict", None)):
            what = f"What run {recorder.id} holds as its model is a {type(made).__name__}, which cannot predict."
            raise ArtifactMissing(what, 'Save the fitted model: R.save_objects(**{"params.pkl": model}).')
        return made
    cls = resolve(named, MODEL, components)
    model: Model = cls.load(Path(recorder.load_folder(MODEL)))
    return model


def predict_range(model: Model, dataset: Dataset, start: str, end: str | None, hist_ref: int = 0) -> Increment:
    """Predict the sessions from ``start`` to ``end``, both inclusive (YYYY-MM-DD); the dataset is not asked beyond.

    Args:
        end: None: the last session of the data.
        hist_ref: how many sessions before ``start`` the model is given, too, as context.

    Raises:
        DataError: these days have no rows.
        PermanentError: the model's scores cannot be used (``workers/jobs/scores.py``).
    """
    # Without a train segment the copy keeps what was fitted, so later days are processed as the model was trained.
    later = dataset.config(segments={TEST: [_before(dataset, start, hist_ref), end]})
    label = later.prepare(TEST, "raw")[["label"]]
    scores = checked_scores(model.predict(later, TEST), label.index)
    increment = Increment(scores.to_frame("score"), label, day_hashes(later, TEST))
    return increment.only([day for day in increment.days if day >= start]) if hist_ref else increment


def _finished(recorder_id: str, settings: Settings) -> MLflowRecorder:
    """The run whose model predicts; one that is not FINISHED may still change, or was refused."""
    recorder = find_run(recorder_id, settings.mlflow_uri, components=settings.components)
    if recorder.status is not RecorderStatus.FINISHED:
        raise StateError(
            f"The model of run {recorder.id} is not trained: the run is {recorder.status}.",
            "Predict with a model whose task is DONE.",
        )
    return recorder


def _predicted(model: Model, dataset: Dataset, start: str, end: str | None, days: list[str] | None) -> Increment:
    """Predict the sessions of a segment, or of it only the ``days`` that are asked for, which may have lost all their
    rows.
    """
    if days is None:
        return predict_range(model, dataset, start, end)
    _ = dataset.sessions  # data that cannot be read are an error, not days that are gone
    try:
        return predict_range(model, dataset, start, end).only(days)
    except DataError:  # a revision took the last row of them
        return Increment.empty()


def _summary(increment: Increment, days: list[str] | None) -> dict[str, object]:
    made = sorted(increment.days)
    return {
        "from": made[0] if made else None,
        "to": made[-1] if made else None,
        "rows": len(increment.pred),
        "sessions": len(made),
        "gone": sorted(set(days or ()) - set(made)),
    }


def _before(dataset: Dataset, start: str, sessions: int) -> str:
    if not sessions:
        return start
    days = session_days(dataset.sessions).unique()
    first = int(days.searchsorted(pd.Timestamp(start), "left"))
    return f"{days[max(0, first - sessions)]:%Y-%m-%d}"


def _is_day(value: object) -> bool:
    try:
        # `fromisoformat` takes other spellings, such as 20240102, which would sort and compare otherwise.
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False

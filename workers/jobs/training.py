"""Training one window: build the dataset and the model, fit, write the records, and say what came out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from operator import attrgetter

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Record
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    CHAIN,
    DATASET,
    MODEL,
    RECORD,
    TEST,
    Definition,
    records_of,
    with_record_list,
    with_tuples,
)
from rollq.tasks.errors import TemplateError
from rollq.tasks.failures import described
from rollq.tasks.ingredients.ingredients import other_data
from rollq.tasks.predictions.pooling import as_pooled
from rollq.tasks.predictions.window_metrics import WindowMetrics
from rollq.tasks.queue.reader import TaskReader
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.workers.jobs import warm_start

log = logging.getLogger(__name__)

LOGGED = (MODEL, DATASET, CHAIN)  # parts of a definition that become params


def train(
    definition: Definition,
    recorder: MLflowRecorder,
    checkpoint: Callable[[], None],
    settings: Settings,
    tasks: TaskReader | None = None,
) -> dict[str, object]:
    """Run the whole of a window.

    Args:
        recorder: a run that has begun; the caller ends it.
        checkpoint: called often; raises when the attempt must stop.
        tasks: where the task is looked for whose model this one starts from, if its definition names one.

    Returns:
        The small JSON that is committed: ``{recorder_id, metrics, pooling, seconds: {data, fit, record}, artifacts}``.

    Raises:
        NotYet: that task is not finished (``workers/jobs/warm_start.py``).
        PermanentError: it ended without a model.
    """
    extra = settings.components
    earlier = warm_start.find_earlier(definition, tasks)
    recorder.log_params({part: definition[part] for part in LOGGED if part in definition})
    started = time.perf_counter()
    dataset: Dataset = build(definition[DATASET], DATASET, extra)
    model: Model = build(definition[MODEL], MODEL, extra)
    start = warm_start.keywords(model, earlier, settings)
    warm_start.share_codes(dataset, earlier, settings)
    # It trains all the same; the result says which data are others, and so the window is not taken for the same later.
    if revised := other_data(definition, dataset):
        log.warning("the data of %s were revised since this task was made", ", ".join(revised))
    checkpoint()
    prepared = time.perf_counter()
    model.fit(dataset, checkpoint=checkpoint, **start)
    fitted = time.perf_counter()
    _save(recorder, model, dataset, definition)
    measured = _record(recorder, model, dataset, definition, checkpoint, extra)
    seconds = {
        "data": prepared - started,
        "fit": fitted - prepared,
        "record": time.perf_counter() - fitted,
    }
    recorder.log_metrics({f"seconds_{name}": value for name, value in seconds.items()})
    return {
        "recorder_id": recorder.id,
        "experiment_id": recorder.experiment_id,
        **measured.to_result(),
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "artifacts": recorder.checksums(),
        **({"other_data": revised} if revised else {}),
    }


def check_parts(definition: Definition) -> None:
    """Refuse a definition that was put into the pool past every check.

    Raises:
        TemplateError: a part of it is missing or of the wrong form.
    """
    for part, form in ((MODEL, dict), (DATASET, dict), (RECORD, list)):
        if not isinstance(with_record_list(definition).get(part), form):
            raise TemplateError(f"{part!r} is missing or no {form.__name__}.", "Create the task anew.", part)


def _save(recorder: MLflowRecorder, model: Model, dataset: Dataset, definition: Definition) -> None:
    recorder.save_objects(model=model, task=with_tuples(definition), dataset=dataset.to_config())
    type(model).load(recorder.load_folder(MODEL))  # one that cannot be loaded fails here, not when it is to serve
    if history := _history(model):
        recorder.log_history(history)


def _history(model: object) -> dict[str, list[float]]:
    """The values by round that a model has in ``evals``; an own model may have something else under this name."""
    try:
        evals: dict[object, Iterable[float]] = dict(attrgetter("evals")(model))
        found = {str(name): [float(value) for value in values] for name, values in evals.items()}
    except Exception as error:  # noqa: BLE001 - an own class may do anything here; its training is finished
        if hasattr(type(model), "evals") or "evals" in vars(model):
            log.info("the model's evals are no values by round, they are not logged: %s", described(error))
        return {}
    return found


def _record(
    recorder: MLflowRecorder,
    model: Model,
    dataset: Dataset,
    definition: Definition,
    checkpoint: Callable[[], None],
    extra: tuple[str, ...],
) -> WindowMetrics:
    """Let each record of the definition write what it makes of the model, in their order: a later one may read an
    earlier one's artifacts.
    """
    found = WindowMetrics()
    for place, config in records_of(definition):
        record: Record = build(config, place, extra, recorder=recorder, model=model, dataset=dataset)
        metrics = record.generate() or {}
        # One of the user's own needs a `generate` and nothing else.
        how, better = getattr(record, "pooling", {}), getattr(record, "better", {})
        returned = as_pooled(metrics, how, lambda: len(dataset.prepare(TEST, "raw")))
        found = found.and_those_of(WindowMetrics(returned, dict(better)))
        checkpoint()
    return found

"""What a run of Qlib holds, read whole before anything is written: its artifacts in rollq's forms.

Frames become Parquet, configurations JSON; the model is kept for Qlib's own class, as is what has no other form. A run
of which one part cannot be read is not read at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from rollq.migration.frames import todays
from rollq.migration.source import UNREADABLE, Source, SourceRun
from rollq.tasks.definition import DATASET, QLIB_INIT, Definition, with_dataset_kwargs
from rollq.tasks.errors import ArtifactMissing, BadInput, RollqError, StateError, TemplateError
from rollq.tasks.identity import canonical
from rollq.tasks.tracking.artifacts.codecs import codec_of
from rollq.tasks.tracking.artifacts.manifest import OWN, safe_name
from rollq.workers.qlib.pickles import load

TASK, PARAMS, PRED, LABEL = "task", "params.pkl", "pred.pkl", "label.pkl"
PICKLE = b"\x80"  # the first byte of a pickle of protocol 2 and later
ENDED = ("FINISHED", "FAILED", "KILLED")
INDEX = ["datetime", "instrument"]
TRAINED, TRAINED_TAG = "end_task_train", "train_status"  # what Qlib's trainers say of a run that has a model


@dataclass
class Content:
    """What is written of a run: values by the names of their artifacts, and files that are copied as they are.

    ``model`` and ``dataset`` are Qlib's objects, whose pickles are in ``pickles``; ``definition`` is the task in
    rollq's form, if the run has one.
    """

    values: dict[str, object] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    pickles: dict[str, bytes] = field(default_factory=dict)
    model: object = None
    dataset: object = None
    definition: Definition | None = None

    @property
    def names(self) -> list[str]:
        """Of all artifacts, as Qlib calls them."""
        return sorted([*self.values, *self.files, *self.pickles])


def read_content(
    source: Source,
    experiment: str,
    run: SourceRun,
    classes: Sequence[str] = (),
    qlib_init: Mapping[str, object] | None = None,
) -> Content:
    """Everything that a run holds.

    Args:
        classes: further classes that a pickle may hold (the setting ``pickle_classes``).
        qlib_init: where the data of Qlib are, which its runs do not say; it becomes part of their tasks.

    Raises:
        StateError: the run has not ended.
        BadInput: a pickle holds a class that is not allowed, or the record of the run is broken.
        ArtifactCorrupted, ArtifactMissing, NotFound: something of it is broken or missing.
    """
    if run.status == UNREADABLE:
        raise BadInput(run.trouble)
    if run.status not in ENDED:
        raise StateError(f"it shows {run.status}: it still runs, or its process died without saying so")
    found = source.artifacts(experiment, run)
    content = Content()
    for name, path in found.items():
        try:
            _take(content, safe_name(name), path, classes)
        except RollqError as error:
            raise type(error)(f"{name}: {error.message}", error.fix) from error
        except OSError as error:
            raise BadInput(f"{name}: {error.strerror}") from error
    if qlib_init and content.definition and DATASET in content.definition:
        content.definition = with_dataset_kwargs(content.definition, **{QLIB_INIT: dict(qlib_init)})
        content.values[TASK] = content.definition
    if content.model is None and run.tags.get(TRAINED_TAG) == TRAINED and run.status == "FINISHED":
        raise ArtifactMissing(f"its training has ended, and {PARAMS} is missing")
    return content


def _take(content: Content, name: str, path: Path, classes: Sequence[str]) -> None:
    """One artifact."""
    if name in OWN:
        raise BadInput("rollq's own file has this name")
    raw = path.read_bytes()
    if not raw.startswith(PICKLE):
        if name.endswith(".pkl"):
            load(raw, classes)  # it says why it is none
        content.files[name] = path
        return
    value = load(raw, classes)
    if name == PARAMS:
        content.model, content.pickles[name] = value, raw
    elif name == DATASET:
        content.dataset, content.pickles[name] = value, raw
    elif name == TASK and (definition := _definition(value)) is not None:
        content.values[TASK] = content.definition = definition
    elif value is not None:
        shaped = _shaped(name, todays(value) if isinstance(value, pd.DataFrame | pd.Series) else value)
        if _has_form(shaped):
            content.values[name] = shaped
        else:
            content.files[name] = path


def _definition(value: object) -> Definition | None:
    """A task in rollq's form; None if it has none, because it holds an object: then its pickle is kept."""
    try:
        made = canonical(value, TASK)
    except TemplateError:
        return None
    return made if isinstance(made, dict) else None


def _shaped(name: str, value: object) -> object:
    """Predictions and labels as rollq's own runs have them: one named column, indexed (datetime, instrument)."""
    column = {PRED: "score", LABEL: "label"}.get(PurePosixPath(name).name)
    if column is None or not isinstance(value, pd.DataFrame | pd.Series):
        return value
    frame = value.to_frame(column) if isinstance(value, pd.Series) else value.copy()
    if frame.shape[1] == 1:
        frame.columns = pd.Index([column])
    if set(frame.index.names) != set(INDEX):
        return frame
    return (frame if list(frame.index.names) == INDEX else frame.reorder_levels(INDEX)).sort_index()


def _has_form(value: object) -> bool:
    """Whether a value comes back as it is from the artifacts of rollq."""
    try:
        codec_of(value).encode(value)
    except BadInput:
        return False
    return True

"""The model and the dataset of a run, in the form that rollq's adapter for Qlib reads: it can predict with them.

Qlib's own pickles are kept, too: a model's in its folder, a dataset's under ``qlib/``.
"""

from __future__ import annotations

from pathlib import Path

from rollq.migration.content import PARAMS, Content
from rollq.tasks.components.model import Model
from rollq.tasks.definition import DATASET, FITTED, HANDLER, MODEL, dataset_kwargs
from rollq.tasks.errors import RollqError
from rollq.workers.qlib.adapter import adapt
from rollq.workers.qlib.data.states import states_of

PICKLED_DATASET = f"qlib/{DATASET}.pkl"


def model_artifacts(content: Content, folder: Path) -> dict[str, object]:
    """What is saved of them, by the names of the artifacts.

    Args:
        folder: an empty one, for their files.
    """
    found: dict[str, object] = {}
    if PARAMS in content.pickles:
        place = folder / MODEL
        place.mkdir()
        (place / PARAMS).write_bytes(content.pickles[PARAMS])
        found[MODEL] = _model(content.model, place) or place
    if DATASET in content.pickles:
        path = folder / DATASET
        path.write_bytes(content.pickles[DATASET])
        found[PICKLED_DATASET] = path
        if (config := _dataset(content)) is not None:
            found[DATASET] = config
    return found


def _model(native: object, folder: Path) -> Model | None:
    """The model as rollq's; None if it is of a class that is not Qlib's: then its pickle alone is kept."""
    try:
        cls = adapt(type(native).__name__, type(native).__module__, MODEL)
        return cls.load(folder) if issubclass(cls, Model) else None
    except RollqError:
        return None


def _dataset(content: Content) -> dict[str, object] | None:
    """The keywords of the dataset with what its processors have learned; None if that has no form here."""
    processors = getattr(getattr(content.dataset, HANDLER, None), "get_all_processors", None)
    if content.definition is None or not callable(processors):
        return None
    try:
        return {**dataset_kwargs(content.definition), FITTED: states_of(processors())}
    except (RollqError, AttributeError, TypeError):  # a processor that its version of Qlib knew otherwise
        return None

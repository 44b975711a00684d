"""The files of a model and a dataset of Qlib, as rollq keeps them: Qlib's own pickle inside a folder."""

from __future__ import annotations

from pathlib import Path

from rollq.migration.content import PARAMS, Content
from rollq.tasks.definition import DATASET, MODEL

FOLDERS = {PARAMS: MODEL, DATASET: f"qlib/{DATASET}"}


def model_artifacts(content: Content, folder: Path) -> dict[str, object]:
    """What is saved of them, by the names of the artifacts.

    Args:
        folder: an empty one, for their files.
    """
    found: dict[str, object] = {}
    for name, pickled in content.pickles.items():
        place = folder / FOLDERS[name]
        place.mkdir(parents=True)
        (place / (PARAMS if name == PARAMS else f"{name}.pkl")).write_bytes(pickled)
        found[FOLDERS[name]] = place
    return found

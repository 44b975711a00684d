"""Where the files of a dataset lie, seen from the root."""

from __future__ import annotations

from pathlib import Path

from rollq.tasks.config.settings import expanded
from rollq.tasks.definition import DATASET, KWARGS, Definition, dataset_kwargs, paths_of, with_kwargs, with_paths
from rollq.tasks.errors import TemplateError
from rollq.tasks.files.paths import absolute


def with_absolute_places(definition: Definition, folder: Path) -> Definition:
    """A copy in which every path of the dataset is seen from the root.

    Args:
        folder: that the paths are relative to.

    Raises:
        TemplateError: something is no path.
    """
    if not paths_of(dataset_kwargs(definition)):
        return definition
    # links are followed when it is read: they may move
    moved = with_paths(dataset_kwargs(definition), lambda path, key: str(absolute(folder / _home(path, key))))
    return {**definition, DATASET: with_kwargs(definition[DATASET], moved)}


def _home(path: str, name: str) -> Path:
    try:
        return expanded(Path(path))
    except ValueError as error:
        key = f"{DATASET}.{KWARGS}.{name}"
        raise TemplateError(f"{path!r} cannot be a path: {error}.", "Write it out.", key) from None

"""Columns of the data that records name: whether there are such, before any window is trained for them."""

from __future__ import annotations

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.record import Record
from rollq.tasks.components.registry import build, did_you_mean, resolve
from rollq.tasks.definition import KWARGS, TEST, Definition, records_of
from rollq.tasks.errors import TemplateError

INSTRUMENT = "instrument"


def check_used_columns(definition: Definition, dataset: Dataset, components: tuple[str, ...]) -> None:
    """Read each column that a record uses; they are kept for the windows that are trained later.

    Args:
        components: further registered classes (the setting ``components``).

    Raises:
        TemplateError: the dataset has no such column.
        DataError: it cannot be read, such as one that is joined.
    """
    for key, config in records_of(definition):
        cls = resolve(config, key, components)
        if getattr(cls, "used_columns", Record.used_columns) is Record.used_columns:
            continue  # it is not made: a class of one's own may need what only a worker has
        record: Record = build(config, key, components)
        for keyword, names in record.used_columns().items():
            for name in names:
                _check(name, f"{key}.{KWARGS}.{keyword}", dataset)


def _check(name: str, key: str, dataset: Dataset) -> None:
    if name == INSTRUMENT:
        return
    known = list(getattr(dataset, "info_columns", ()))
    if name not in known:
        none = "Use a dataset that keeps its columns, as TableDataset does, or leave it out."
        raise TemplateError(f"the dataset has no column {name!r}.", did_you_mean(name, known) if known else none, key)
    dataset.prepare(TEST, f"info:{name}")

"""What a record has measured: written by time and by group, logged, and returned so that windows can be pooled."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.record import Record
from rollq.tasks.definition import TEST
from rollq.tasks.errors import BadInput
from rollq.tasks.predictions.directions import of_group
from rollq.tasks.predictions.pooling import DETERMINATION, RowSums, metrics_by, metrics_of, table_by

log = logging.getLogger(__name__)

DAY, INSTRUMENT = "datetime", "instrument"
MOST_GROUPS = 50  # that are logged as metrics; the file has all of them


def checked_groups(by: object) -> list[str]:
    """The columns by which a record measures, too: one, or a list.

    Raises:
        BadInput: they are something else.
    """
    columns = [by] if isinstance(by, str) else [] if by is None else by
    if not isinstance(columns, list | tuple) or not all(isinstance(one, str) and one for one in columns):
        raise BadInput(f"by {by!r} is no column.", "Name a column of the data, or a list: by: [sector].")
    return list(columns)


def write_measured(
    record: Record,
    rows: Mapping[str, RowSums],
    index: pd.Index,
    by: Sequence[str] = (),
    more: pd.DataFrame | None = None,
) -> dict[str, float]:
    """Save ``by_time.parquet`` and, for each column, ``by_COLUMN.parquet``; log and return the metrics.

    Args:
        record: whose folder it goes to; its ``measured`` is set.
        rows: what each row adds to each metric.
        index: of the rows: times, or (datetime, instrument).
        by: columns of the data, or ``instrument``, whose groups are measured each.
        more: further metrics by time, that are no sums over rows.

    Raises:
        BadInput: the dataset has no such column.
    """
    # The spread of the labels of one time is another thing than that of a window.
    of_time = {name: one for name, one in rows.items() if one.how != DETERMINATION}
    record.measured = table_by(of_time, index.get_level_values(DAY).rename(DAY))
    if more is not None:
        record.measured = record.measured.join(more)
    metrics = metrics_of(rows)
    tables = {"by_time.parquet": record.measured}
    for column in by:
        keys = _groups(record.dataset, column, index)
        tables[f"by_{column}.parquet"] = table_by(rows, keys)
        groups = metrics_by(rows, keys)
        if len(groups) > MOST_GROUPS:
            log.info("%s has %d groups: they are in by_%s.parquet, and not logged", column, len(groups), column)
            continue
        for group, found in groups.items():
            metrics |= {of_group(name, column, group): value for name, value in found.items()}
    record.save(**tables)
    record.recorder.log_metrics(metrics)
    return metrics


def _groups(dataset: Dataset, column: str, index: pd.Index) -> pd.Index:
    """The group of each row: that of its own time, as text."""
    if column == INSTRUMENT:
        return index.get_level_values(INSTRUMENT).astype(str).rename(column)
    if column not in dataset.info_columns:
        known = ", ".join([INSTRUMENT, *dataset.info_columns])
        raise BadInput(f"The dataset has no column {column!r} to measure by.", f"Use one of: {known}.")
    values = dataset.prepare(TEST, f"info:{column}").iloc[:, 0].reindex(index)
    texts = values.map(_text, na_action="ignore")
    return pd.Index(texts.to_numpy(), name=column, dtype=object)


def _text(value: object) -> str:
    """A whole number without a point: columns of numbers are floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

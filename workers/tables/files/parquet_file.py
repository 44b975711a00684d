"""A Parquet file as a source of columns, read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from rollq.tasks.errors import DataError
from rollq.workers.tables.files.file_hashes import opened, unchanged
from rollq.workers.tables.files.source_files import SourceFile

ROWS = 1 << 17  # of a batch: what is decoded at a time is small beside a table
NOT_PARQUET = (OSError, ValueError, TypeError, KeyError)  # pyarrow's errors are of these kinds


@lru_cache(maxsize=100_000)
def parquet_form(file: SourceFile, key: str) -> tuple[pa.Schema, int]:
    """The columns of a file, and how many rows it has; pandas' index levels are columns.

    Raises:
        DataError: it is no Parquet file.
        NotYet: it is another file by now.
    """
    with unchanged(file.path, file.sha256, key):
        try:
            found = pq.read_metadata(file.path)
            return found.schema.to_arrow_schema().remove_metadata(), int(found.num_rows)
        except NOT_PARQUET as error:
            raise _no_parquet(file, key, error) from None


def parquet_head(file: SourceFile, rows: int, key: str) -> pa.Table:
    """The first rows.

    Raises:
        DataError: it is no Parquet file.
        NotYet: it is another file by now.
    """
    with unchanged(file.path, file.sha256, key):
        try:
            with pq.ParquetFile(file.path) as source:
                batch = next(source.iter_batches(rows, use_threads=False), None)
        except NOT_PARQUET as error:
            raise _no_parquet(file, key, error) from None
    return parquet_form(file, key)[0].empty_table() if batch is None else pa.Table.from_batches([batch])


def parquet_batches(file: SourceFile, columns: Sequence[str], key: str) -> Iterator[pa.RecordBatch]:
    """The rows of some columns.

    Raises:
        DataError: it is no Parquet file.
        NotYet: it is another file by now.
    """
    with opened(file.path, file.sha256, key) as content:
        try:
            # A buffer in place of all pages of a column: a file of many columns needs no more than what is asked for.
            with pq.ParquetFile(content, pre_buffer=False, buffer_size=1 << 16) as source:
                yield from source.iter_batches(ROWS, columns=list(columns), use_threads=False)
        except NOT_PARQUET as error:
            raise _no_parquet(file, key, error) from None


def _no_parquet(file: SourceFile, key: str, error: Exception) -> DataError:
    return DataError(f"{key}: {file.path} is not a Parquet file: {error}.", "Give a Parquet file.")

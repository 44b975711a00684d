"""The columns of a source's files: their kinds, their first rows, and all rows in batches."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

import pandas as pd
import pyarrow as pa

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import CATEGORY, EMPTY, NUMBER, as_texts, kind_of
from rollq.workers.tables.files.csv_file import CsvForm, csv_batches, csv_head, csv_header
from rollq.workers.tables.files.parquet_file import parquet_batches, parquet_form, parquet_head
from rollq.workers.tables.files.qlib_folder import qlib_batches, qlib_schema
from rollq.workers.tables.files.source_files import CSV, PARQUET, QLIB, SourceFile, find_files
from rollq.workers.tables.source_spec import SourceSpec

HEAD_ROWS = 100
LEVELS = re.compile(r"\('.*', '.*'\)")


class SourceColumns:
    """The columns of a source, as its files were when it was looked at.

    Args:
        spec: what the template says of it.
        key: where that stands in the template.

    Attributes:
        files: of the source.
        types: the kind of each column, of all files; a folder's name such as year=2020 is one, too.
        head: the first rows, with what the folders of the first file say.

    Raises:
        DataError: files are missing or no tables.
    """

    def __init__(self, spec: SourceSpec, key: str) -> None:
        self.spec, self.key = spec, f"{key}.path"
        self.files = find_files(spec.path, self.key, (spec.market, spec.freq or "day"))
        self._csv = CsvForm(spec.separator, spec.decimal)
        self.types = self._all_types()
        self._check_levels()
        self.head = self._head()

    def batches(self, columns: Sequence[str], texts: Collection[str]) -> Iterator[tuple[SourceFile, pa.RecordBatch]]:
        """All rows of some columns, with the file that they are of; columns that a file lacks are left out.

        Args:
            columns: names.
            texts: those that are read as they are written, where the form of the file leaves a choice.

        Raises:
            DataError: a file is no table, or holds something else.
            NotYet: a file is another one by now.
        """
        if self.files.form == QLIB:
            yield from ((self.files.files[0], batch) for batch in qlib_batches(self.files, columns, self.key))
            return
        for file in self.files.files:
            types = _types_of(file, self.files.form, self._csv, self.key)
            both = [name for name in columns if name in file.partitions and name in types]
            wanted = [name for name in columns if name not in file.partitions or name in both]
            for batch in self._of_file(file, wanted, {*texts, *both}):
                for name in both:
                    self._check_partition(file, name, batch.column(name))
                yield file, batch

    def count(self) -> int | None:
        """How many rows there are; None: they must be read to know."""
        if self.files.form != PARQUET:
            return None
        return sum(parquet_form(one, self.key)[1] for one in self.files.files)

    def shown(self, name: str) -> object:
        """The first value of a column."""
        return next((value for value in self.head.column(name).to_pylist() if value not in (None, "")), None)

    def _check_partition(self, file: SourceFile, name: str, column: pa.Array) -> None:
        """Refuse a file that says something else than its folder."""
        said = file.partitions[name]
        for text in as_texts(column).unique().to_pylist():
            if not _is_same(text or None, said):
                why = f"{self.key}: the folder of {file.path} says {name}={said}, and its column {name!r} {text!r}."
                raise DataError(why, "Rename the folder, or correct the file.")

    def _of_file(self, file: SourceFile, columns: Sequence[str], texts: Collection[str]) -> Iterator[pa.RecordBatch]:
        """The rows of some columns of a file."""
        types = _types_of(file, self.files.form, self._csv, self.key)
        there = [name for name in columns if name in types]
        if self.files.form == PARQUET:
            # Without a column the batches would have no rows.
            yield from parquet_batches(file, there or list(types)[:1], self.key)
            return
        wanted = {name: self._csv_type(name, types[name], texts) for name in there or list(types)[:1]}
        yield from csv_batches(file, self._csv, wanted, self.key)

    def _csv_type(self, name: str, kind: pa.DataType, texts: Collection[str]) -> pa.DataType:
        """What a column of a CSV file is read as, whatever its first rows look like."""
        if name in texts or self.types.get(name) == CATEGORY:
            return pa.string()
        return kind if pa.types.is_boolean(kind) else pa.float64()

    def _all_types(self) -> dict[str, str]:
        """The kind of each column."""
        if self.files.form == QLIB:
            return {field.name: kind_of(field.type) for field in qlib_schema(self.files, self.key)}
        found: dict[str, str] = {}
        for file in self.files.files:
            for name, kind in _types_of(file, self.files.form, self._csv, self.key).items():
                found[name] = self._merged(name, found.get(name, EMPTY), kind_of(kind))
        for name in {name for file in self.files.files for name in file.partitions}:
            found[name] = _kind_of_texts([file.partitions.get(name) for file in self.files.files])
        return found

    def _check_levels(self) -> None:
        """Refuse a frame whose columns have several levels: a file has but the texts of them."""
        levels = [name for name in self.types if LEVELS.fullmatch(name)]
        if len(levels) > 1:
            why = f"{self.key}: the columns of {self.spec.path} have several levels, such as {levels[0]}."
            fix = "Make it long before it is written: frame.stack().rename_axis(['date', 'symbol']).reset_index()."
            raise DataError(why, fix)

    def _merged(self, name: str, one: str, other: str) -> str:
        kinds = {one, other} - {EMPTY}
        if len(kinds) < 2:
            return kinds.pop() if kinds else EMPTY
        if self.files.form == CSV:
            return CATEGORY  # one file may have names that all happen to be numbers
        said = " and ".join(sorted(kinds))
        raise DataError(f"{self.key}: the column {name!r} is {said} in different files.", "Write them alike.")

    def _head(self) -> pa.Table:
        """The first rows of the first file that has some, with what its folders say."""
        if self.files.form == QLIB:
            batch = next(qlib_batches(self.files, list(self.types), self.key))
            return pa.Table.from_batches([batch.slice(0, HEAD_ROWS)])
        for file in self.files.files:
            if self.files.form == PARQUET:
                head = parquet_head(file, HEAD_ROWS, self.key)
            else:
                # As text, because 007 is a name and 20240102 may be a day.
                head = csv_head(file, self._csv, csv_header(file, self._csv, self.key), self.key).slice(0, HEAD_ROWS)
                types = _types_of(file, CSV, self._csv, self.key)
                head = pa.table({name: _typed(head.column(name), types[name]) for name in head.schema.names})
            if head.num_rows:
                break
        for name, value in file.partitions.items():
            column = pa.repeat(pa.scalar(value, pa.string()), head.num_rows)
            head = head.drop_columns([name]) if name in head.schema.names else head
            head = head.append_column(name, column)
        if not head.num_rows:
            raise DataError(f"{self.key}: {self.spec.path} has no rows.", "Give a table with rows.")
        return head


@lru_cache(maxsize=100_000)
def _types_of(file: SourceFile, form: str, csv: CsvForm, key: str) -> dict[str, pa.DataType]:
    """The columns of a file, by its content."""
    schema = parquet_form(file, key)[0] if form == PARQUET else csv_head(file, csv, (), key).schema
    return dict(zip(schema.names, schema.types, strict=True))


def _is_same(one: str | None, other: str | None) -> bool:
    """Whether two texts are one, or one number or time (month=01, and 1)."""
    if one is None or other is None or one == other or not one[-1].isdigit():
        return one == other
    try:
        return float(one) == float(other)
    except ValueError:
        pass
    try:
        return bool(pd.Timestamp(one) == pd.Timestamp(other))
    except (ValueError, TypeError):
        return False


def _kind_of_texts(texts: Sequence[str | None]) -> str:
    try:
        for text in texts:
            float(text or "nan")
    except ValueError:
        return CATEGORY
    return NUMBER


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Text as it was read, where the file's type is text or a time; numbers where it is numbers."""
    if kind_of(kind) != NUMBER:
        return column
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return column

"""A source that was looked at: its files, its columns and their kinds, which of them are time and instrument."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache

import pyarrow as pa

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import CATEGORY, EMPTY, NUMBER, TIME, kind_of
from rollq.workers.tables.clock.time_texts import looks_like_time
from rollq.workers.tables.files.csv_file import CsvForm, csv_batches, csv_head, csv_header
from rollq.workers.tables.files.parquet_file import parquet_batches, parquet_form, parquet_head
from rollq.workers.tables.files.qlib_folder import qlib_batches, qlib_schema
from rollq.workers.tables.files.source_files import CSV, PARQUET, QLIB, SourceFile, find_files
from rollq.workers.tables.key_columns import UNNAMED, instrument_column, listed, no_time, time_column
from rollq.workers.tables.rows import Rows, RowsReader, is_value
from rollq.workers.tables.source_spec import SINGLE, SourceSpec

STEM = "(name of the file)"  # a column that the files' names are
PART = re.compile(r"(part|data|chunk|batch|file|table)?[-_.]?\d*([-_.][0-9a-f-]*)?|\d{4}", re.IGNORECASE)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")
HEAD_ROWS = 100


class Source:
    """A source: its files as they were when it was looked at.

    Args:
        spec: what the template says of it.
        key: where that stands in the template.
        known: its column of publication times.
        keys: columns that stand for the instrument.
        static: it may have no time.

    Attributes:
        time, instrument: names of these columns; None: there is none.
        kinds: number or category, of each column that can be asked for.

    Raises:
        DataError: files are missing or no tables, or columns cannot be told.
    """

    def __init__(
        self,
        spec: SourceSpec,
        key: str,
        known: str | None = None,
        keys: Sequence[str] | None = None,
        static: bool = False,
    ) -> None:
        self.spec, self.key, self.known = spec, key, known
        self.files = find_files(spec.path, f"{key}.path", (spec.market, spec.freq or "day"))
        self._csv = CsvForm(spec.separator, spec.decimal)
        self._types = self._all_types()
        head = self._head()
        for name in (known, *(keys or ())):
            if name is not None and name not in self._types:
                self._refuse_missing(name)
        self._constants = {one.name: dict(one.partitions) for one in self.files.files}
        self.time = time_column(head, spec.time, f"{key}.time", known)
        self.instrument = self._find_instrument(head, keys)
        if self.time is None and known is None:
            self._time_of_files(static)
        fixed = {self.time, self.instrument, known}
        self.kinds = {
            name: NUMBER if kind == EMPTY else kind
            for name, kind in self._types.items()
            if name not in fixed and is_value(kind) and not UNNAMED.fullmatch(name)
        }
        if spec.wide:
            self._check_wide()

    @property
    def single(self) -> bool:
        """Whether all rows are one series."""
        return self.instrument is None

    def rows(self, numbers: Sequence[str], texts: Sequence[str] = (), times: Sequence[str] = ()) -> Rows:
        """Rows in the order of the files, as they are written.

        Args:
            numbers, texts, times: columns that are read as such.

        Raises:
            DataError: a file is no table, or holds something else.
            NotYet: a file is another one by now.
        """
        reader = RowsReader(numbers, texts, times, self._count(), self.key)
        wanted = list(dict.fromkeys([*numbers, *texts, *times]))
        if self.files.form == QLIB:
            for batch in qlib_batches(self.files, wanted, self.key):
                reader.add(batch, {}, self.files.base)
            return reader.rows()
        for file in self.files.files:
            constants = self._constants[file.name]
            there = [name for name in wanted if name not in constants]
            for batch in self._batches(file, there, {*texts, *times}):
                reader.add(batch, constants, file.path)
        return reader.rows()

    def sha256(self) -> str:
        """SHA-256 of all that is read: contents, and names that say something."""
        return self.files.sha256(titled=self.single)

    def refuse_text(self, name: str, key: str) -> DataError:
        """Why a column is no number."""
        shown = next((text for text in self._head().column(name).to_pylist() if text), None)
        comma = isinstance(shown, str) and re.fullmatch(r"-?[\d.]*,\d+", shown.strip())
        fix = "Write decimal: ',' (and separator: ';')." if comma else "Name it in categorical, or leave it out."
        return DataError(f"{key}: the column {name!r} of {self.spec.path} holds text such as {shown!r}.", fix)

    def _batches(self, file: SourceFile, columns: Sequence[str], texts: Collection[str]) -> Iterator[pa.RecordBatch]:
        key = f"{self.key}.path"
        types = _types_of(file, self.files.form, self._csv, key)
        there = [name for name in columns if name in types]
        if self.files.form == PARQUET:
            # Without a column the batches would have no rows.
            yield from parquet_batches(file, there or list(types)[:1], key)
            return
        wanted = {name: self._csv_type(name, types[name], texts) for name in there or list(types)[:1]}
        yield from csv_batches(file, self._csv, wanted, key)

    def _csv_type(self, name: str, kind: pa.DataType, texts: Collection[str]) -> pa.DataType:
        """What a column of a CSV file is read as, whatever its first rows look like."""
        if name in texts or self._types.get(name) == CATEGORY:
            return pa.string()
        return kind if pa.types.is_boolean(kind) else pa.float64()

    def _count(self) -> int | None:
        if self.files.form != PARQUET:
            return None
        return sum(parquet_form(one, self.key)[1] for one in self.files.files)

    def _all_types(self) -> dict[str, str]:
        """The kind of each column, of all files; a folder's name such as year=2020 is one, too."""
        if self.files.form == QLIB:
            return {field.name: kind_of(field.type) for field in qlib_schema(self.files, self.key)}
        found: dict[str, str] = {}
        for file in self.files.files:
            for name, kind in _types_of(file, self.files.form, self._csv, f"{self.key}.path").items():
                found[name] = self._merged(name, found.get(name, EMPTY), kind_of(kind))
        for name in {name for file in self.files.files for name in file.partitions}:
            found[name] = _kind_of_texts([file.partitions.get(name) for file in self.files.files])
        return found

    def _merged(self, name: str, one: str, other: str) -> str:
        kinds = {one, other} - {EMPTY}
        if len(kinds) < 2:
            return kinds.pop() if kinds else EMPTY
        if self.files.form == CSV:
            return CATEGORY  # one file may have names that all happen to be numbers
        said = " and ".join(sorted(kinds))
        raise DataError(f"{self.key}.path: the column {name!r} is {said} in different files.", "Write them alike.")

    def _head(self) -> pa.Table:
        """The first rows of the first file that has some, with what its folders say."""
        key = f"{self.key}.path"
        if self.files.form == QLIB:
            batch = next(qlib_batches(self.files, list(self._types), key))
            return pa.Table.from_batches([batch.slice(0, HEAD_ROWS)])
        for file in self.files.files:
            if self.files.form == PARQUET:
                head = parquet_head(file, HEAD_ROWS, key)
            else:
                # As text, because 007 is a name and 20240102 may be a day.
                head = csv_head(file, self._csv, csv_header(file, self._csv, key), key).slice(0, HEAD_ROWS)
                types = _types_of(file, CSV, self._csv, key)
                head = pa.table({name: _typed(head.column(name), types[name]) for name in head.schema.names})
            if head.num_rows:
                break
        for name, value in file.partitions.items():
            column = pa.repeat(pa.scalar(value, pa.string()), head.num_rows)
            head = head.drop_columns([name]) if name in head.schema.names else head
            head = head.append_column(name, column)
        if not head.num_rows:
            raise DataError(f"{key}: {self.spec.path} has no rows.", "Give a table with rows.")
        return head

    def _find_instrument(self, head: pa.Table, keys: Sequence[str] | None) -> str | None:
        """The column of instruments; the files' names, where each is one."""
        if self.spec.instrument == SINGLE or self.spec.wide or keys is not None:
            return None
        others = {name for name in (self.time, self.known) if name is not None}
        found = instrument_column(head, self.spec.instrument, f"{self.key}.instrument", others)
        if found is None and self.files.several and self.time is not None:
            stems = [one.stem for one in self.files.files]
            if len(set(stems)) == len(stems) and not all(PART.fullmatch(one) or looks_like_time(one) for one in stems):
                return self._add_stems(CATEGORY, {one.name: one.stem for one in self.files.files})
        return found

    def _time_of_files(self, static: bool) -> None:
        """Take the time from the files' names, where each is a day; else there is none."""
        days = {one.name: DAY.search(one.stem) for one in self.files.files} if self.files.several else {}
        if days and all(days.values()):
            self.time = self._add_stems(TIME, {name: found[0] for name, found in days.items() if found})
        elif not static:
            raise no_time(self._head(), self.spec.path, f"{self.key}.time")

    def _add_stems(self, kind: str, values: Mapping[str, str]) -> str:
        self._types[STEM] = kind
        for name, value in values.items():
            self._constants[name][STEM] = value
        return STEM

    def _check_wide(self) -> None:
        if odd := [name for name, kind in self.kinds.items() if kind != NUMBER]:
            raise self.refuse_text(odd[0], f"{self.key}.wide")
        if not self.kinds:
            raise DataError(f"{self.key}.wide: {self.spec.path} has no columns of numbers.", "Leave out wide.")

    def _refuse_missing(self, name: str) -> None:
        fix = f"Columns: {listed(list(self._types))}."
        raise DataError(f"{self.key}: {self.spec.path} has no column {name!r}.", fix)


@lru_cache(maxsize=100_000)
def _types_of(file: SourceFile, form: str, csv: CsvForm, key: str) -> dict[str, pa.DataType]:
    """The columns of a file, by its content."""
    schema = parquet_form(file, key)[0] if form == PARQUET else csv_head(file, csv, (), key).schema
    return dict(zip(schema.names, schema.types, strict=True))


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

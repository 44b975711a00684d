"""A source that was looked at: its files, its columns and their kinds, which of them are time and instrument."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import CATEGORY, EMPTY, NUMBER, TIME
from rollq.workers.tables.clock.time_texts import looks_like_time
from rollq.workers.tables.clock.times import read_times
from rollq.workers.tables.composed import Composed
from rollq.workers.tables.files.source_files import CSV
from rollq.workers.tables.key_columns import UNNAMED, given_column, instrument_column, listed, no_time, time_column
from rollq.workers.tables.rows import Rows, RowsReader, is_value
from rollq.workers.tables.source_columns import SourceColumns
from rollq.workers.tables.source_spec import SINGLE, SourceSpec
from rollq.workers.tables.text_column import TextColumn

STEM = "(name of the file)"  # a column that the files' names are
PART = re.compile(r"(part|data|chunk|batch|file|table)?[-_.]?\d*([-_.][0-9a-f-]*)?|\d{4}", re.IGNORECASE)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")


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
        self._columns = SourceColumns(spec, key)
        self.files, self._types, head = self._columns.files, dict(self._columns.types), self._columns.head
        for name in (known, *(keys or ())):
            if name is not None and name not in self._types:
                self._refuse_missing(name)
        self._constants = {one.name: dict(one.partitions) for one in self.files.files}
        self._composed = {one.name: one for one in _composed(spec)}
        for one in self._composed.values():
            for name in one.parts:
                given_column(self._types, name, f"{key}.{'time' if one.is_time else 'instrument'}")
        self.time = time_column(head, _name(spec.time, " "), f"{key}.time", known, self._composed)
        self.instrument = self._find_instrument(keys)
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
    def parts(self) -> set[str]:
        """Columns that a time or an instrument is made of."""
        return {name for one in self._composed.values() for name in one.parts}

    @property
    def single(self) -> bool:
        """Whether all rows are one series."""
        return self.instrument is None

    def rows(
        self, numbers: Sequence[str], texts: Sequence[str] = (), times: Sequence[str] = (), spare: int = 0
    ) -> Rows:
        """Rows in the order of the files, as they are written.

        Args:
            numbers, texts, times: columns that are read as such.
            spare: columns of numbers that are left free.

        Raises:
            DataError: a file is no table, or holds something else.
            NotYet: a file is another one by now.
        """
        made = [self._composed[name] for name in (*texts, *times) if name in self._composed]
        parts = [name for one in made for name in one.parts]
        wanted = list(dict.fromkeys([*numbers, *texts, *times, *parts]))
        both, count = {*texts, *parts} & {*numbers}, self._columns.count()
        reader = RowsReader(numbers, texts, times, count, self.key, spare, both, self.spec.decimal)
        for file, batch in self._columns.batches(wanted, {*texts, *times, *parts}):
            constants = self._constants[file.name]
            for one in made:
                batch = one.added(batch, constants)
            reader.add(batch, constants, file.path)
        return reader.rows()

    def sha256(self) -> str:
        """SHA-256 of all that is read: contents, and names that say something."""
        return self.files.sha256(titled=self.single)

    def later_times(self) -> list[str]:
        """Columns of times that are never before that of the time, and later somewhere, in the first rows."""
        head = self._columns.head
        if self.time not in head.schema.names:
            return []
        return [name for name in head.schema.names if name != self.time and self._is_later(head, name)]

    def _is_later(self, head: pa.Table, name: str) -> bool:
        """Whether a column has times after those of the time."""
        if self._types[name] not in (TIME, CATEGORY):
            return False
        rows = head.select([str(self.time), name]).drop_null()
        try:
            own, other = (read_times(column, self.spec, self.key).days for column in rows.columns)
        except DataError:
            return False
        return bool(len(own) and (other >= own).all() and (other > own).any())

    def refuse_text(self, name: str, key: str) -> DataError:
        """Why a column is no number."""
        codes, texts = self.rows([], texts=[name]).texts[name]
        said, fix = TextColumn(codes, list(texts), self.spec.decimal, self.files.form == CSV).why()
        return DataError(f"{key}: the column {name!r} of {self.spec.path} {said}.", fix)

    def _find_instrument(self, keys: Sequence[str] | None) -> str | None:
        """The column of instruments; the files' names, where each is one."""
        if self.spec.instrument == SINGLE or self.spec.wide or keys is not None:
            return None
        others = {name for name in (self.time, self.known) if name is not None}
        others |= {name for one in self._composed.values() if one.is_time for name in one.parts}
        given = _name(self.spec.instrument, "/")
        found = instrument_column(self._columns.head, given, f"{self.key}.instrument", others, self._composed)
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
            raise no_time(self._columns.head, self.spec.path, f"{self.key}.time")

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


def _name(given: str | tuple[str, ...] | None, sign: str) -> str | None:
    return sign.join(given) if isinstance(given, tuple) else given


def _composed(spec: SourceSpec) -> list[Composed]:
    """The columns that are made of several."""
    times = [Composed(spec.time, True, spec.time_format is not None)] if isinstance(spec.time, tuple) else []
    return [*times, *([Composed(spec.instrument, False)] if isinstance(spec.instrument, tuple) else [])]

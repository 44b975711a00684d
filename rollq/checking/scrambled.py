"""Copies of a dataset's files in which all numbers after a day are others; they are found and read as the table's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rollq.checking.inspection import NotMade
from rollq.tasks.definition import JOIN, PATH
from rollq.tasks.predictions.session_days import session_days
from rollq.workers.tables.arrow_columns import NUMBER, as_numbers
from rollq.workers.tables.clock.times import read_times
from rollq.workers.tables.files.csv_file import NOTHING, CsvForm, csv_header, csv_separator
from rollq.workers.tables.files.source_files import CSV, QLIB, SourceFile
from rollq.workers.tables.source import Source
from rollq.workers.tables.table import read_table
from rollq.workers.tables.table_spec import TableSpec

SEED = 14
ZIPPED = ".gz"
Order = npt.NDArray[np.int64]
Draw = np.random.Generator


@dataclass(frozen=True)
class TimedFiles:
    """The files of a source whose rows have times.

    Attributes:
        key: of their path, in the kwargs of the dataset.
        sessions: that of each row, in the order of the files; of a row that is published, when it is.
        names: of the columns of numbers, what the dataset calls them.
    """

    source: Source
    key: str
    sessions: pd.DatetimeIndex
    names: Mapping[str, str]

    def copy(self, day: pd.Timestamp, known: Mapping[str, pd.Timestamp], folder: Path) -> str:
        """Copy all files, and change the numbers after a day.

        Args:
            known: the later days up to which some columns are known on that day.
            folder: an empty one.

        Returns:
            The path that names the copies.
        """
        files, draw, start = self.source.files, np.random.default_rng(SEED), 0
        # A series that has no name is called like its folder.
        base = folder / files.base.name
        after = {own: self.sessions > known.get(name, day) for own, name in self.names.items()}
        for file in files.files:
            target = base / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            copied = self._csv if files.form == CSV else self._parquet
            start += copied(file, target, start, after, draw)
        if start != len(self.sessions):
            raise NotMade(
                f"not looked at: {files.base} has {start} rows in one reading, {len(self.sessions)} in another"
            )
        return str(base / Path(self.source.spec.path).relative_to(files.base))

    def _parquet(
        self, file: SourceFile, target: Path, start: int, after: Mapping[str, npt.NDArray[np.bool_]], draw: Draw
    ) -> int:
        """As it is, but for what is changed; returns its rows."""
        with pq.ParquetFile(file.path) as source:
            table = source.read()
        for position, name in enumerate(table.column_names):
            if name not in after or not table.num_rows:
                continue
            rows = np.flatnonzero(after[name][start : start + table.num_rows])
            column = table.column(position).take(pa.array(_others(table.num_rows, rows, draw)))
            if pa.types.is_floating(column.type):
                values = as_numbers(column).copy()
                values[rows] *= draw.uniform(0.8, 1.25, len(rows))
                column = pa.chunked_array([pa.array(values, from_pandas=True).cast(column.type, safe=False)])
            table = table.set_column(position, table.schema.field(position), column)
        pq.write_table(table, target)
        return int(table.num_rows)

    def _csv(
        self, file: SourceFile, target: Path, start: int, after: Mapping[str, npt.NDArray[np.bool_]], draw: Draw
    ) -> int:
        """As it is written: all that is not changed is text; returns its rows."""
        spec = self.source.spec
        form, key = CsvForm(spec.separator, spec.decimal), self.source.key
        separator = csv_separator(file, form, key)
        names, zipped = csv_header(file, form, key), "gzip" if file.name.endswith(ZIPPED) else None
        table = pd.read_csv(
            file.path, sep=separator, header=0, names=names, index_col=False, dtype=str, keep_default_na=False,
            encoding="utf-8-sig", compression=zipped,
        )  # fmt: skip
        for name in set(names) & set(after):
            rows = np.flatnonzero(after[name][start : start + len(table)])
            table[name] = _other_texts(table[name], rows, spec.decimal, draw)
        table.to_csv(target, sep=separator, index=False, compression=zipped)
        return len(table)


def timed_files(kwargs: Mapping[str, object]) -> list[TimedFiles]:
    """The sources of a dataset: its main one, and those that are joined and have times.

    Raises:
        NotMade: they are no Parquet and no CSV files.
        BadInput: they are no tables; or it is not known what is time in them.
    """
    table = read_table(TableSpec.of(kwargs))
    main, fixed = table.main, {name for join in table.joins for name in join.keys}
    zone = None
    found: list[TimedFiles] = []
    wide = main.spec.wide
    entries = [(main, PATH, main.time, {name: wide or name for name in main.kinds}, fixed)]
    for position, join in enumerate(table.joins):
        own = {name: called for called, name in join.columns.items()}
        time = join.spec.known or join.source.time
        entries.append((join.source, f"{JOIN}[{position}].{PATH}", time, own, set(join.keys)))
    for source, key, time, names, keys in entries:
        if source.files.form == QLIB:
            raise NotMade("not looked at: files of Qlib's are not copied")
        if time is None:
            continue
        times = _times(source, time, keys)
        zone = times.tz if key == PATH else zone
        sessions = session_days(times.tz_convert(zone) if zone is not None and times.tz is not None else times)
        numbers = {one: called for one, called in names.items() if source.kinds[one] == NUMBER and one not in keys}
        numbers = {one: called for one, called in numbers.items() if one not in source.parts}
        found.append(TimedFiles(source, key, sessions, numbers))
    return found


def _times(source: Source, time: str, keys: Collection[str]) -> pd.DatetimeIndex:
    """The time of each row."""
    series = [source.instrument] if source.instrument else [one for one in keys if one in source.kinds][:1]
    rows = source.rows([], texts=series, times=[time])
    codes = rows.texts[series[0]][0] if series else None
    return read_times(rows.times[time], source.spec, f"{source.key}.time", codes).values


def _others(count: int, rows: Order, draw: Draw) -> Order:
    """The places from which all rows are taken: some of them are mixed among themselves."""
    order = np.arange(count)
    order[rows] = draw.permutation(rows)
    return order


def _other_texts(texts: pd.Series, rows: Order, decimal: str, draw: Draw) -> pd.Series:
    """The texts of numbers, mixed; those with a fraction are multiplied, too."""
    mixed = texts.to_numpy(dtype=object)[_others(len(texts), rows, draw)]
    plain = pd.Series(mixed, dtype="str").str.strip().str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(plain.where(~plain.isin(NOTHING)), errors="coerce")
    if not (numbers % 1).fillna(0).eq(0).all():
        factors = draw.uniform(0.8, 1.25, len(rows))
        for row, factor in zip(rows, factors, strict=True):
            if not np.isnan(numbers[row]):
                mixed[row] = repr(float(numbers[row] * factor)).replace(".", decimal)
    return pd.Series(mixed, index=texts.index, dtype=object)

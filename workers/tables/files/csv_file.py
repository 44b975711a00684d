"""A CSV file as a source of columns. How a number or a date is read depends on no locale."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.csv as pa_csv

from rollq.tasks.errors import DataError
from rollq.workers.tables.files.file_hashes import opened, unchanged
from rollq.workers.tables.files.source_files import SourceFile

SEPARATORS = (",", ";", "\t", "|")
HEAD = 1 << 24  # bytes that are looked at to know the columns
NOTHING = ["", "NA", "NaN", "nan", "null", "NULL", "None", "N/A", "n/a", "#N/A"]
ZIPPED = ".gz"


@dataclass(frozen=True)
class CsvForm:
    """How the file is written; None: the separator is found."""

    separator: str | None = None
    decimal: str = "."


def csv_header(file: SourceFile, form: CsvForm, key: str) -> list[str]:
    """The names of the columns, as the first line has them.

    Raises:
        DataError: there is none, it is not UTF-8, or a name is there twice.
    """
    line = _first_line(file, key)
    names = next(csv.reader([line], delimiter=_separator(line, form)), [])
    names = [name.strip() or f"(column {position})" for position, name in enumerate(names, 1)]
    others = [one for one in SEPARATORS if form.separator and len(names) == 1 and one in names[0]]
    if others:
        why = f"{key}: {file.path} has one column, {names[0]!r}, with separator {form.separator!r}."
        raise DataError(why, f"Did you mean separator: {others[0]!r}?")
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{key}: {file.path} has two columns {doubled[0]!r}.", "Rename one of them.")
    return names


def csv_separator(file: SourceFile, form: CsvForm, key: str) -> str:
    """What stands between two values.

    Raises:
        DataError: it is not UTF-8, or empty.
    """
    return _separator(_first_line(file, key), form)


def csv_schema(file: SourceFile, form: CsvForm, texts: Collection[str], key: str) -> pa.Schema:
    """The columns and their types, as the first rows (16 MB) have them.

    Raises:
        DataError: it is no table.
    """
    return csv_head(file, form, texts, key).schema


def csv_head(file: SourceFile, form: CsvForm, texts: Collection[str], key: str) -> pa.Table:
    """The first rows (16 MB) of all columns."""
    with unchanged(file.path, file.sha256, key):
        return _head(file, form, texts, key)


def _head(file: SourceFile, form: CsvForm, texts: Collection[str], key: str) -> pa.Table:
    """The first rows, as long as the file stays as it is."""
    names = csv_header(file, form, key)
    options = _options(file, form, names, key)
    convert = _convert(form, names, dict.fromkeys(texts, pa.string()))
    try:
        with (
            file.path.open("rb") as raw,
            pa_csv.open_csv(_unzipped(file, raw), **options, convert_options=convert) as source,
        ):
            return pa.Table.from_batches([next(iter(source), _nothing(source.schema))])
    except (OSError, ValueError, EOFError) as error:
        raise _no_table(file, key, error) from None


def csv_batches(
    file: SourceFile, form: CsvForm, types: Mapping[str, pa.DataType], key: str
) -> Iterator[pa.RecordBatch]:
    """The rows of some columns.

    Args:
        file: with its hash.
        form: how it is written.
        types: the columns, in order, and what each is read as: 007 is a name, if it is to be text.
        key: of the template, which names it.

    Raises:
        DataError: it is no table, or holds something else.
        NotYet: it is another file by now.
    """
    with opened(file.path, file.sha256, key) as content:
        try:
            names = csv_header(file, form, key)
            options = _options(file, form, names, key)
            convert = _convert(form, list(types), types)
            table = pa_csv.read_csv(_unzipped(file, content), **options, convert_options=convert)
        except (OSError, ValueError, EOFError, KeyError) as error:  # pyarrow's errors are of these kinds
            raise _no_table(file, key, error) from None
    yield from table.to_batches()


def _options(file: SourceFile, form: CsvForm, names: list[str], key: str) -> dict[str, object]:
    return {
        # The names are ours: those of the file may be empty, or begin with a mark of the byte order.
        "read_options": pa_csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False, block_size=HEAD),
        "parse_options": pa_csv.ParseOptions(delimiter=csv_separator(file, form, key), newlines_in_values=True),
    }


def _convert(form: CsvForm, columns: list[str], types: Mapping[str, pa.DataType]) -> pa_csv.ConvertOptions:
    """How values are read: numbers where all are numbers, else text. What is a time is decided for all files alike."""
    return pa_csv.ConvertOptions(
        include_columns=columns,
        column_types=dict(types),
        decimal_point=form.decimal,
        null_values=NOTHING,
        # NA is the name of an instrument, too: in text nothing but an empty field is nothing.
        strings_can_be_null=False,
    )


def _unzipped(file: SourceFile, content: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.open(content)) if file.path.suffix.lower() == ZIPPED else content


def _nothing(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], kind) for kind in schema.types], schema=schema)


def _no_table(file: SourceFile, key: str, error: Exception) -> DataError:
    return DataError(f"{key}: {file.path} is no CSV table: {error}.", "Look at this line.")


def _first_line(file: SourceFile, key: str) -> str:
    """The line of the names."""
    try:
        with file.path.open("rb") as raw, TextIOWrapper(_unzipped(file, raw), "utf-8-sig", newline="") as text:
            line = text.readline(HEAD)
    except UnicodeDecodeError:
        raise DataError(f"{key}: {file.path} is not UTF-8.", "Save it as UTF-8.") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{key}: {file.path} cannot be read: {error}.", "Look at this file.") from None
    if not line.strip():
        raise DataError(f"{key}: {file.path} is empty.", "Give a file with a line of names and rows.")
    return line.rstrip("\r\n")


def _separator(line: str, form: CsvForm) -> str:
    """The separator that makes most columns of the first line."""
    if form.separator:
        return form.separator
    return max(SEPARATORS, key=lambda one: len(next(csv.reader([line], delimiter=one))))

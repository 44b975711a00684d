"""The keys with which a file can be read, found by trying; each decision that is a guess is said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
import pandas as pd
import pyarrow as pa

from rollq.tasks.errors import BadInput, DataError
from rollq.workers.tables.arrow_columns import CATEGORY, NUMBER, kind_of
from rollq.workers.tables.key_columns import UNNAMED, time_column
from rollq.workers.tables.source_columns import SourceColumns
from rollq.workers.tables.source_spec import SourceSpec
from rollq.workers.tables.table import Table, read_table
from rollq.workers.tables.table_spec import TableSpec
from rollq.workers.tables.text_column import COMMA

KEY = "FILE"
DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y.%m.%d", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%m/%d/%y")
MORE_DAYS = ("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%b %Y", "%m/%Y", "%Y/%m")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", "T%H:%M:%S")
UNITS = {"s": 1e9, "ms": 1e12, "us": 1e15, "ns": 1e18}  # about now
EPOCH = (0.4, 4.0)  # of those: the years 1982 to 2096
ALIKE = 0.95  # share of the texts of a column that are numbers with a comma
FEW_TWICE, MOST_TWICE = 0.01, 0.3  # share of rows whose time and instrument others have
MOST_NAMES = 8  # columns that are tried as instruments
CLOCK = re.compile(r"hours?|hr|stunde|time|time_?of_?day|clock|uhrzeit|zeit|hour_?ending", re.IGNORECASE)
WIDE, MANY = 3, 20  # columns from which on a table may have an instrument in each
TICKER = re.compile(r"[A-Z0-9][A-Z0-9.\-^=]{0,11}( [A-Z]{2}( Equity)?)?|[A-Za-z]+[ _.-]?\d+")
FIELDS = re.compile(
    r"open|high|low|close|volume|vwap|price|ret|factor|feature|f\d+|x\d+|y|target|label|temp.*|wind.*", re.I
)


@dataclass(frozen=True)
class Readable:
    """A table that could be read.

    Attributes:
        keys: of the template, beside ``path``.
        said: what was guessed, by key.
        table: as these keys read it.
    """

    keys: dict[str, object]
    said: dict[str, str] = field(default_factory=dict)
    table: Table | None = None


def find_keys(path: str) -> Readable:
    """The keys with which a file can be read.

    Raises:
        DataError: none are found; the message says what is missing.
    """
    keys: dict[str, object] = {}
    said: dict[str, str] = {}
    columns = SourceColumns(SourceSpec(path), KEY)
    if _has_commas(columns):
        keys["decimal"] = ","
        said["decimal"] = "numbers are written with a comma"
        columns = SourceColumns(SourceSpec(path, decimal=","), KEY)
    _find_time(columns, keys, said)
    if "time" not in keys and _is_wide(columns, keys):
        keys["wide"] = "close" if _looks_like_prices(columns) else "value"
        said["wide"] = "a column for each instrument; leave it out if the columns are features of one series"
    table = _with_instrument(path, columns, keys, said)
    return Readable(keys, said, table)


def reads(path: str, keys: dict[str, object]) -> Table:
    """The table as these keys read it; times are read, too."""
    table = read_table(TableSpec.of({"path": path, **keys}, KEY))
    table.frame([])
    return table


def _has_commas(columns: SourceColumns) -> bool:
    texts = [name for name, kind in columns.types.items() if kind == CATEGORY]
    for name in texts:
        shown = [value for value in columns.head.column(name).to_pylist() if value]
        if shown and np.mean([bool(COMMA.fullmatch(str(value).strip())) for value in shown]) > ALIKE:
            return True
    return False


def _find_time(columns: SourceColumns, keys: dict[str, object], said: dict[str, str]) -> None:
    """Write the key of the time, and how it is written, where the names and the values alone do not say it."""
    if years := _of_years(columns):
        keys["time"] = years
        said["time"] = "a time in several columns"
        return
    try:
        found = time_column(columns.head, None, KEY)
    except DataError:
        found = _any_time(columns)
        keys["time"] = found
        said["time"] = "several columns look like times"
    if found is not None and columns.types.get(found) not in (NUMBER, CATEGORY):
        return
    if found is None and columns.files.several and _named_by_days(columns):
        return
    if found is not None and not re.fullmatch(r"\d{9,}(\.0)?", str(columns.shown(found))):
        return
    for name in [found] if found is not None else _most_likely(columns):
        how = _how_written(columns, name)
        if how:
            keys["time"] = name
            keys.update(how)
            return


def _of_years(columns: SourceColumns) -> list[str]:
    """A year with its month, and the day if there is one, or with its week or quarter; empty if there are none."""
    names = {name.lower(): name for name in columns.types}
    for parts in (("year", "month", "day"), ("year", "month"), ("year", "week"), ("year", "quarter")):
        found = [names[part] for part in parts if part in names]
        whole = all(columns.types[name] == NUMBER for name in found)
        if len(found) == len(parts) and whole and not any(_is_time(columns, name) for name in names.values()):
            return found
    return []


def _is_time(columns: SourceColumns, name: str) -> bool:
    """Whether a column is a time by itself, other than a year."""
    if name.lower() == "year" or name not in columns.head.schema.names:
        return False
    return time_column(columns.head.select([name]), None, KEY) is not None


def _any_time(columns: SourceColumns) -> str:
    """The first column that is a time by itself."""
    for name in columns.head.schema.names:
        try:
            if time_column(columns.head.select([name]), None, KEY):
                return str(name)
        except DataError:
            continue
    return str(columns.head.schema.names[0])


def _named_by_days(columns: SourceColumns) -> bool:
    return all(re.search(r"\d{4}-\d{2}-\d{2}|\d{8}", file.stem) for file in columns.files.files)


def _most_likely(columns: SourceColumns) -> list[str]:
    """Columns in the order in which they may be the time: those that are called so first."""
    names = [name for name in columns.head.schema.names if columns.types.get(name) in (NUMBER, CATEGORY)]
    called = re.compile(r"date|time|day|datum|zeit|fecha|stamp|month|week|epoch|^ts$|^dt$|^ds$", re.IGNORECASE)
    return sorted(names, key=lambda name: not called.search(name))


def _how_written(columns: SourceColumns, name: str) -> dict[str, object]:
    """The keys with which a column is a time; empty if there are none."""
    column = _whole(columns, name)
    if kind_of(column.type) == NUMBER or all(
        re.fullmatch(r"\d{9,}(\.0*)?", str(text)) for text in column[:20].to_pylist()
    ):
        numbers = pd.to_numeric(pd.Series(column.to_pylist()), errors="coerce").to_numpy(dtype=float)
        for unit, now in UNITS.items():
            if len(numbers) and (numbers > EPOCH[0] * now).all() and (numbers < EPOCH[1] * now).all():
                return {"unit": unit}
        return {}
    texts = pd.Index(pd.unique(pd.Series(column.to_pylist(), dtype="object").dropna().astype(str).str.strip()))
    fits: list[tuple[int, str]] = []
    for day, clock in product((*DAYS, *MORE_DAYS), CLOCKS):
        try:
            times = pd.DatetimeIndex(pd.to_datetime(texts, format=day + clock)).sort_values()
        except (ValueError, TypeError):
            continue
        # 03/04 may be March or April: right is what gives the more regular times.
        fits.append((len(np.unique(np.diff(times.asi8))), day + clock))
    return {"time_format": min(fits)[1]} if fits else {}


def _whole(columns: SourceColumns, name: str) -> pa.ChunkedArray:
    batches = [batch for _, batch in columns.batches([name], [name]) if name in batch.schema.names]
    if not batches:
        return columns.head.column(name)
    return pa.Table.from_batches([batch.select([name]) for batch in batches]).column(name)


def _is_wide(columns: SourceColumns, keys: dict[str, object]) -> bool:
    """Whether each column may be an instrument: many columns of numbers, all called alike, and none as fields are."""
    time = time_column(columns.head, None, KEY)
    names = [name for name in columns.types if name != time and not UNNAMED.fullmatch(name)]
    if time is None or len(names) < WIDE or any(columns.types[name] != NUMBER for name in names):
        return False
    if any(FIELDS.fullmatch(name) for name in names) or len(columns.files.files) > 1:
        return False
    return all(TICKER.fullmatch(name) for name in names) and (len(names) >= MANY or _alike(columns, names))


def _alike(columns: SourceColumns, names: list[str]) -> bool:
    """Whether columns are of one order of magnitude, or are called by one word and a number."""
    if len({re.sub(r"\d+", "", name) for name in names}) == 1:
        return True
    values = columns.head.select(names).to_pandas().astype(float).abs().median()
    values = values[values > 0]
    return len(values) == len(names) and bool(np.log10(values.max() / values.min()) < 3)


def _looks_like_prices(columns: SourceColumns) -> bool:
    names = [name for name, kind in columns.types.items() if kind == NUMBER]
    values = columns.head.select(names).to_pandas().astype(float)
    return bool((values.min() > 0).all()) and not bool((values % 1 == 0).all(axis=None))


def _with_instrument(path: str, columns: SourceColumns, keys: dict[str, object], said: dict[str, str]) -> Table:
    """The table, with the keys that tell its rows apart, if its names do not say them: a clock, instruments."""
    plain = _tried(path, keys)
    if plain is not None and plain[0] <= FEW_TWICE:
        return plain[2]
    clock = _clock(columns, keys, plain)
    names = [name for name in columns.types if columns.types[name] == CATEGORY or _is_whole(columns, name)]
    names = [name for name in names if name not in clock][:MOST_NAMES]
    times: list[dict[str, object]] = [{"time": clock}] if clock else []
    ones: list[dict[str, object]] = [{"instrument": name} for name in names]
    pairs: list[dict[str, object]] = [{"instrument": [*pair]} for pair in combinations(names, 2)]
    found = [] if plain is None else [(*plain, dict[str, object]())]
    for group in (times, [{**time, **one} for time in times or [{}] for one in ones], pairs):
        for more in group:
            tried = _tried(path, {**keys, **more})
            if tried is not None:
                found.append((*tried, more))
        # Of those that tell the rows apart, the one with fewest instruments: an amount may be unique, too.
        best = min(found, key=lambda one: one[:2], default=None)
        if best is not None and best[0] <= FEW_TWICE:
            break
    if best is None or best[0] > MOST_TWICE:
        return reads(path, keys)  # its error says what is missing, if there is one
    keys.update(best[3])
    said.update(dict.fromkeys(best[3], "with it, each time is there once"))
    return best[2]


def _tried(path: str, keys: dict[str, object]) -> tuple[float, int, Table] | None:
    """The share of rows that are there twice (at least ``FEW_TWICE``), instruments, the table; None: it is refused."""
    try:
        table = reads(path, keys)
    except BadInput as error:
        if ".instrument:" not in error.message and ".time:" not in error.message:
            raise
        return None
    index = table.frame([]).index
    return max(FEW_TWICE, float(index.duplicated().mean())), len(index.levels[1]), table


def _clock(columns: SourceColumns, keys: dict[str, object], plain: tuple[float, int, Table] | None) -> list[str]:
    """A date and the column of its hour, or of its time of day; empty if there are none."""
    date = str(keys["time"]) if isinstance(keys.get("time"), str) else time_column(columns.head, None, KEY)
    hours = [name for name in columns.types if CLOCK.fullmatch(name) and name != date]
    if date is None or not hours or (plain is not None and not (plain[2].frame([]).index.levels[0].hour == 0).all()):
        return []
    return [date, hours[0]]


def _is_whole(columns: SourceColumns, name: str) -> bool:
    kind = columns.head.column(name).type if name in columns.head.schema.names else pa.float64()
    return bool(pa.types.is_integer(kind))

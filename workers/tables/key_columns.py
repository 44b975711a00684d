"""Which column is the time, and which the instrument: as the template says, else by names that are plain."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches

import numpy as np
import pyarrow as pa

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import CATEGORY, NUMBER, TIME, kind_of
from rollq.workers.tables.clock.time_texts import EARLIEST, LATEST, looks_like_time, months

UNNAMED = re.compile(r"__index_level_\d+__|\(column \d+\)")  # an index without a name, in Parquet and in CSV
YEAR = "year"
# As they are once _ and the like are taken out; the first that is there counts.
TIMES = (
    ("datetime", "timestamp", "datetimeutc", "timestamputc", "timeutc", "datetimelocal", "utctime", "localtime"),
    ("date", "time", "ds", "day", "dt", "session", "tradedate", "tradingdate", "tradingday", "utc", "ts", "validtime"),
    ("week", "month", "quarter", "period", "datum", "zeit", "zeitpunkt", "fecha", "epoch", "hour", "deliverystart"),
    (YEAR, "index", "indexlevel0", "column1"),
)
INSTRUMENTS = (
    ("instrument", "symbol", "ticker", "uniqueid", "instrumentid", "securityid", "assetid"),
    ("asset", "security", "stock", "isin", "figi", "cusip", "sedol", "permno", "gvkey", "ric", "sid", "code", "tscode"),
    ("product", "productid", "item", "itemid", "sku", "article", "articleid", "stockcode", "seriesid", "series"),
    ("zone", "zoneid", "biddingzone", "node", "meter", "meterid", "sensor", "sensorid", "station", "stationid", "site"),
    (
        "store",
        "storeid",
        "shop",
        "entity",
        "entityid",
        "customer",
        "customerid",
        "account",
        "region",
        "area",
        "country",
    ),
)


def time_column(
    head: pa.Table, given: str | None, key: str, known: str | None = None, made: Collection[str] = ()
) -> str | None:
    """The column of times; None if nothing looks like one.

    Args:
        head: the first rows of all columns.
        given: as the template names it.
        key: of the template.
        known: the column of publication, which is another one.
        made: columns that are made of several.

    Raises:
        DataError: there is no such column, or there are several.
    """
    if given is not None:
        return given_column([*head.schema.names, *made], given, key)
    found = [name for name in head.schema.names if name != known and _may_be_time(head.column(name), _plain(name))]
    return _first(found, TIMES, key, "time", alone=True)


def instrument_column(
    head: pa.Table, given: str | None, key: str, others: Collection[str], made: Collection[str] = ()
) -> str | None:
    """The column of instruments; None if no name says so.

    Args:
        head: the first rows of all columns.
        given: as the template names it.
        key: of the template.
        others: columns that are something else.
        made: columns that are made of several.

    Raises:
        DataError: there is no such column, or there are several.
    """
    if given is not None:
        return given_column([*head.schema.names, *made], given, key)
    found = [field.name for field in head.schema if field.name not in others and _may_be_name(field)]
    return _first(found, INSTRUMENTS, key, "instrument", alone=False)


def no_time(head: pa.Table, path: str, key: str) -> DataError:
    """Why no column is the time: none is called so, or what it holds cannot be told."""
    for tier in TIMES:
        for name in head.schema.names:
            shown = next((value for value in head.column(name).to_pylist() if value is not None), None)
            if _plain(name) in tier and shown is not None:
                why = f"{key}: the column {name!r} of {path} holds {shown!r}, which is no time that can be told."
                return DataError(why, f"Write time: {name}{_how_written(shown)}.")
    fix = f"Write time: and the name of a column. Columns: {listed(head.schema.names)}."
    return DataError(f"{key}: no column of {path} looks like a time.", fix)


def _how_written(shown: object) -> str:
    """What a template says of times such as one that is shown; years need no more than the name of their column."""
    if isinstance(shown, str):
        return " and how it is written, such as time_format: '%d.%m.%Y'"
    if isinstance(shown, int | float) and EARLIEST <= shown <= LATEST:
        return ", if these are years"
    if isinstance(shown, int | float) and months(np.array([shown])):
        return " and time_format: '%Y%m', if these are months"
    return " and how it is written, such as unit: s"


def no_column(name: str, names: Sequence[str]) -> str:
    """What helps where there is no such column."""
    near = get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Columns: {listed(names)}."


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Columns, for a message."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def given_column(names: Collection[str], given: str, key: str) -> str:
    """The column that a template names.

    Raises:
        DataError: there is none.
    """
    if given not in names:
        raise DataError(f"{key}: there is no column {given!r}.", no_column(given, list(names)))
    return given


def _first(found: Sequence[str], tiers: Sequence[Collection[str]], key: str, what: str, alone: bool) -> str | None:
    """The one whose name comes first; if no name says so, the only one (``alone``)."""
    for tier in tiers:
        named = [name for name in found if _plain(name) in tier]
        if len(named) > 1:
            said = " and ".join(named)
            raise DataError(f"{key}: it cannot be told whether {said} is the {what}.", f"Write {what}: {named[0]}.")
        if named:
            return named[0]
    if alone and len(found) > 1:
        fix = f"Write {what}: and its name; columns that look like times: {listed(found)}."
        raise DataError(f"{key}: it cannot be told which column is the {what}.", fix)
    return found[0] if alone and found else None


def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _may_be_time(column: pa.ChunkedArray, name: str) -> bool:
    """Whether the first values are times; numbers are only where the name says so, too."""
    kind, values = kind_of(column.type), column.drop_null()
    if kind == TIME:
        return True
    if kind == CATEGORY:
        shown = [str(text) for text in values.slice(0, 20).to_pylist()]
        return bool(shown) and all(looks_like_time(text) for text in shown if text)
    if kind != NUMBER or not any(name in tier for tier in (*TIMES[:2], (YEAR,))):
        return False
    numbers = [float(value) for value in values.slice(0, 20).to_pylist()]
    # 20240102, or seconds since 1970: a day of the month and an hour are smaller.
    if name == YEAR:
        return bool(numbers) and min(numbers) >= EARLIEST and max(numbers) <= LATEST
    return bool(numbers) and min(numbers) > 1e7


def _may_be_name(field: pa.Field) -> bool:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return kind_of(kind) == CATEGORY or pa.types.is_integer(kind)

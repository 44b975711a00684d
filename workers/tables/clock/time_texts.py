"""Texts and whole numbers that are times: ISO 8601; weeks such as 2024-W05, months, quarters; days such as 20240102."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError

WEEK = re.compile(r"(\d{4})-?W(\d{2})")
MONTH = re.compile(r"(\d{4})-(\d{2})")
QUARTER = re.compile(r"(\d{4})-?Q([1-4])", re.IGNORECASE)
YEAR = re.compile(r"(\d{4})")
ISO = re.compile(r"\d{4}-?\d{2}-?\d{2}([T ]\d{2}(:?\d{2}){0,2}([.,]\d+)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?", re.IGNORECASE)
PERIODS = {"week": WEEK, "month": MONTH, "quarter": QUARTER, "year": YEAR}
FIX = "Store ISO 8601, such as 2024-01-31 15:00; or say how they are written, such as time_format: '%d.%m.%Y'."
EARLIEST, LATEST = 1600, 2300  # years that a date may have that is written as a number


def looks_like_time(text: str) -> bool:
    """Whether a text is one of those that ``of_texts`` reads, a year alone excepted."""
    return any(pattern.fullmatch(text.strip()) for pattern in (ISO, WEEK, MONTH, QUARTER))


def of_texts(
    texts: pd.Index, form: str | None, has_zone: bool, key: str
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex | None]:
    """The times that texts mean.

    Args:
        texts: different ones.
        form: as ``strptime`` has it; None: ISO 8601, or periods.
        has_zone: a zone is told, so texts may differ in their distance from UTC.
        key: of the template, which names the column.

    Returns:
        Times, local ones without a zone; and the last days, if the texts are periods.

    Raises:
        DataError: a text is no time.
    """
    texts = texts.str.strip()
    for name, pattern in PERIODS.items():
        if form is None and texts.map(lambda text, pattern=pattern: bool(pattern.fullmatch(text))).all():
            return _periods(texts, name, pattern, key)
    if form is None and (odd := [text for text in texts if not ISO.fullmatch(text)]):
        raise DataError(f"{key}: {odd[0]!r} is no time that can be told ({len(odd)} of {len(texts)} texts).", FIX)
    try:
        zoned = texts.map(lambda text: bool(re.search(r"[T ].*(Z|[+-]\d{2}(:?\d{2})?)$", text, re.IGNORECASE)))
        if form is None and zoned.any():
            return _with_offsets(texts, bool(zoned.all()), has_zone, key), None
        found = pd.to_datetime(texts, format=form or "ISO8601")
        _check_alike(texts, pd.DatetimeIndex(found), form, key)
        if period := _period_of(form):
            written = pd.DatetimeIndex(found).strftime("%Y-%m" if period == "month" else "%Y")
            return _periods(pd.Index(written, dtype="str"), period, PERIODS[period], key)
    except (ValueError, TypeError, OverflowError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{key}: a text is no time: {said}.", FIX) from None
    return pd.DatetimeIndex(found).as_unit("us"), None


def _period_of(form: str | None) -> str | None:
    """What a form is of that has no day: its months and years are known when they have ended."""
    parts = set(re.findall("%-?([A-Za-z])", form or ""))
    if not parts or parts & set("djUWVuwaAcxFDe"):
        return None
    return "month" if parts & set("mbBh") else "year" if parts <= set("YyG") else None


def _check_alike(texts: pd.Index, found: pd.DatetimeIndex, form: str | None, key: str) -> None:
    """Refuse dates among times of day: a date that is read as its midnight would be known a day too early."""
    dated = ~np.asarray(texts.str.contains("[T ]", case=False))
    if form is None and dated.any() and not dated.all() and (found != found.normalize()).any():
        why = f"{key}: some texts have a time of day and some are dates, such as {texts[int(np.argmax(dated))]!r}."
        raise DataError(why, "Write all of them alike: midnight as 00:00, what is known when its day ends as 23:59:59.")


def days_of_numbers(numbers: npt.NDArray[np.int64], key: str) -> pd.DatetimeIndex:
    """Days that are written as whole numbers, 20240102.

    Raises:
        DataError: they are no days.
    """
    unique, rows = np.unique(numbers, return_inverse=True)
    year = unique // 10_000
    texts = pd.Index(unique.astype(str))
    days = pd.to_datetime(texts, format="%Y%m%d", errors="coerce")
    if not ((year >= EARLIEST) & (year <= LATEST)).all() or days.isna().any():
        odd = unique[np.argmax((year < EARLIEST) | (year > LATEST) | np.asarray(days.isna()))]
        fix = "Say what they are, such as unit: s (seconds since 1970) or unit: ms; or store dates."
        if months(unique):
            fix = "If they are months, write time_format: '%Y%m'."
        raise DataError(f"{key}: the column holds numbers such as {odd}, which are no days like 20240102.", fix)
    return pd.DatetimeIndex(days).as_unit("us")[rows]


def months(numbers: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> bool:
    """Whether all may be months that are written as numbers, 200901."""
    year, month = numbers // 100, numbers % 100
    return bool(((year >= EARLIEST) & (year <= LATEST) & (month >= 1) & (month <= 12)).all())


def _with_offsets(texts: pd.Index, all_of_them: bool, has_zone: bool, key: str) -> pd.DatetimeIndex:
    """Texts with a distance from UTC, such as +01:00."""
    if not all_of_them:
        raise DataError(f"{key}: some times have a zone and some have none.", "Write all of them alike.")
    offsets = texts.str.extract(r"(Z|[+-]\d{2}(?::?\d{2})?)$", flags=re.IGNORECASE)[0].str.upper().unique()
    instants = pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601", utc=True)).as_unit("us")
    if has_zone or set(offsets) <= {"Z", "+00:00", "+00", "+0000"}:
        return instants
    if len(offsets) > 1:
        said = ", ".join(sorted(offsets)[:3])
        raise DataError(f"{key}: the times differ in their distance from UTC ({said}).", "Write zone: Europe/Berlin.")
    return instants.tz_convert(pd.Timestamp(f"2000-01-01T00:00{offsets[0]}").tz)


def _periods(
    texts: pd.Index, name: str, pattern: re.Pattern[str], key: str
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """First and last day of each week (from Monday on, ISO 8601), month, quarter or year."""
    parts = texts.str.extract(pattern.pattern, flags=re.IGNORECASE).astype(int)
    year = parts[0]
    if name == "month" and len(odd := texts[np.asarray((parts[1] < 1) | (parts[1] > 12))]):
        raise DataError(f"{key}: a text is no month: {odd[0]!r}.", "Correct it.")
    try:
        if name == "week":
            first = pd.DatetimeIndex([_monday(*one) for one in zip(texts, year, parts[1], strict=True)]).as_unit("us")
            return first, first + pd.Timedelta(days=6)
        month = {"month": lambda: parts[1], "quarter": lambda: parts[1] * 3 - 2, "year": lambda: year * 0 + 1}[name]()
        first = pd.DatetimeIndex(pd.to_datetime({"year": year, "month": month, "day": 1})).as_unit("us")
    except ValueError as error:
        raise DataError(f"{key}: a text is no {name}: {error}.", "Correct it.") from None
    offset = {"month": pd.offsets.MonthEnd(), "quarter": pd.offsets.QuarterEnd(), "year": pd.offsets.YearEnd()}[name]
    return first, pd.DatetimeIndex(first + offset).as_unit("us")


def _monday(text: str, year: int, week: int) -> pd.Timestamp:
    try:
        return pd.Timestamp.fromisocalendar(year, week, 1)
    except ValueError:
        raise ValueError(f"{text!r}, as {year} has {'no week 53' if week == 53 else 'weeks from 1 on'}") from None

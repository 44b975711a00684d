"""Functions of the time of a row alone; but ``holiday``, they stand without brackets, too.

The calendar is known in advance: ``weekday(ahead=24h)`` is that of 24 hours later, whether there is a row or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.functions.function import Function, Kind, Options, Parameter
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.nearest import nearest
from rollq.workers.expressions.span import Span, existing

TOPIC = "Calendar"
AHEAD = Parameter("ahead", Kind.SPAN, None)
EXTRA = "pip install 'rollq[holidays]'"


def _local(grid: Grid, options: Options) -> pd.DatetimeIndex:
    """The times of the local clock, so far ahead as is asked."""
    ahead = options["ahead"]
    times = existing(grid.times, ahead) if isinstance(ahead, Span) else grid.times
    # Without a frequency, that would change what the end of a month is.
    return pd.DatetimeIndex(times.tz_localize(None).to_numpy())


def _day_share(times: pd.DatetimeIndex) -> Values:
    """What has passed of the day, by its clock."""
    return np.asarray((times - times.normalize()) / pd.Timedelta(days=1), dtype=np.float64)


def _week_share(times: pd.DatetimeIndex) -> Values:
    """What has passed of the week, from Monday."""
    return np.asarray((times.day_of_week.to_numpy() + _day_share(times)) / 7)


def _year_share(times: pd.DatetimeIndex) -> Values:
    """What has passed of the year."""
    days = np.where(times.is_leap_year, 366, 365)
    return np.asarray((times.day_of_year.to_numpy() - 1 + _day_share(times)) / days)


def _holiday(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    times = _local(grid, options)
    dates = holidays_of(str(options["place"]), tuple(sorted(set(times.year))))
    return np.array([[day.date() in dates] for day in times], dtype=np.float64).reshape(-1, 1)


@lru_cache(maxsize=32)
def holidays_of(place: str, years: tuple[int, ...]) -> frozenset[object]:
    """The public holidays of a country (DE), a part of one (DE-BY), or the days on which an exchange rests (XNYS).

    Raises:
        TemplateError: the package ``holidays`` is missing, or does not know the place.
    """
    try:
        import holidays
    except ModuleNotFoundError:
        raise TemplateError("holiday() needs the package holidays.", EXTRA) from None
    country, _, part = place.partition("-")
    if country in (markets := holidays.list_supported_financial()) and not part:
        return frozenset(holidays.financial_holidays(country, years=years))
    countries = holidays.list_supported_countries()
    if country not in countries:
        raise TemplateError(f"holiday({place!r}): the place is unknown.", nearest(country, [*countries, *markets]))
    if part and part not in countries[country]:
        parts = nearest(part, countries[country])
        raise TemplateError(f"holiday({place!r}): {country} has no part {part!r}.", parts)
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=years))


def _time(name: str, function: Callable[[pd.DatetimeIndex], object], formula: str) -> Function:
    def compute(grid: Grid, values: Sequence[Values], options: Options) -> Values:
        return np.asarray(function(_local(grid, options)), dtype=np.float64).reshape(-1, 1)

    return Function(name, (AHEAD,), compute, formula, name, topic=TOPIC)


def _waves(name: str, share: Callable[[pd.DatetimeIndex], Values], of: str) -> tuple[Function, Function]:
    """Sine and cosine of a share, so that its end lies beside its beginning."""
    formula = f"(2 pi f), where f is what has passed of {of}"
    return (
        _time(f"{name}_sin", lambda times: np.sin(2 * np.pi * share(times)), f"sin{formula}"),
        _time(f"{name}_cos", lambda times: np.cos(2 * np.pi * share(times)), f"cos{formula}"),
    )


FUNCTIONS = (
    _time("minute", lambda times: times.minute, "minute of the hour, 0 to 59"),
    _time("hour", lambda times: times.hour, "hour of the local clock, 0 to 23"),
    _time("weekday", lambda times: times.day_of_week, "0 is Monday, 6 is Sunday"),
    _time("day", lambda times: times.day, "day of the month, from 1"),
    _time("day_of_year", lambda times: times.day_of_year, "day of the year, from 1"),
    _time("week", lambda times: times.isocalendar().week, "week of the year by ISO 8601, from 1"),
    _time("month", lambda times: times.month, "month, from 1"),
    _time("quarter", lambda times: times.quarter, "quarter of the year, from 1"),
    _time("year", lambda times: times.year, "year"),
    _time("month_start", lambda times: times.is_month_start, "1 on the first day of a month, else 0"),
    _time("month_end", lambda times: times.is_month_end, "1 on the last day of a month, else 0"),
    _time("quarter_end", lambda times: times.is_quarter_end, "1 on the last day of a quarter, else 0"),
    _time("year_end", lambda times: times.is_year_end, "1 on the last day of a year, else 0"),
    _time("days_left", lambda times: times.days_in_month - times.day, "days of the month after this one"),
    *_waves("day", _day_share, "the day"),
    *_waves("week", _week_share, "the week"),
    *_waves("year", _year_share, "the year"),
    Function(
        "holiday",
        (Parameter("place", Kind.TEXT), AHEAD),
        _holiday,
        "1 on a public holiday of a country (DE), of a part of it (DE-BY), or where an exchange (XNYS) rests; "
        "else 0. It needs the extra holidays",
        'holiday("DE")',
        topic=TOPIC,
    ),
)

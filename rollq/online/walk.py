"""The sessions that a simulation walks, and dates as a program may give them."""

from __future__ import annotations

from collections.abc import Sequence

from rollq.scheduler.routine.steps import Job
from rollq.tasks.errors import SettingsError
from rollq.tasks.rolling.calendar import Time, timestamp

DAY = "day"


def session_of(time: Time) -> str | None:
    """A date of any form as ``YYYY-MM-DD``; None stays None.

    Raises:
        CalendarError: it is no date.
    """
    return None if time is None else f"{timestamp(time):%Y-%m-%d}"


def walked(jobs: Sequence[Job], end: str | None, frequency: str | int) -> list[str]:
    """The sessions from the first one to ``end``: all days of all strategies; one whose market is closed plans nothing.

    Args:
        end: None: the last one.
        frequency: ``day``, or sessions from one routine to the next.

    Raises:
        SettingsError: there is no such frequency.
    """
    step = 1 if frequency == DAY else frequency
    if isinstance(step, bool) or not isinstance(step, int) or step < 1:
        raise SettingsError(f"There is no frequency {frequency!r}.", "Give 'day', or a number of sessions.")
    begin = min(job.registered.begin for job in jobs)
    days = {day for job in jobs for day in job.strategy.sessions() if begin <= day and (end is None or day <= end)}
    return sorted(days)[::step]

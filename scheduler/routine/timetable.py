"""When the routine of a strategy is due: at a time of day, in the time zone of its exchange."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from rollq.scheduler.routine.ledger import Routines
from rollq.scheduler.strategies.registry import RegisteredStrategy, StrategyRegistry
from rollq.tasks.backend import Backend

log = logging.getLogger(__name__)

Now = Callable[[], datetime]


def due_date(registered: RegisteredStrategy, now: datetime) -> str | None:
    """The last date (of the exchange) whose time of day has come; None: the strategy has no time of day.

    The date is that of the exchange's clock, so neither daylight saving nor where the machine stands moves a routine
    to another session.

    Args:
        now: with a time zone.
    """
    if registered.at is None:
        return None
    local = now.astimezone(ZoneInfo(registered.timezone))
    come = local.time() >= time.fromisoformat(registered.at)
    return (local.date() if come else local.date() - timedelta(days=1)).isoformat()


def is_done(routines: Routines, registered: RegisteredStrategy, date: str) -> bool:
    """Whether nothing is left to do for a strategy on a date that is due (``YYYY-MM-DD``).

    Where sessions ahead are meant, that of the date was done before it came: then something must have been done since.
    """
    if date not in routines.done(registered.name):
        return False
    if not registered.ahead or registered.at is None:
        return True
    local = datetime.fromisoformat(f"{date}T{registered.at}").replace(tzinfo=ZoneInfo(registered.timezone))
    return any(one.finished_at and one.finished_at >= local for one in routines.history(registered.name))


class Timetable:
    """Notifies of the routines that are due. Any number of them may run: a routine is done once.

    Args:
        now: the clock, with a time zone.
    """

    def __init__(self, backend: Backend, now: Now) -> None:
        self._backend = backend
        self._now = now
        self._retry = timedelta(seconds=backend.settings.routine_retry_seconds)
        self._notified: dict[tuple[str, str], datetime] = {}

    def notify(self) -> list[tuple[str, str]]:
        """Notify of every strategy that is due and not done, at most once in a while; returns (strategy, date).

        The data may not be there yet, and there may be no session on this date at all: the worker that
        handles the message finds that out. So it notifies until the date is done, or over.

        Raises:
            Unavailable: the store or the broker does not answer.
        """
        now, notified = self._now(), []
        routines = Routines(self._backend)
        for registered in StrategyRegistry(self._backend).all():
            try:
                date = due_date(registered, now)
            except (LookupError, ValueError) as error:  # no time or no zone, written past every check
                log.warning("the routine of %r is not notified of: %s", registered.name, error)
                continue
            if date is None or date < registered.begin or is_done(routines, registered, date):
                continue
            # By strategy and date: a strategy whose date is done is not notified of again before the next day.
            key = (registered.name, date)
            if key not in self._notified or now - self._notified[key] >= self._retry:
                self._backend.notifier.notify_routine(*key)
                self._notified = {known: at for known, at in self._notified.items() if known[0] != registered.name}
                self._notified[key] = now
                notified.append(key)
        return notified

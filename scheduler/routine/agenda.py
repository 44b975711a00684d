"""What a strategy has to do up to a session: the sessions that are due, and those that wait for their data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from rollq.scheduler.routine.ledger import Routines
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.registry import RegisteredStrategy
from rollq.tasks.backend import Backend
from rollq.tasks.rolling.data_checks import GONE, left_out

SATURDAY = 5


@dataclass(frozen=True)
class Agenda:
    """``due``: sessions that can be done now, in their order; those that were missed, or came late, come first.

    ``waiting``: what is said of sessions that are not done because their data are odd. ``known``: every session of the
    data, odd or not.
    """

    due: tuple[str, ...]
    waiting: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()


def agenda(backend: Backend, registered: RegisteredStrategy, strategy: OnlineStrategy, session: str | None) -> Agenda:
    """What is to be done up to ``session`` (None: up to the last one), and of the sessions ahead of it that are meant.

    What is done is a set: no session ends it.

    Raises:
        DataError: the data cannot be read.
    """
    odd, sessions = left_out(strategy.findings()), strategy.sessions()
    done = Routines(backend).done(registered.name)
    last = None if session is None else strategy.last_meant(session)

    def wanted(day: str) -> bool:
        return day >= registered.begin and (last is None or day <= last) and day not in done

    due = [day for day in sessions if wanted(day)]
    waiting = {day: said for day, said in odd.items() if wanted(day)}
    # Only if there is something to do: it reads what was ever published.
    gone = taken_back(backend, strategy, {*sessions, *odd}) if due else []
    for day in due:
        # Signals of a later session would be published beside a hole that was none before.
        if before := [one for one in gone if one < day]:
            waiting[day] = f"{', '.join(before[:3])} was published and is not in the data any more ({GONE})"
    ready = tuple(day for day in due if day not in waiting)
    return Agenda(ready, dict(sorted(waiting.items())), frozenset({*sessions, *odd}))


def taken_back(backend: Backend, strategy: OnlineStrategy, known: set[str]) -> list[str]:
    """Sessions that were published and are not in the data any more, though earlier and later ones are.

    A weekend that an earlier version published does not count where the data have no weekends: it was odd, and was
    repaired.
    """
    checks = strategy.data_checks
    if not checks.gone or not known:
        return []
    days: Sequence[str] = sorted(SignalLedger(backend).published(strategy.name) - known)
    lost = [day for day in days if min(known) < day < max(known) and not checks.accepts(day, GONE)]
    if lost and not any(_is_weekend(day) for day in known):
        return [day for day in lost if not _is_weekend(day)]
    return lost


def _is_weekend(day: str) -> bool:
    return date.fromisoformat(day).weekday() >= SATURDAY

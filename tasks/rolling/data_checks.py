"""The section ``data_checks`` of a template: what is odd about a session, and what is accepted all the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rollq.tasks.components.dataset import Finding
from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.definition import CHECKS as CHECKS_KEY
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.calendar import timestamp
from rollq.tasks.rolling.duration import Duration, distance, step_of

KEY = CHECKS_KEY
FUTURE, FAR, WEEKEND, THIN, STALE, JUMP = "future", "far", "weekend", "thin", "stale", "jump"
PRICE, DUPLICATE, NAME, BAR = "price", "duplicate", "name", "bar"
GONE = "gone"  # a session that was published and is not there any more
JOIN = "join"  # a join in which few rows find a partner, or one that may not have been published
CHECKS = (FUTURE, FAR, WEEKEND, THIN, STALE, JUMP, PRICE, DUPLICATE, NAME, BAR, GONE, JOIN)
EARLIEST_ZONE = "Etc/GMT-14"  # where a day begins first


@dataclass(frozen=True)
class DataChecks:
    """The thresholds; docs/reference/data-checks.md says what each means. None, or False, switches a check off.

    ``price`` names the column of prices in a table of any form. None: the one called close, if it is used; False: none.
    """

    future: bool | int | str = True  # a number of sessions, or a duration, after today: they are meant
    timezone: str | None = None
    far: int | None = 366
    weekend: bool = True
    thin: float | None = 0.5
    stale: float | None = 0.95
    jump: float | None = 3.0
    name: bool = True
    bar: float | None = 0.5
    gone: bool = True
    share: float = 0.02
    price: str | bool | None = None
    accept: tuple[str, ...] = ()

    @classmethod
    def of(cls, section: object, key: str = KEY) -> Self:
        """The thresholds that a section describes; None: the defaults; False: no check at all.

        Raises:
            TemplateError: a key is unknown, or a value cannot be used.
        """
        if section is None or section is True:
            return cls()
        if section is False:
            off = cls(far=None, thin=None, stale=None, jump=None, bar=None)
            return replace(off, future=False, weekend=False, name=False, gone=False)
        if not isinstance(section, Mapping):
            raise TemplateError("it is a mapping.", "Write {thin: 0.5, jump: 3.0} and so on, or false.", key)
        for name in section:
            if name not in cls.__dataclass_fields__:
                known = [field.name for field in fields(cls)]
                raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), known), f"{key}.{name}")
        found = {name: _checked(name, value, f"{key}.{name}") for name, value in section.items()}
        return cls(**found)

    def to_dict(self) -> dict[str, object]:
        """JSON-able; ``of`` reads it."""
        return {**asdict(self), "accept": list(self.accept)}

    def accepts(self, session: str, check: str) -> bool:
        """Whether the template accepts what this check says of a session."""
        return session in self.accept or f"{session}:{check}" in self.accept

    def accepting(self, more: Iterable[str]) -> Self:
        """The same thresholds, with more that is accepted."""
        return replace(self, accept=tuple(sorted({*self.accept, *more})))

    def last_meant(self, sessions: Iterable[str], date: str, ahead: int = 0) -> str:
        """The last of some sessions that is meant to be there on a date: one ahead, or the date itself.

        Args:
            sessions: ``YYYY-MM-DD``, in any order.
            ahead: of how many sessions after the date the data know something in advance; ``future`` may say more.
        """
        later = sorted(session for session in sessions if session > date)
        more = 0 if isinstance(self.future, bool) else distance(self.future, f"{KEY}.future", 1)
        if isinstance(more, Duration):
            end = f"{more.after(timestamp(date)):%Y-%m-%d}"
            more = sum(session <= end for session in later)
        return max(later[: max(more, ahead)], default=date)

    def sessions_ahead(self, sessions: Sequence[str], ahead: int = 0) -> int:
        """How many sessions after a date are meant to be there, at most.

        Args:
            sessions: ``YYYY-MM-DD``, sorted.
            ahead: as for ``last_meant``.
        """
        more = 0 if isinstance(self.future, bool) else distance(self.future, f"{KEY}.future", 1)
        if isinstance(more, Duration):
            # As many as there are in the span before the last one.
            days, span = [timestamp(day) for day in sessions], more
            more = sum(day < days[-1] <= span.after(day) for day in days)
        return max(more, ahead)

    def today(self) -> str:
        """The date that it is where the exchange is; where that is not known, the latest that it is anywhere."""
        return f"{datetime.now(ZoneInfo(self.timezone or EARLIEST_ZONE)):%Y-%m-%d}"


def check_accepted(entries: object, key: str) -> tuple[str, ...]:
    """Sessions that are accepted, each ``YYYY-MM-DD`` or ``YYYY-MM-DD:check``.

    Raises:
        TemplateError: an entry is something else.
    """
    if not isinstance(entries, list | tuple):
        raise TemplateError("it is a list of sessions.", "Write [2019-07-06, 2019-07-09:jump].", key)
    return tuple(sorted({_entry(entry, key) for entry in entries}))


def with_accepted(section: object, more: Iterable[str]) -> object:
    """The section, with more that is accepted; unchanged if there is nothing more."""
    added = tuple(more)
    if not added:
        return section
    given = {} if section is None or section is True else section
    if section is False or not isinstance(given, Mapping):
        return section  # nothing is checked, so nothing is to be accepted
    return {**given, "accept": sorted({*check_accepted(given.get("accept") or (), f"{KEY}.accept"), *added})}


def left_out(findings: Iterable[Finding]) -> dict[str, str]:
    """What is said of each session that is left out."""
    found: dict[str, list[str]] = {}
    for one in findings:
        if one.left_out:
            found.setdefault(one.session, []).append(f"{one.what} ({one.check})")
    return {session: "; ".join(said) for session, said in sorted(found.items())}


def some(findings: Collection[Finding], limit: int = 5) -> str:
    """The first of them, as text."""
    shown = "; ".join(str(one) for one in list(findings)[:limit])
    return shown + (f"; and {len(findings) - limit} more" if len(findings) > limit else "")


def _checked(name: str, value: object, key: str) -> Any:
    """The value of one key of the section, if it is possible."""
    if name == "accept":
        return check_accepted(value or (), key)
    if name == "timezone":
        return _zone(value, key)
    if name == "price":
        return _price(value, key)
    if name == "future" and not isinstance(value, bool):
        return _ahead(value, key)
    if name in ("future", "weekend", "name", "gone"):
        if not isinstance(value, bool):
            raise TemplateError(f"{value!r} is neither true nor false.", "Write true or false.", key)
        return value
    if (value is None or value is False) and name != "share":
        return None
    # `value == value` is false for NaN alone, which no comparison with a threshold would ever meet.
    if isinstance(value, bool) or not isinstance(value, int | float) or not value == value or value <= 0:
        raise TemplateError(f"{value!r} is not possible.", "Use a number above 0, or null to switch it off.", key)
    if name in ("thin", "stale", "bar", "share") and value > 1:
        raise TemplateError(f"{value!r} is no share.", "Use a number above 0 and up to 1.", key)
    if name == "far" and (not isinstance(value, int) or value < 1):
        raise TemplateError(f"{value!r} days are not possible.", "Use a whole number of days.", key)
    return value


def _price(value: object, key: str) -> str | bool | None:
    if value is None or value is False or (isinstance(value, str) and value):
        return value
    raise TemplateError(f"{value!r} is no column.", "Name the column of prices, or write false.", key)


def _ahead(value: object, key: str) -> int | str:
    """How far ahead sessions are meant: a number of them, or a duration."""
    try:
        found = step_of(value, key)
    except TemplateError as error:
        fix = "Write true or false; or how many sessions after today are meant: 1, or 2d."
        raise TemplateError(error.message.removeprefix(f"{key}: "), fix, key) from None
    return str(found) if isinstance(found, Duration) else found


def _zone(value: object, key: str) -> str | None:
    if value is None:
        return None
    try:
        return ZoneInfo(str(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TemplateError(f"{value!r} is no time zone.", "Use a name such as America/New_York.", key) from None


def _entry(entry: object, key: str) -> str:
    """An accepted session as text: ``2019-07-06``, or with the one check that is accepted, ``2019-07-06:jump``."""
    text = entry.isoformat() if type(entry) is date else str(entry).strip()
    day, colon, check = text.partition(":")
    try:
        good = date.fromisoformat(day).isoformat() == day
    except ValueError:
        good = False
    if not good:
        raise TemplateError(f"{entry!r} is no session.", "Write 2019-07-06, or 2019-07-06:jump.", key)
    if colon and check not in CHECKS:
        raise TemplateError(f"there is no check {check!r}.", did_you_mean(check, CHECKS), key)
    return text

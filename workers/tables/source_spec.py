"""What a template says of one source: where it is, which columns are time and instrument, and how times are read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError

AMBIGUOUS = ("order", "first", "second")
NONEXISTENT = ("error", "shift")
SINGLE = ""
UNITS = ("s", "ms", "us", "ns", "min", "h", "D")
TEXTS = ("zone", "unit", "time_format", "separator", "decimal", "market", "freq", "ambiguous", "nonexistent")
CHOICES: Mapping[str, Collection[str]] = {
    "ambiguous": AMBIGUOUS,
    "nonexistent": NONEXISTENT,
    "unit": UNITS,
    "decimal": (",", "."),
}


@dataclass(frozen=True)
class SourceSpec:
    """One source. None: it is found, or there is none.

    Of ``time`` and ``instrument`` several names are one column, which is made of them.
    ``instrument`` is ``SINGLE`` where there is none (``instrument: null``): all rows are one series.
    """

    path: str
    time: str | tuple[str, ...] | None = None
    instrument: str | tuple[str, ...] | None = None
    zone: str | None = None
    wide: str | None = None
    unit: str | None = None
    time_format: str | None = None
    separator: str | None = None
    decimal: str = "."
    market: str = "all"
    freq: str | None = None
    ambiguous: str = "order"
    nonexistent: str = "error"

    @classmethod
    def of(cls, kwargs: Mapping[str, object], key: str) -> Self:
        """The source that some keys of a template describe; other keys than ``SOURCE_KEYS`` are not looked at.

        Raises:
            TemplateError: a value cannot be used.
        """
        found: dict[str, str] = {}
        for name in TEXTS:
            if kwargs.get(name) is not None:
                found[name] = _text(name, kwargs[name], f"{key}.{name}")
        instrument: str | tuple[str, ...] | None = None
        if "instrument" in kwargs:
            given = kwargs["instrument"]
            instrument = SINGLE if given is None else _columns("instrument", given, f"{key}.instrument")
        time = None if kwargs.get("time") is None else _columns("time", kwargs["time"], f"{key}.time")
        if kwargs.get("wide"):
            found["wide"] = "value" if kwargs["wide"] is True else _text("wide", kwargs["wide"], f"{key}.wide")
        return replace(cls(_path(kwargs.get("path"), f"{key}.path"), time, instrument), **found)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return asdict(self)


SOURCE_KEYS = ("path", "time", "instrument", "zone", "wide", *TEXTS[1:])


def _path(value: object, key: str) -> str:
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, str) or not value:
        raise TemplateError(f"{value!r} is no path.", "Name a file, a folder or a pattern such as bars/*.parquet.", key)
    return value


def _columns(name: str, value: object, key: str) -> str | tuple[str, ...]:
    """The name of a column, or of several that are one together."""
    if isinstance(value, list | tuple):
        if len(value) < 2 or len(set(value)) < len(value):
            raise TemplateError(f"{value!r} are not several columns.", f"Write {name}: and one name.", key)
        return tuple(_text(name, one, key) for one in value)
    return _text(name, value, key)


def _text(name: str, value: object, key: str) -> str:
    """A text, of those that are possible."""
    if not isinstance(value, str) or not value:
        raise TemplateError(f"{value!r} is no text.", f"Write {name} as text.", key)
    if name in CHOICES and value not in CHOICES[name]:
        raise TemplateError(f"{value!r} is unknown.", did_you_mean(value, CHOICES[name]), key)
    if name == "zone":
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise TemplateError(f"there is no zone {value!r}.", "Use a name such as Europe/Berlin.", key) from None
    return value

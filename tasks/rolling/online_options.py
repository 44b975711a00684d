"""The section ``online`` of a template: how the daily routine keeps a strategy online."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.definition import PARTS
from rollq.tasks.errors import TemplateError
from rollq.tasks.predictions.directions import HIGHER, direction_among, is_of_group
from rollq.tasks.rolling.duration import step_of

BASE = "base"  # the variant that the template itself describes
METRICS = {"ic": "IC", "rank_ic": "Rank IC"}  # every comparison has these two, whatever the records measure


@dataclass(frozen=True)
class Challenger:
    """A variant that is trained in the same rounds; ``parts`` take the place of the template's."""

    name: str
    parts: Mapping[str, object]


@dataclass(frozen=True)
class PromotionRule:
    """A challenger becomes champion when it was better over ``sessions`` sessions, with this ``confidence``.

    ``metric`` is ``ic``, ``rank_ic``, or what a record of the template measures by session, such as ``MAE``.
    """

    metric: str = "rank_ic"
    sessions: int = 120
    confidence: float = 0.95

    @property
    def name(self) -> str:
        """The metric, as comparisons name it."""
        return METRICS.get(self.metric, self.metric)

    def check(self, declared: Mapping[str, str]) -> None:
        """Look whether the metric is one that has a better side.

        Args:
            declared: what is better of the metrics that the records of the template declare.

        Raises:
            TemplateError: none of them is called so.
        """
        known = {**dict.fromkeys([*METRICS, *METRICS.values()], HIGHER), **declared}
        if direction_among(self.name, known) is None or is_of_group(self.metric):
            same = [name for name in known if name.casefold() == self.metric.casefold()]
            raise TemplateError(
                f"{self.metric!r} is nothing of which a record of the template says what is better.",
                f"Did you mean {same[0]!r}?" if same else did_you_mean(self.metric, known),
                "online.promote.metric",
            )


@dataclass(frozen=True)
class OnlineOptions:
    """How a strategy is kept online.

    ``begin``: the first session under the routine (None: the last one of the data when it begins). ``refit_every``:
    sessions between two trainings, or a duration (None: the step of the windows); predictions are made every session
    all the same.
    ``at``, ``timezone``: when beat fires the routine, in the time of the exchange; None: never.
    """

    begin: str | None = None
    refit_every: int | str | None = None
    warm_start: bool = False
    at: str | None = None
    timezone: str = "UTC"
    challengers: tuple[Challenger, ...] = ()
    promote: PromotionRule | None = None

    @classmethod
    def of(cls, section: object) -> Self:
        """The options that a template's section describes; None: the defaults.

        Raises:
            TemplateError: a key is unknown, or a value cannot be used.
        """
        if section is None:
            return cls()
        if not isinstance(section, Mapping):
            raise TemplateError("'online' is a mapping.", "Write begin: 2015-01-02 and so on under it.", "online")
        _check_keys(section, cls.__dataclass_fields__, "online")
        found = {name: value for name, value in section.items() if value is not None}
        if "begin" in found:
            found["begin"] = _day(found["begin"], "online.begin")
        if "refit_every" in found:
            step_of(found["refit_every"], "online.refit_every")
        if not isinstance(found.get("warm_start", False), bool):
            raise TemplateError(
                f"{found['warm_start']!r} is neither true nor false.", "Write true or false.", "online.warm_start"
            )
        if "at" in found:
            found["at"] = _time(found["at"])
        _check_zone(found.get("timezone", "UTC"))
        found["challengers"] = tuple(_challengers(found.get("challengers", ())))
        found["promote"] = _rule(found.get("promote"))
        return cls(**found)

    def to_dict(self) -> dict[str, object]:
        """JSON-able; ``of`` reads it. Challengers are ``{name, model, dataset, record}``."""
        challengers = [{"name": one.name, **one.parts} for one in self.challengers]
        rule = asdict(self.promote) if self.promote else None
        return {**{name: getattr(self, name) for name in SIMPLE}, "challengers": challengers, "promote": rule}


SIMPLE = ("begin", "refit_every", "warm_start", "at", "timezone")


def _check_keys(given: Mapping[str, object], known: Collection[str], key: str) -> None:
    for name in given:
        if name not in known:
            raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), known), f"{key}.{name}")


def _day(value: object, key: str) -> str:
    if isinstance(value, date):
        return value.date().isoformat() if isinstance(value, datetime) else value.isoformat()
    try:
        found = date.fromisoformat(str(value)).isoformat()
    except ValueError:
        found = ""
    if not found or found != str(value):  # Python reads 20150102.0, too
        raise TemplateError(f"{value!r} is not a date.", "Write it as YYYY-MM-DD.", key)
    return found


def _count(value: object, key: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise TemplateError(f"{value!r} is not possible.", "Use a whole number of sessions, at least 1.", key)


def _time(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", value):
        raise TemplateError(f"{value!r} is no time of day.", 'Write at: "18:30".', "online.at")
    # `9:30` becomes `09:30`, which `time.fromisoformat` takes.
    return value.zfill(5)


def _check_zone(name: object) -> None:
    try:
        ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TemplateError(
            f"{name!r} is no time zone.", "Use a name such as America/New_York.", "online.timezone"
        ) from None


def _challengers(section: object) -> list[Challenger]:
    """The challengers of the section: each has a name of its own and differs in at least one part."""
    key = "online.challengers"
    if not isinstance(section, list | tuple):
        raise TemplateError("challengers is a list.", "Write - {name: ridge, model: {...}} under it.", key)
    made: list[Challenger] = []
    for position, given in enumerate(section):
        where = f"{key}[{position}]"
        if not isinstance(given, Mapping):
            raise TemplateError("a challenger is a mapping.", "Write {name: ridge, model: {...}}.", where)
        _check_keys(given, ("name", *PARTS), where)
        name, parts = given.get("name"), {part: given[part] for part in PARTS if part in given}
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]{0,39}", name):
            raise TemplateError(f"{name!r} cannot be a name.", "Use up to 40 letters, digits, dashes.", f"{where}.name")
        if name in {BASE, *(one.name for one in made)}:
            raise TemplateError(f"{name!r} is taken.", "Give each challenger a name of its own.", f"{where}.name")
        if not parts:
            raise TemplateError("it differs in nothing from the template.", "Give it a model or a dataset.", where)
        made.append(Challenger(name, parts))
    return made


def _rule(section: object) -> PromotionRule | None:
    """When a challenger is promoted by itself; None: never."""
    if section is None:
        return None
    key = "online.promote"
    if not isinstance(section, Mapping):
        raise TemplateError("it is a mapping.", "Write {metric: rank_ic, sessions: 120, confidence: 0.95}.", key)
    _check_keys(section, PromotionRule.__dataclass_fields__, key)
    rule = PromotionRule(**section)
    if not isinstance(section.get("metric", ""), str):
        raise TemplateError(f"{rule.metric!r} is no name.", "Name a metric, such as rank_ic or MAE.", f"{key}.metric")
    _count(rule.sessions, f"{key}.sessions")
    if not isinstance(section.get("confidence", 0.95), float) or not 0.5 <= rule.confidence < 1:
        raise TemplateError(f"{rule.confidence!r} is not possible.", "Use 0.5 to 0.999.", f"{key}.confidence")
    return rule

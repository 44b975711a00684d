"""What a simulation is about: its strategies, its sessions, and the names under which it is found again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rollq.days import day
from rollq.enqueueing import load_strategy
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.strategies.managers import strategies_of
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.scheduler.strategies.rolling import RollingStrategy
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import TEST, segments_of
from rollq.tasks.errors import BadInput, NotFound, StateError
from rollq.tasks.rolling.template import Template
from rollq.tasks.rolling.template_names import check_name

ROOM = 50  # characters of a template's name in that of its simulation


@dataclass(frozen=True)
class Planned:
    """A simulation, checked. ``strategies`` have names of their own in it; ``labels`` are those of their templates.

    ``begin`` and ``end`` are sessions of all strategies.
    """

    name: str
    begin: str
    end: str
    strategies: tuple[RollingStrategy, ...]
    labels: tuple[str, ...]

    @property
    def sessions(self) -> list[str]:
        """The sessions from ``begin`` to ``end``, ascending."""
        return [day for day in _common(self.strategies) if self.begin <= day <= self.end]


def plan_simulation(
    templates: Sequence[Path],
    settings: Settings,
    begin: str | None,
    end: str | None,
    name: str | None,
    step: int | str | None = None,
    rtype: str | None = None,
) -> Planned:
    """Check templates, data and range before anything is started.

    Args:
        begin, end: None: from where all templates can be online, to the last session of their data and test segments.
        name: None: made of the templates' names, the range, and a hash of templates and data: the same input is found
            again, changed input is a simulation of its own.
        step, rtype: how the templates roll; None: as each says.

    Raises:
        BadInput: something cannot be used.
    """
    if name is not None:
        check_name(name, "--name")
    loaded = [load_strategy(path, settings, step=step, rtype=rtype) for path in templates]
    labels = tuple(strategy.template.name for strategy in loaded)
    for label, times in Counter(labels).items():
        if times > 1:
            raise BadInput(f"{times} templates are named {label!r}.", "Give each a name of its own: name: ...")
    first, last = _range(loaded, day(begin, "--from"), day(end, "--to"))
    for strategy in loaded:
        if first < (start := str(_test(strategy)[0])):
            raise BadInput(
                f"--from: {first} is before the test segment of {strategy.template.name!r}, which starts on {start}.",
                "Begin there or later.",
            )
        # Cut and thrown away: a template that has no window in the range is refused before anything is started.
        strategy.plan(first, until=last)
    hashes = [_hash(strategy) for strategy in loaded]
    if name is None:
        # Six digits of a hash tell the few simulations of one template and range apart; the name stays short enough to
        # type.
        names = [f"sim.{label[:ROOM]}.{first}.{last}.{found}" for label, found in zip(labels, hashes, strict=True)]
        together = hashlib.sha256("".join(hashes).encode()).hexdigest()[:6]
        manager = names[0] if len(names) == 1 else f"sim.{'.'.join(labels)[:ROOM]}.{first}.{last}.{together}"
    else:
        names = [f"{name}.{label}" for label in labels]
        manager = name
    made = [
        RollingStrategy.of_template(_timeless(one.template), settings, own)
        for one, own in zip(loaded, names, strict=True)
    ]
    return Planned(manager, first, last, tuple(made), labels)


def refuse_others(backend: Backend, planned: Planned) -> None:
    """Refuse a name that belongs to something else than this simulation.

    Raises:
        StateError: it does: to other strategies, another template, other data, or another first session.
    """
    others = set(strategies_of(backend.store, planned.name) or ()) - {strategy.name for strategy in planned.strategies}
    if others:
        raise StateError(
            f"{planned.name!r} is the name of a simulation of {', '.join(sorted(others))}.",
            "Give this one another --name.",
        )
    for strategy in planned.strategies:
        try:
            registered = StrategyRegistry(backend).get(strategy.name)
        except NotFound:
            continue
        current = strategy.dataset_of().fingerprint().get("sha256")
        known = {data for online in OnlineSets(backend.store).history(strategy.name) for data in online.data}
        for what, same in (
            ("another template", registered.config == strategy.to_config()),
            (f"another first session, {registered.begin}", registered.begin == planned.begin),
            # An empty ledger is no contradiction: the simulation was cut off before its first set.
            ("other data", known <= {current}),
        ):
            if not same:
                raise StateError(f"{strategy.name!r} is there already, with {what}.", "Give this one another --name.")


def _range(strategies: Sequence[RollingStrategy], begin: str | None, end: str | None) -> tuple[str, str]:
    starts = [strategy.template.online.begin or _test(strategy)[0] for strategy in strategies]
    ends = [stop for strategy in strategies if (stop := _test(strategy)[1])]
    first, last = begin or max(str(start) for start in starts), end or min(ends, default="9999")
    days = [day for day in _common(strategies) if first <= day <= last]
    if not days:
        shown = f"from {first}" + ("" if last == "9999" else f" to {last}")
        raise BadInput(f"There is no session {shown}.", "Look at --from and --to, and at the sessions of the data.")
    return days[0], days[-1]


def _common(strategies: Sequence[RollingStrategy]) -> list[str]:
    return sorted(set.intersection(*(set(strategy.sessions()) for strategy in strategies)))


def _test(strategy: RollingStrategy) -> Sequence[str | None]:
    return segments_of(strategy.template.definition)[TEST]


def _timeless(template: Template) -> Template:
    """Without a time of day: beat must not take a simulation for a strategy that is kept online."""
    return replace(template, online=replace(template.online, at=None))


def _hash(strategy: RollingStrategy) -> str:
    content = [strategy.template.to_config(), strategy.dataset_of().fingerprint()]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:6]

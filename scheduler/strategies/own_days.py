"""On which sessions the models that serve have something to predict: one that has rows of its own may lack some."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rollq.scheduler.online.serving import Served
from rollq.scheduler.strategies.base import OnlineStrategy


def on_own_days(strategy: OnlineStrategy, parts: Iterable[Served]) -> list[Served]:
    """What models serve, each on the sessions on which it has rows; those that have none are left out.

    Raises:
        DataError: the data cannot be read.
    """
    made = [replace(part, days=tuple(strategy.days_of(part.name, part.days))) for part in parts]
    return [part for part in made if part.days]

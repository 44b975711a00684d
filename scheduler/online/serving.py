"""Which model serves on which session, after the ledger: of the champion, and of each challenger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollq.scheduler.online.online_set import OnlineModel, OnlineSet, newest


@dataclass(frozen=True)
class Served:
    """Successive sessions that one model of a strategy serves, and the version of the online set that says so."""

    version: int
    pool: str
    variant: str
    model: OnlineModel
    days: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the model in its strategy: the member, or the variant."""
        return self.model.member or self.variant


def served(history: Sequence[OnlineSet], sessions: Sequence[str], challengers: bool = False) -> list[Served]:
    """Who serves on each of ``sessions``: by the newest set of that session, its newest model that has begun; where
    several serve together, the newest of each.

    Sessions before the first set belong to the first set; those that no model has begun by are left out.

    Args:
        history: of one strategy, oldest first.
        sessions: ``YYYY-MM-DD``, ascending.
        challengers: also whom the challengers would have served with.
    """
    found: dict[tuple[int, str, str], list[str]] = {}
    models: dict[tuple[int, str, str], tuple[OnlineSet, OnlineModel]] = {}
    for session in sessions:
        online = set_on(history, session)
        if online is None:
            continue
        variants = {online.champion: online.models, **(online.challengers if challengers else {})}
        for variant, candidates in variants.items():
            for model in newest(candidates, session):
                key = (online.version, variant, model.recorder_id)
                found.setdefault(key, []).append(session)
                models[key] = (online, model)
    return [
        Served(online.version, online.pool, key[1], model, tuple(found[key])) for key, (online, model) in models.items()
    ]


def set_on(history: Sequence[OnlineSet], session: str) -> OnlineSet | None:
    """The set of a session: the newest version that came online by then, or else the first one."""
    begun = [online for online in history if online.session <= session]
    # Before the first set nothing served; its models, which hold every window of the past, stand for what would have.
    return begun[-1] if begun else next(iter(history), None)

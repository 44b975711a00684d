"""Joint signals: those of several strategies, joined for the sessions that all of them have, and published as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

import pandas as pd

from rollq.scheduler.collect.values import Frame
from rollq.scheduler.signals.ledger import Publication, SignalEntry, SignalLedger
from rollq.scheduler.signals.members import SCORE
from rollq.tasks.backend import Backend
from rollq.tasks.rolling.members.role import HORIZON

Join = Callable[[Mapping[str | tuple[str, str], pd.DataFrame]], Frame]


class SignalOptions(TypedDict, total=False):
    """Keywords of ``OnlineManager.prepare_signals``."""

    prepare_func: Join | None
    over_write: bool


@dataclass(frozen=True)
class JointSignals:
    """The joint signals called ``name`` of ``strategies``; ``pool`` is the MLflow experiment that holds them."""

    backend: Backend
    name: str
    strategies: tuple[str, ...]
    pool: str

    def publish(self, join: Join, by: str, *, over_write: bool) -> pd.DataFrame:
        """Join what was published since the last time, and publish the result; returns it, empty if there is nothing.

        Args:
            join: makes one frame of ``{strategy: frame}``; the frames of models that serve together are each by
                ``(strategy, model)``.
            over_write: join every session again.
        """
        ledger = SignalLedger(self.backend)
        ledger.ensure_indexes()
        while True:
            known = ledger.entries(self.name)
            joined = _published_at(known)
            parts = [_published_at(ledger.entries(name)) for name in self.strategies]
            common = set.intersection(*(set(part) for part in parts))
            # By the times of publication: a day is joined again when one of its parts is newer than the joint signals.
            stale = {day for day in common if day not in joined or any(part[day] > joined[day] for part in parts)}
            days = common if over_write else stale
            if not days:
                return pd.DataFrame({SCORE: []})
            frames = {key: frame for name in self.strategies for key, frame in _models(name, ledger.read(name, days))}
            publication = Publication(
                strategy=self.name,
                number=len(known) + 1,
                session=max(days),
                days=tuple(sorted(days)),
                gaps=(),
                versions=(),
                pool=self.pool,
                by=by,
                why="prepare_signals",
            )
            joined_now = _as_frame(join(frames))
            if ledger.publish(publication, joined_now):
                return joined_now  # otherwise another process was first: look again what is left


def _models(strategy: str, signals: pd.DataFrame) -> Iterator[tuple[str | tuple[str, str], pd.DataFrame]]:
    """The signals of each model of a strategy; those of the strategy itself where one model serves alone. Of several
    horizons the first one speaks for the strategy.
    """
    members = [str(name) for name in signals.columns if name != SCORE and not str(name).startswith(HORIZON)]
    alone = signals[signals[members].isna().all(axis=1)]
    if not alone.empty:
        yield strategy, alone[[SCORE]]
    for member in members:
        # A model that does not serve on some of these sessions has no score there.
        yield (strategy, member), signals[[member]].dropna().set_axis([SCORE], axis=1)


def _published_at(entries: Sequence[SignalEntry]) -> dict[str, datetime]:
    """When each session was published last."""
    return {day: entry.at for entry in entries for day in entry.days}


def _as_frame(values: Frame) -> pd.DataFrame:
    return values.to_frame(SCORE) if isinstance(values, pd.Series) else values

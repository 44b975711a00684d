"""Joint signals: those of several strategies, joined for the sessions that all of them have, and published as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from rollq.scheduler.collect.values import Frame
from rollq.scheduler.signals.ledger import Publication, SignalEntry, SignalLedger
from rollq.tasks.backend import Backend


@dataclass(frozen=True)
class JointSignals:
    """The joint signals called ``name`` of ``strategies``; ``pool`` is the MLflow experiment that holds them."""

    backend: Backend
    name: str
    strategies: tuple[str, ...]
    pool: str

    def publish(self, join: Callable[[Mapping[str, pd.DataFrame]], Frame], by: str, *, over_write: bool) -> bool:
        """Join what was published since the last time, and publish the result; whether there was something to join.

        Args:
            join: makes one frame of ``{strategy: frame}``.
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
                return False
            frames = {name: ledger.read(name, days) for name in self.strategies}
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
            if ledger.publish(publication, _as_frame(join(frames))):
                return True  # otherwise another process was first: look again what is left


def _published_at(entries: Sequence[SignalEntry]) -> dict[str, datetime]:
    """When each session was published last."""
    return {day: entry.at for entry in entries for day in entry.days}


def _as_frame(values: Frame) -> pd.DataFrame:
    return values.to_frame("score") if isinstance(values, pd.Series) else values

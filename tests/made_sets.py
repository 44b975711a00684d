"""Online sets that no round made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rollq.scheduler.online.online_set import OnlineModel, OnlineSet, SignalFile

SIGNALS = SignalFile("run", "signals.parquet", "0" * 64, 1, "2021-01-04", "2021-01-04")


def made_set(
    round_id: str, models: Sequence[OnlineModel], strategy: str = "s", pool: str = "p", **more: Any
) -> OnlineSet:
    """A set to be published as that of a round.

    Args:
        more: further fields.
    """
    fields: dict[str, Any] = {"version": 0, "at": datetime.now(UTC), "by": "me", "metrics": {}, **more}
    return OnlineSet(strategy=strategy, pool=pool, round_id=round_id, models=tuple(models), **fields)

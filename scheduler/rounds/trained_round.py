"""A round that a trainer opened."""

from __future__ import annotations

from dataclasses import dataclass

from rollq.tasks.queue.task import Created


@dataclass(frozen=True)
class TrainedRound:
    """A round that a trainer opened: its id, its pool, and its tasks in the order of their definitions.

    ``ended``: it was there already, and there is nothing left to do for it.
    """

    id: str
    pool: str
    created: Created
    ended: bool = False

"""What is asked about a run of any tracking store, and what is done to it when its attempt came to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rollq.tasks.tracking.runs.lifecycle import RecorderStatus


class Run(Protocol):
    """A run as it was read."""

    @property
    def id(self) -> str:
        """Its id in the tracking store."""

    @property
    def status(self) -> RecorderStatus:
        """Where it is in its life."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""

    def supersede(self, why: str) -> None:
        """Mark it FAILED, with the reason as a tag."""

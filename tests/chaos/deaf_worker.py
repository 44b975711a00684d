"""A real ``rollq worker`` that does not listen to its lease: it trains to the end and commits, however late that is."""

from __future__ import annotations

import sys

from rollq.service import run_worker
from tasks.lease import LeaseKeeper
from tasks.settings import load_settings


def deaf(_: LeaseKeeper) -> None:
    """Whatever the lease keeper knows, go on."""


if __name__ == "__main__":
    LeaseKeeper.checkpoint = deaf  # type: ignore[method-assign]
    LeaseKeeper._abandon = deaf  # type: ignore[method-assign]
    settings = load_settings()
    sys.exit(run_worker(settings, settings.concurrency))

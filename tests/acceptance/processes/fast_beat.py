"""Beat on a fast clock, which stands still until the test lets it go.

``FAST_FOLDER`` is where test and beats meet, ``FAST_BEGIN`` what the clock shows first, ``FAST_DAY`` how many seconds a
day takes.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rollq.scheduler.routine.beat import make_scheduler
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import current_settings
from rollq.tasks.logs import setup_logging


@dataclass(frozen=True)
class FastClock:
    """A clock that shows ``begin`` until it is started; then a day takes ``day`` seconds. ``folder`` must be empty."""

    folder: Path
    begin: datetime
    day: float

    def at(self, real: float) -> datetime:
        """What it shows (UTC) at a time in seconds since 1970."""
        # In UTC: a day is 24 hours, whatever the clocks of the exchange do.
        return self.begin.astimezone(UTC) + timedelta(days=max(0.0, real - self._zero()) / self.day)

    def __call__(self) -> datetime:
        """What it shows now; and that this process has looked at it."""
        (self.folder / f"looked-{os.getpid()}").touch()
        return self.at(time.time())

    def readers(self) -> int:
        """How many processes have looked at it."""
        return len(list(self.folder.glob("looked-*")))

    def start(self) -> None:
        """From now on it runs, in all processes."""
        draft = self.folder / "draft"
        draft.write_text(str(time.time()))
        draft.rename(self.folder / "zero")

    def environment(self) -> dict[str, str]:
        """For a process that reads it again."""
        return {
            "FAST_FOLDER": str(self.folder),
            "FAST_BEGIN": self.begin.isoformat(),
            "FAST_DAY": str(self.day),
        }

    def _zero(self) -> float:
        try:
            return float((self.folder / "zero").read_text())
        except FileNotFoundError:
            return math.inf


def main() -> None:
    """Run beat until it is told to stop."""
    given = os.environ
    clock = FastClock(Path(given["FAST_FOLDER"]), datetime.fromisoformat(given["FAST_BEGIN"]), float(given["FAST_DAY"]))
    backend = Backend.of(current_settings())
    backend.prepare()
    setup_logging("INFO", "human")
    backend.app.Beat(scheduler_cls=make_scheduler(backend, now=clock), quiet=True, loglevel="INFO").run()


if __name__ == "__main__":
    main()

"""What long verbs show while they run, and how they name themselves in what to try next."""

from __future__ import annotations

import sys
from pathlib import Path


def called_as() -> str:
    """How this command line was called, as short as it works."""
    called = Path(sys.argv[0])
    try:
        return str(called.relative_to(Path.cwd())) if called.is_absolute() else str(called)
    except ValueError:
        return str(called)


class ProgressBar:
    """A progress bar on standard error."""

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def phase(self, name: str) -> None:
        """A phase begins."""
        self._progress.update(self._task, description=name)

    def update(self, finished: int, total: int) -> None:
        """So many windows are finished."""
        self._progress.update(self._task, completed=finished, total=total)

"""The commit of a user's project: recorded with what was trained, and no part of what a task is."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rollq.tasks.components.source import Source

# A repository on a network that hangs must not hold the training.
GIT_SECONDS = 10.0
KEPT_SECONDS = 60.0  # git is not asked about a folder more often


def project_of(folder: Path) -> dict[str, object]:
    """``{commit, dirty}`` of the git repository that a folder is in; empty if it is in none, or there is no git.

    ``dirty``: something in the folder is not committed.
    """
    # The minute is a part of the cache's key, so an answer is kept for a minute at most.
    return dict(_asked(folder, int(time.monotonic() / KEPT_SECONDS)))


def project_tags(sources: Iterable[Source], planned: object) -> dict[str, str]:
    """Tags of a run: the project of the first own class among its components, or else that of its template.

    Args:
        planned: ``project`` of the task's definition: that of the template when it was enqueued.
    """
    own = next((source for source in sources if source.own and source.folder), None)
    found = project_of(own.folder) if own and own.folder else None
    found = found or (planned if isinstance(planned, dict) else {})
    if not found.get("commit"):
        return {}
    return {"rollq.project.commit": str(found["commit"]), "rollq.project.dirty": str(bool(found.get("dirty"))).lower()}


@lru_cache(maxsize=64)
def _asked(folder: Path, _now: int) -> tuple[tuple[str, object], ...]:
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return ()
    return (("commit", commit), ("dirty", bool(_git(folder, "status", "--porcelain", "--", "."))))


def _git(folder: Path, *arguments: str) -> str:
    """What git answers in a folder; empty if there is no git, no repository, or no answer in time."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""

"""Where a run comes from: code, command line, environment, libraries, host. Collected once per process.

Secrets stay out: environment variables whose name or value looks like one are masked.
"""

from __future__ import annotations

import getpass
import logging
import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TypedDict

log = logging.getLogger(__name__)

LIBRARIES = ("celery", "lightgbm", "mlflow-skinny", "numpy", "pandas", "pyarrow", "pymongo", "rollq", "scikit-learn")
# A repository on a network that hangs must not hold every run.
GIT_SECONDS = 10.0
MAX_DIFF = 1_000_000  # characters kept of a diff
SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
USER_PASSWORD = re.compile(r"(://)[^/@\s]*@")
MASK = "***"
DIFFS = {"code_diff.txt": ("diff",), "code_status.txt": ("status", "--short"), "code_cached.txt": ("diff", "--cached")}


class Summary(TypedDict):
    """What a process is: where it runs, what was called, and on which code and libraries. No passwords."""

    command: str
    environment: dict[str, str]
    git_commit: str
    uncommitted: list[str]
    host: str
    libraries: dict[str, str]
    pid: int
    platform: str
    python: str
    user: str


@dataclass(frozen=True)
class Provenance:
    """What is attached to every run: ``tags``, the ``summary`` as JSON, and the texts of uncommitted code by name."""

    tags: dict[str, str]
    summary: Summary
    code: dict[str, str]


def provenance() -> Provenance:
    """Of this process."""
    return _collected(os.getpid())


@cache
def _collected(pid: int) -> Provenance:
    """Everything once; ``pid`` is part of the call, so that a forked process collects anew."""
    commit = _git("rev-parse", "HEAD").strip()
    command = " ".join(map(shlex.quote, sys.argv))
    code = {name: text for name, arguments in DIFFS.items() if commit and (text := _git(*arguments))}
    host, user = socket.gethostname(), _user()
    summary: Summary = {
        "command": USER_PASSWORD.sub(rf"\1{MASK}@", command),
        "environment": masked_environment(),
        "git_commit": commit,
        # The names of the files that hold the changes; their texts are artifacts of their own.
        "uncommitted": sorted(code),
        "host": host,
        "libraries": library_versions(),
        "pid": pid,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "user": user,
    }
    tags = {
        "mlflow.user": user,
        "mlflow.source.name": summary["command"][:500],
        "mlflow.source.type": "LOCAL",
        "rollq.host": host,
    }
    if commit:
        tags["mlflow.source.git.commit"] = commit
    return Provenance(tags, summary, code)


def masked_environment() -> dict[str, str]:
    """The variables that configure rollq, without secrets."""
    ours = ("ROLLQ_", "MLFLOW_TRACKING")
    chosen = {name: value for name, value in sorted(os.environ.items()) if name.startswith(ours)}
    return {
        name: MASK if SECRET_NAME.search(name) else USER_PASSWORD.sub(rf"\1{MASK}@", value)
        for name, value in chosen.items()
    }


@cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on, as far as they are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str:
    """What git says about the working folder; empty if it is no repository or there is no git."""
    try:
        answer = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, errors="replace", timeout=GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.debug("git does not answer: %s", error)
        return ""
    return answer.stdout[:MAX_DIFF] if answer.returncode == 0 else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())

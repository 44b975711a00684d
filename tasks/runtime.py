"""Who runs the embedded stack of a state folder, and where its servers are."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rollq.tasks.config.settings import Settings

RUNTIME = "runtime.json"
LOCK = "stack.lock"


@dataclass(frozen=True)
class Runtime:
    """Who runs a stack, and where its servers are."""

    pid: int
    host: str
    started_at: str
    mongo_uri: str
    redis_url: str
    mlflow_uri: str

    def settings(self, settings: Settings) -> Settings:
        """``settings`` with the URLs of this stack; URLs that are set already stay."""
        urls = {
            name: getattr(settings, name) or getattr(self, name) for name in ("mongo_uri", "redis_url", "mlflow_uri")
        }
        return settings.model_copy(update=urls)

    def to_json(self) -> str:
        """The content of the runtime file."""
        return json.dumps(asdict(self), indent=2)


def read_runtime(state_dir: Path) -> Runtime | None:
    """What the runtime file of a folder says, whether that stack still runs or not; None if there is no such file."""
    try:
        return Runtime(**json.loads((state_dir / RUNTIME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def find_running(state_dir: Path) -> Runtime | None:
    """The stack that runs in a folder, or None; a file that a killed stack left behind is ignored."""
    found = read_runtime(state_dir)
    return found if found and is_locked(state_dir) else None


def is_locked(state_dir: Path) -> bool:
    """Whether a process holds the stack of a folder: it starts it, runs it, or stops it."""
    try:
        # Read only, and shared: to look neither makes the file nor keeps another one from looking.
        with (state_dir / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False

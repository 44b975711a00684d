"""What the processes of a machine compute once and share on disk: one of them makes it, and the others find it whole.

Everything is written beside its place and moved there in one step, with the usual rights, so that other users read it,
too (what ``tempfile`` makes would be kept to this one).
"""

from __future__ import annotations

import fcntl
import logging
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rollq.tasks.errors import Unavailable

log = logging.getLogger(__name__)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time make a folder of the cache; the others wait, and must look for it then.

    Raises:
        Unavailable: the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f"{folder.name}.lock").open("a") as lock:
            # The kernel gives the lock back when its holder dies, however it dies.
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise Unavailable(
            f"The cache {folder} cannot be written: {error}.", "Free the disk, or set ROLLQ_STATE_DIR."
        ) from error


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder to write into, which takes its place when the block ends well; the caller makes it alone.

    A reader sees no folder or a whole one. What is broken there, and what killed makers left, is removed first.
    """
    for left in (folder, *folder.parent.glob(f".{folder.name}-*")):
        shutil.rmtree(left, ignore_errors=True)
    temporary = _beside(folder)
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def keep_text(path: Path, text: str) -> None:
    """Write a file of the cache; any number of processes may do it at once. One that cannot be written is done without:
    what is in it is computed each time.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        log.debug("%s is not kept: %s", path, error)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.parent / f".{path.name}-{secrets.token_hex(8)}"

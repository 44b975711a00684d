"""Files by their content: one that is replaced while it is read is noticed, wherever links lead."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BufferedReader
from pathlib import Path

from rollq.tasks.errors import DataError, NotYet


def file_sha256(path: Path, key: str) -> str:
    """SHA-256 (hex) of a file; read again only when it changed, or when a link leads to another file.

    Args:
        path: of the file.
        key: of the template, which names it.

    Raises:
        DataError: there is no such file.
    """
    try:
        stat = path.stat()
        # The state of the file is a part of the cache's key, so a file that is replaced is read again. A copy may keep
        # st_mtime; nothing sets st_ctime.
        return _file_sha256(path, (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size))
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DataError(f"{key}: the file {path} {reason}.", "Give a file, relative to the template.") from None


@contextmanager
def unchanged(path: Path, sha256: str, key: str) -> Iterator[None]:
    """As ``opened``, for a look at a file that is read again later: it is hashed anew only if its state has changed."""
    try:
        yield
    except Exception:
        if file_sha256(path, key) != sha256:
            raise _changed(path, key) from None
        raise
    if file_sha256(path, key) != sha256:
        raise _changed(path, key)


@contextmanager
def opened(path: Path, sha256: str, key: str) -> Iterator[BufferedReader]:
    """A file to read from, whose content is looked at once more when it was read.

    Args:
        path: of the file.
        sha256: of the content that is meant.
        key: of the template, which names it.

    Raises:
        NotYet: it has other content by now, whatever the reader made of it.
    """
    try:
        file = path.open("rb")
    except OSError:
        raise _changed(path, key) from None  # it was there a moment ago
    with file:
        try:
            yield file
        except Exception:
            # What is read from a file that is written at the same time may be anything, and so may the error.
            _check(file, path, sha256, key)
            raise
        _check(file, path, sha256, key)


def _check(file: BufferedReader, path: Path, sha256: str, key: str) -> None:
    # Through the same descriptor: a file that was moved to this name meanwhile is not what was read.
    file.seek(0)
    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
        raise _changed(path, key)


def _changed(path: Path, key: str) -> NotYet:
    _file_sha256.cache_clear()  # it may have been changed in place within one tick of its clock
    return NotYet(f"{key}: {path} changed while it was read.", "Replace a file in one move, then try again.")


@cache
def _file_sha256(path: Path, _state: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Where MLflow's store is, as it was typed: made absolute, so that it is the same store for every process."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

log = logging.getLogger(__name__)

SQLITE = "sqlite:///"
DIALECT = re.compile(r"sqlite(\+\w+)?://")
OPTIONS = re.compile(r"\?\w+=[^/]*$")  # of the driver; any other question mark is part of a path
DATABASE = "mlflow.db"  # the store inside a folder that was named instead of a database
OLD_RUNS = "*/*/meta.yaml"  # what MLflow's file store, which it has given up, wrote of each run
_typed: dict[str, str] = {}  # how relative URIs were typed, by what became of them
_told: set[str] = set()  # folders of which this process has said what became of them


def usable_uri(uri: str) -> str:
    """``uri``; a path in it is absolute, relative to the folder of this process, and ``~`` is the home.

    Raises:
        ValueError: MLflow cannot keep runs there, or no other process could see them.
    """
    if dialect := DIALECT.match(uri):
        return _sqlite(uri, uri[dialect.end() :])
    scheme = uri.partition(":")[0]
    if uri and (scheme == "file" or "://" not in uri) and uri != "databricks" and scheme != "databricks":
        return _folder(uri, _path_of(uri) if scheme == "file" else uri)
    return uri


def _sqlite(uri: str, rest: str) -> str:
    path = OPTIONS.sub("", rest.removeprefix("/"))
    if path in ("", ":memory:") or "mode=memory" in rest:
        raise ValueError("a store in memory is seen by no other process: name a file, such as sqlite:///mlflow.db")
    absolute = f"{SQLITE}{_absolute(path)}"
    if not path.startswith(("/", "~")):
        _typed[absolute] = uri
    return absolute


def _folder(uri: str, path: str) -> str:
    """The SQLite store inside a plain folder, in which MLflow itself keeps no runs any more; said once."""
    folder = _absolute(path)
    absolute = f"{SQLITE}{folder / DATABASE}"
    if not path.startswith(("/", "~")):
        _typed[absolute] = uri
    if absolute not in _told:
        _told.add(absolute)
        stay = "; its runs of before stay as they are: `rollq import qlib` reads them" if _has_old_runs(folder) else ""
        log.warning("%s: MLflow keeps no runs in plain folders any more: they go to %s%s", uri, absolute, stay)
    return absolute


def _has_old_runs(folder: Path) -> bool:
    return next(folder.glob(OLD_RUNS), None) is not None


def _path_of(uri: str) -> str:
    """The path of a ``file:`` URI, with or without the slashes of an empty host.

    Raises:
        ValueError: it names another host.
    """
    if not uri.startswith("file://"):
        return uri.removeprefix("file:")
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise ValueError("a folder of another host cannot be reached: name a server, or a folder of this machine")
    return unquote(parts.path)


def _absolute(path: str) -> Path:
    try:
        # Links are not resolved: the store may be moved behind one while the URI stays.
        return Path(os.path.normpath(Path.cwd() / Path(path).expanduser()))
    except RuntimeError as error:  # there is no such user
        raise ValueError(str(error)) from None


def typed_as(uri: str) -> str | None:
    """How a URI was typed that was relative; None if it was not."""
    return _typed.get(uri)

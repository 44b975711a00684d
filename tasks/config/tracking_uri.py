"""Where MLflow's store is, as it was typed: made absolute, so that it is the same store for every process."""

from __future__ import annotations

import os
import re
from pathlib import Path

SQLITE = "sqlite:///"
DIALECT = re.compile(r"sqlite(\+\w+)?://")
OPTIONS = re.compile(r"\?\w+=[^/]*$")  # of the driver; any other question mark is part of a path
FOLDERS_ALLOWED = "MLFLOW_ALLOW_FILE_STORE"  # MLflow's own variable
_typed: dict[str, str] = {}  # how relative URIs were typed, by what became of them


def usable_uri(uri: str) -> str:
    """``uri``; a path in it is absolute, relative to the folder of this process, and ``~`` is the home.

    Raises:
        ValueError: MLflow cannot keep runs there, or no other process could see them.
    """
    if dialect := DIALECT.match(uri):
        return _sqlite(uri, uri[dialect.end() :])
    scheme, _, path = uri.partition(":")
    if uri and (scheme == "file" or "://" not in uri) and uri != "databricks" and scheme != "databricks":
        return _folder(uri, path if scheme == "file" else uri)
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
    if os.environ.get(FOLDERS_ALLOWED, "").lower() not in ("true", "1"):
        raise ValueError(
            "MLflow keeps no runs in plain folders any more: name a database, such as sqlite:///mlflow.db, or a server"
        )
    return uri if path.startswith("//") else _absolute(path).as_uri()


def _absolute(path: str) -> Path:
    try:
        # Links are not resolved: the store may be moved behind one while the URI stays.
        return Path(os.path.normpath(Path.cwd() / Path(path).expanduser()))
    except RuntimeError as error:  # there is no such user
        raise ValueError(str(error)) from None


def typed_as(uri: str) -> str | None:
    """How a URI was typed that was relative; None if it was not."""
    return _typed.get(uri)

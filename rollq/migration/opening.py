"""From what a user types to the source that it names."""

from __future__ import annotations

from pathlib import Path

from rollq.migration.file_store import FileStore
from rollq.migration.source import Source
from rollq.migration.tracking_store import open_database, open_server
from rollq.tasks.errors import BadInput


def open_source(text: str) -> Source:
    """The source that a user names: a folder, the file of a database, or an address.

    Raises:
        BadInput: it is none of these.
        Unavailable: the server does not answer.
    """
    if text.startswith(("http://", "https://")):
        return open_server(text)
    if text.startswith("sqlite:///"):
        return open_database(Path(text.removeprefix("sqlite:///")))
    if "://" in text and not text.startswith("file://"):
        raise BadInput(f"{text!r} cannot be read from here.", "Start `mlflow server` on it, and give its address.")
    path = Path(text.removeprefix("file://").removeprefix("file:")).expanduser()
    if path.is_file():
        return open_database(path)
    for folder in (path, path / "mlruns"):
        if FileStore.is_one(folder):
            return FileStore(folder)
    if (path / "mlflow.db").is_file():
        return open_database(path / "mlflow.db")
    raise BadInput(
        f"There are no runs of MLflow in {str(path)!r}.",
        "Name the folder mlruns, the file of a database, or the address of a server.",
    )


def shown(text: str) -> str:
    """A source as it may be shown: without the password of an address."""
    scheme, mark, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else text

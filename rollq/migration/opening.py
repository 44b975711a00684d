"""From what a user types to the source that it names."""

from __future__ import annotations

from pathlib import Path

from rollq.migration.file_store import FileStore
from rollq.migration.source import Source
from rollq.migration.tracking_store import open_database, open_server
from rollq.tasks.config.tracking_uri import SQLITE
from rollq.tasks.errors import BadInput


def open_source(text: str, own: str = "") -> Source:
    """The source that a user names: a folder, the file of a database, or an address.

    Args:
        own: the tracking URI of rollq's own runs, which cannot be the source.

    Raises:
        BadInput: it is none of these, or rollq's own.
        Unavailable: the server does not answer.
    """
    if text.startswith(("http://", "https://")):
        _check_other(text.rstrip("/"), own.rstrip("/"))
        return open_server(text)
    if text.startswith(SQLITE):
        return _database(Path(text.removeprefix(SQLITE)), own)
    if "://" in text and not text.startswith("file://"):
        raise BadInput(f"{text!r} cannot be read from here.", "Start `mlflow server` on it, and give its address.")
    path = Path(text.removeprefix("file://").removeprefix("file:")).expanduser()
    if path.is_file():
        return _database(path, own)
    for folder in (path, path / "mlruns"):
        if FileStore.is_one(folder):
            return FileStore(folder)
    if (path / "mlflow.db").is_file():
        return _database(path / "mlflow.db", own)
    raise BadInput(
        f"There are no runs of MLflow in {str(path)!r}.",
        "Name the folder mlruns, the file of a database, or the address of a server.",
    )


def _database(path: Path, own: str) -> Source:
    if own.startswith(SQLITE):
        _check_other(path.resolve(), Path(own.removeprefix(SQLITE)).resolve())
    return open_database(path)


def _check_other(source: object, own: object) -> None:
    if source == own:
        raise BadInput("This is where rollq's own runs are: they are here already.", "Name another source.")


def shown(text: str) -> str:
    """A source as it may be shown: without the password of an address."""
    scheme, mark, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else text

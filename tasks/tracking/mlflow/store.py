"""The MLflow tracking store: where it is, and its schema, made exactly once before anything is logged."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import sys
from pathlib import Path

from rollq.tasks.config.tracking_uri import SQLITE
from rollq.tasks.errors import Unavailable

# MLflow prints a line per run and phones home unless told not to; set before it is imported.
QUIET = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
# A process that cannot reach the server hangs for a few minutes, not for twenty; a server may restart meanwhile.
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5"}
for _name, _value in (QUIET | PATIENCE).items():
    os.environ.setdefault(_name, _value)


def local_tracking_uri(state_dir: Path) -> str:
    """The SQLite store of an embedded stack."""
    return f"{SQLITE}{state_dir.resolve() / 'mlflow.db'}"


def as_mlflow_reads(uri: str) -> str:
    """``uri``, such that the database is the file that it names, whatever characters its path has.

    SQLAlchemy takes what follows a question mark for options, and from 2.1 on reads ``%41`` as ``A``.
    """
    path = uri.removeprefix(SQLITE)
    if not uri.startswith(SQLITE) or not set(path) & set("?%"):
        return uri
    from sqlalchemy.engine import make_url

    encoded = SQLITE + path.replace("%", "%25").replace("?", "%3F")
    return next((one for one in (uri, encoded) if make_url(one).database == path), uri)


def artifact_location(uri: str, experiment: str) -> str | None:
    """The folder for an experiment's artifacts beside a SQLite store; None where a server decides."""
    if not uri.startswith(SQLITE):
        return None
    folder = Path(uri.removeprefix(SQLITE)).parent / "artifacts"
    return (folder / "".join(c if c.isalnum() or c in "-_." else "_" for c in experiment)).as_uri()


def _forget_connections() -> None:
    """A forked child must not use its parent's connections to a database, which the parent goes on using."""
    module = sys.modules.get("mlflow.store.tracking.sqlalchemy_store")
    for engine in list(getattr(getattr(module, "SqlAlchemyStore", None), "_engine_map", {}).values()):
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)

MAKING = ".making"  # the ending of the mark of a database whose schema is being made
_prepared: set[str] = set()


def prepare_once(uri: str) -> None:
    """As ``prepare_tracking``, once in a process. Raises the same."""
    if uri not in _prepared:
        prepare_tracking(uri)
        _prepared.add(uri)


def prepare_tracking(uri: str) -> None:
    """Make the schema of a SQLite store, under a lock: several processes at once would corrupt its migrations.

    An MLflow server looks after its own store: nothing is done for it.

    Raises:
        Unavailable: the store cannot be made.
    """
    if not uri.startswith(SQLITE):
        return
    path = Path(uri.removeprefix(SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Looked at under the lock: another process may have made it while this one waited.
        if _is_ready(path):
            return
        from mlflow.exceptions import MlflowException  # two seconds to import: only where it is needed
        from mlflow.tracking import MlflowClient

        _begin(path)
        try:
            MlflowClient(as_mlflow_reads(uri)).search_experiments(max_results=1)
        except MlflowException as error:
            raise Unavailable(f"The MLflow store {path} cannot be made: {error}.", "Move the file away.") from error
        # Last: a process that was killed in the middle of the migrations leaves no such mark.
        path.with_suffix(".ready").touch()
        path.with_suffix(MAKING).unlink(missing_ok=True)


def _begin(path: Path) -> None:
    """Mark a database that is made here from nothing; one whose maker was killed is begun anew.

    MLflow cannot go on with half of a schema. Nobody has used it yet: all wait for the lock. A database without this
    mark is another's, and is never removed.
    """
    if path.with_suffix(MAKING).exists():
        for part in ("", "-journal", "-wal", "-shm"):
            Path(f"{path}{part}").unlink(missing_ok=True)
    elif not path.exists():
        path.with_suffix(MAKING).touch()


def _is_ready(path: Path) -> bool:
    """Whether the schema was made before, seen without importing MLflow."""
    if not path.exists() or not path.with_suffix(".ready").exists():
        return False
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            return bool(connection.execute("SELECT count(*) FROM alembic_version").fetchone()[0])
        except sqlite3.DatabaseError:
            return False

"""A database or a server of MLflow, read through MLflow's own client; of a database, a copy is read."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rollq.migration.source import Point, Source, SourceRun, files_below
from rollq.tasks.errors import BadInput, NotFound
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, away
from rollq.tasks.tracking.mlflow.names import infinite_again
from rollq.tasks.tracking.mlflow.store import as_mlflow_reads

PAGE = 1_000
OLDEST_FIRST = ["attributes.start_time ASC"]


class TrackingStore(Source):
    """What a client reads.

    Args:
        uri: of the store.
        folder: of this process, for what is copied; it goes when the source is closed.
        beside: where the database lies: artifacts whose place is gone are looked for there.
    """

    def __init__(self, uri: str, folder: Path, beside: Path | None = None) -> None:
        self._client = MlflowClient(as_mlflow_reads(uri))
        self._uri, self._folder, self._beside = uri, folder, beside
        self._runs: dict[str, Run] = {}

    def experiments(self) -> dict[str, str]:
        """By name."""
        return {one.name: one.id for one in MLflowExperiment.all(self._uri)}

    def runs(self, experiment: str) -> Iterator[SourceRun]:
        """Page by page."""
        token = None
        while True:
            try:
                page = self._client.search_runs([experiment], "", ViewType.ACTIVE_ONLY, PAGE, OLDEST_FIRST, token)
                yield from (self._run(run) for run in page)
            except MlflowException as error:
                raise away(error) from error
            token = page.token
            if not token:
                return

    def artifacts(self, experiment: str, run: SourceRun) -> dict[str, Path]:
        """In their folder, if it is on this machine; else fetched."""
        uri = urlsplit(self._runs[run.id].info.artifact_uri)
        if uri.scheme in ("", "file"):
            named = Path(unquote(uri.path))
            moved = (
                [self._beside / place / experiment / run.id / "artifacts" for place in PLACES] if self._beside else []
            )
            # Only a place of this run: a record may name any folder.
            for folder in (named, *moved):
                if folder.is_dir() and run.id in folder.parts:
                    return files_below(folder)
            raise NotFound(f"Its folder of artifacts {str(named)!r} is gone.", "Restore it.")
        target = self._folder / run.id
        target.mkdir(exist_ok=True)
        try:
            if self._client.list_artifacts(run.id):
                self._client.download_artifacts(run.id, "", str(target))
        except (MlflowException, OSError) as error:
            raise NotFound(f"Its artifacts cannot be fetched: {' '.join(str(error).split())[:200]}.") from error
        return files_below(target)

    def close(self) -> None:
        """Remove the copies."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, run: Run) -> SourceRun:
        """With every value of its metrics, each of which is a question of its own."""
        self._runs[run.info.run_id] = run
        return SourceRun(
            id=run.info.run_id,
            name=run.info.run_name or "",
            status=run.info.status,
            start=run.info.start_time,
            end=run.info.end_time,
            params=run.data.params,
            tags=run.data.tags,
            points=tuple(
                Point(name, infinite_again(one.value), one.timestamp, one.step)
                for name in sorted(run.data.metrics)
                for one in self._client.get_metric_history(run.info.run_id, name)
            ),
        )


PLACES = ("mlruns", "mlartifacts", "artifacts")


def open_server(address: str) -> TrackingStore:
    """A server.

    Raises:
        Unavailable: it does not answer.
    """
    MLflowExperiment.ping(address)
    return TrackingStore(address, Path(tempfile.mkdtemp(prefix="rollq-")))


def open_database(path: Path) -> TrackingStore:
    """A copy of the database in a SQLite file, brought to the layout that MLflow reads today.

    Raises:
        BadInput: the file is no such database.
    """
    if not path.is_file():
        raise BadInput(f"There is no database {str(path)!r}.", "Correct the path.")
    folder = Path(tempfile.mkdtemp(prefix="rollq-"))
    copy = folder / "mlflow.db"
    try:
        # Through SQLite, not file by file: what is still in its journal belongs to it.
        with (
            contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.execute("SELECT version_num FROM alembic_version").fetchone()
            source.backup(target)
        _upgrade(f"sqlite:///{copy}")
    except (sqlite3.Error, MlflowException) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BadInput(f"{str(path)!r} is no database of MLflow: {error}.", "Name another file.") from error
    return TrackingStore(f"sqlite:///{copy}", folder, path.resolve().parent)


def _upgrade(uri: str) -> None:
    """Bring a database to the layout that MLflow reads today, if it has another one."""
    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except MlflowException:
        command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise sqlite3.DatabaseError(done.stderr.strip()[-200:]) from None

"""A folder of MLflow (``mlruns``), read file by file: MLflow itself writes into such a folder when it opens it, and
from version 3 on it refuses to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from rollq.migration.source import UNREADABLE, Point, Source, SourceRun, files_below
from rollq.tasks.errors import BadInput, NotFound

META, ARTIFACTS = "meta.yaml", "artifacts"
STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


class FileStore(Source):
    """The folder.

    Args:
        folder: it holds a folder for each experiment.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, Path] = {}  # the folders of the runs
        self.broken: dict[str, str] = {}

    @staticmethod
    def is_one(folder: Path) -> bool:
        """Whether a folder is such a one."""
        return folder.is_dir() and any(folder.glob(f"[!.]*/{META}"))

    def experiments(self) -> dict[str, str]:
        """By name; the id is the name of the folder."""
        found = {}
        for path in sorted(self._folder.glob(f"[!.]*/{META}")):
            try:
                meta = _meta(path)
            except BadInput as error:
                self.broken[path.parent.name] = error.message
                continue
            if meta.get("lifecycle_stage", "active") == "active" and "name" in meta:
                found[str(meta["name"])] = path.parent.name
        return found

    def runs(self, experiment: str) -> Iterator[SourceRun]:
        """Oldest first; one whose record is broken comes first, with the reason."""
        found = [self._run(path) for path in sorted((self._folder / experiment).glob(f"[!.]*/{META}"))]
        yield from sorted((run for run in found if run is not None), key=lambda run: run.start or 0)

    def artifacts(self, experiment: str, run: SourceRun) -> dict[str, Path]:
        """In the folder of the run; in the place that its record names only if that one is gone."""
        own = self._places[run.id] / ARTIFACTS
        named = urlsplit(str(_meta(own.parent / META).get("artifact_uri", "")))
        elsewhere = Path(unquote(named.path)) if named.scheme in ("", "file") else own
        for folder in (own, elsewhere):
            # Only a place of this run: a record may name any folder.
            if folder.is_dir() and folder.parts[-2:] == (run.id, ARTIFACTS):
                return files_below(folder)
        if named.scheme not in ("", "file"):
            raise NotFound(
                f"Its artifacts are at {named.scheme}://, not in the folder.", "Start `mlflow server` on it."
            )
        raise NotFound("Its folder of artifacts is gone.", "Restore it.")

    def _run(self, path: Path) -> SourceRun | None:
        """A run, or None if it was deleted."""
        folder = path.parent
        self._places[folder.name] = folder
        try:
            meta = _meta(path)
            if meta.get("lifecycle_stage", "active") != "active" or not {"run_id", "run_uuid"} & set(meta):
                return None
            tags = _texts(folder / "tags")
            return SourceRun(
                id=folder.name,
                name=str(meta.get("run_name") or tags.get("mlflow.runName", "")),
                status=_status(meta.get("status")),
                start=_time(meta.get("start_time")),
                end=_time(meta.get("end_time")),
                params=_texts(folder / "params"),
                tags=tags,
                points=tuple(_points(folder / "metrics")),
            )
        except (BadInput, OSError, ValueError) as error:
            why = error.message if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
            return SourceRun(folder.name, "", UNREADABLE, trouble=why)


def _meta(path: Path) -> Mapping[str, object]:
    """The record of an experiment or a run.

    Raises:
        BadInput: it is none.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())[:120]
        raise BadInput(f"{path.parent.name}/{META} cannot be read: {line}.", "Restore it.") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path.parent.name}/{META} is empty or no mapping.", "Restore it.")
    return found


def _status(value: object) -> str:
    if value not in STATUS:
        raise BadInput(f"{value!r} is no status of a run.", "Correct its meta.yaml.")
    return STATUS[int(str(value))]


def _time(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _texts(folder: Path) -> dict[str, str]:
    """Params or tags: a file each; a name with slashes is a path."""
    return {name: path.read_text(encoding="utf-8") for name, path in files_below(folder).items()}


def _points(folder: Path) -> Iterator[Point]:
    """The values of every metric: a line each, ``time value step``."""
    for name, path in files_below(folder).items():
        for line in path.read_text(encoding="utf-8").splitlines():
            parts = line.split()
            if len(parts) < 2:
                raise BadInput(f"The metric {name!r} has a line that is none: {line[:40]!r}.", "Correct it.")
            yield Point(name, float(parts[1]), int(parts[0]), int(parts[2]) if len(parts) > 2 else 0)

"""A run that is kept in memory: records measure predictions that are in no run of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rollq.tasks.errors import ArtifactMissing

Logged = Mapping[str, float] | int | None  # metrics by name, or a step


class MemoryRun:
    """What a record asks of a recorder.

    Args:
        objects: by the names under which a record loads them, such as ``pred.parquet``.
    """

    def __init__(self, **objects: object) -> None:
        self._objects = dict(objects)

    def save_objects(
        self, local_path: str | Path | None = None, artifact_path: str | None = None, **objects: object
    ) -> None:
        """Keep values."""
        self._objects |= {f"{artifact_path}/{name}" if artifact_path else name: one for name, one in objects.items()}

    def load_object(self, name: str, unpickler: object = None) -> object:
        """What was kept under a name.

        Raises:
            ArtifactMissing: nothing was.
        """
        if name not in self._objects:
            raise ArtifactMissing(f"There is no {name!r} beside predictions that are compared.")
        return self._objects[name]

    def log_metrics(self, *given: Logged, step: int | None = None, **more: float) -> None:
        """Nobody asks for them: a record returns its metrics."""

"""What a recorder is: one run of an experiment, with params, metrics, tags, artifacts and a status."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rollq.tasks.components.record import Metrics
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus


class Recorder(ABC):
    """One run. Names and meanings are those of the reference; ``docs/reference/tracking.md`` says where it differs.

    ``log_params``, ``log_metrics`` and ``set_tags`` return at once and are written in order in the background; a
    failure is raised by the next of them, or by ``end_run``.
    """

    STATUS_S = RecorderStatus.SCHEDULED
    STATUS_R = RecorderStatus.RUNNING
    STATUS_FI = RecorderStatus.FINISHED
    STATUS_FA = RecorderStatus.FAILED

    id: str
    name: str
    experiment_id: str
    start_time: str | None  # UTC, YYYY-MM-DD HH:MM:SS
    end_time: str | None
    status: RecorderStatus

    @property
    def info(self) -> dict[str, object]:
        """The facts in one mapping, JSON-able."""
        names = ("id", "name", "experiment_id", "start_time", "end_time", "status")
        return {"class": "Recorder", **{name: getattr(self, name) for name in names}}

    def __repr__(self) -> str:
        """With all facts."""
        return f"{type(self).__name__}(info={self.info})"

    def __eq__(self, other: object) -> bool:
        """Two recorders of one run are the same."""
        return isinstance(other, Recorder) and self.id == other.id

    def __hash__(self) -> int:
        """By the run."""
        return hash(self.id)

    @property
    @abstractmethod
    def uri(self) -> str:
        """The tracking URI."""

    @abstractmethod
    def set_recorder_name(self, rname: str) -> None:
        """Give it another name.

        Raises:
            StateError: it is finished, and an online set, signals or a task's result needs it.
        """

    # -- life ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def start_run(self) -> Recorder:
        """Begin, or begin again: a SCHEDULED, FINISHED or FAILED recorder is RUNNING.

        Raises:
            InvalidTransition: it is running already.
        """

    @abstractmethod
    def end_run(self, status: str = RecorderStatus.FINISHED) -> None:
        """Write what is left and end with FINISHED or FAILED.

        With SCHEDULED it is given back, to be started again later; with RUNNING it stays as it is, and counts as
        killed once this process has ended.

        Raises:
            InvalidTransition: it cannot end so.
            NotLogged: something could not be written; the run has ended as FAILED.
        """

    @abstractmethod
    def flush(self) -> None:
        """Wait until everything that was logged is written.

        Raises:
            NotLogged: something could not be written; the message names it.
        """

    # -- params, metrics, tags ----------------------------------------------------------------------------------------

    @abstractmethod
    def log_params(self, params: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Log nested parameters of any length under dotted names.

        Raises:
            BadInput: a name or value cannot be logged; nothing of the call is.
            NotLogged: something that was logged earlier could not be written; what is given now is.
        """

    @abstractmethod
    def log_metrics(self, *given: Metrics, step: int | None = None, **more: float) -> None:
        """Log metrics: ``(loss=1.0, step=3)``, ``(3, loss=1.0)``, ``({"loss": 1.0}, 3)`` or ``(3, {"loss": 1.0})``.

        Raises as ``log_params``.
        """

    @abstractmethod
    def log_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Log series of metrics, one value a step. Raises as ``log_params``."""

    @abstractmethod
    def set_tags(self, tags: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Set tags, of any length. Raises as ``log_params``."""

    @abstractmethod
    def delete_tags(self, *keys: str) -> None:
        """Delete tags.

        Raises:
            NotFound: there is no such tag.
        """

    @abstractmethod
    def list_params(self) -> dict[str, str]:
        """Every param by the name and in the length in which it was logged."""

    @abstractmethod
    def list_metrics(self) -> dict[str, float]:
        """The last value of every metric."""

    @abstractmethod
    def list_tags(self) -> dict[str, str]:
        """Every tag."""

    # -- artifacts ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def save_objects(
        self, local_path: str | Path | None = None, artifact_path: str | None = None, **objects: object
    ) -> None:
        """Save values as artifacts, or the file or folder ``local_path``.

        Frames become Parquet, JSON values JSON, text and Boosters text, arrays ``.npy``; a ``Path`` is copied; a model
        with ``save`` and ``load`` becomes a folder. The file gets the ending of its kind.

        Raises:
            BadInput: a name cannot be one, or a value would not come back equal. Nothing was saved.
        """

    @abstractmethod
    def load_object(self, name: str, unpickler: object = None) -> Any:
        """What was saved under ``name``; the reference's names (``pred.pkl``, ``params.pkl``) are understood.

        ``unpickler`` is the reference's: it is not used, because what is saved is no pickle.

        Raises:
            ArtifactMissing: nothing was, or it is gone.
            ArtifactCorrupted: its bytes have changed since.
        """

    @abstractmethod
    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Save a file or folder, under its own name in ``artifact_path``. Raises as ``save_objects``."""

    @abstractmethod
    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of all artifacts, or of those in a folder."""

    @abstractmethod
    def download_artifact(self, path: str, dst_path: str | Path | None = None) -> str:
        """A local copy of an artifact or of a folder of them, checked; its path.

        Raises:
            ArtifactMissing, ArtifactCorrupted: as ``load_object``.
        """

    @abstractmethod
    def get_artifact_uri(self) -> str:
        """Where the artifacts lie."""

    @abstractmethod
    def get_local_dir(self) -> str:
        """The folder of the run, which holds ``artifacts``.

        Raises:
            StateError: it is not on this machine.
        """

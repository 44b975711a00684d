"""A recorder as Qlib's records know one, on a run of rollq's.

Frames are kept as rollq keeps them, under Qlib's names without ``.pkl``; what has no such form (positions, indicators)
is kept as the pickle that Qlib makes of it, and read through the gate of ``pickles``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

import pandas as pd

from rollq.tasks.components.record import RunWriter
from rollq.tasks.errors import ArtifactMissing, BadInput
from rollq.tasks.predictions.day_hashes import day_hashes
from rollq.tasks.predictions.metrics import DAILY, summary
from rollq.workers.jobs.scores import check_learned, checked_scores
from rollq.workers.qlib import pickles
from rollq.workers.qlib.datasets import QlibDataset

PICKLE, PARQUET = ".pkl", ".parquet"
PRED, LABEL, DAYS = "pred.parquet", "label.parquet", "days.json"
COEFFICIENTS = {name: column for column, name in DAILY.items()}


class Run(RunWriter, Protocol):
    """A run of rollq's that can say what it holds."""

    id: str
    experiment_id: str

    def download_artifact(self, path: str, dst_path: str | Path | None = None) -> str:
        """A local copy."""


class QlibRecorder:
    """What Qlib's records write to.

    Args:
        run: of rollq's.
        dataset: of the window; None: no predictions are saved.
        allow_constant: the model may give every row the same score.
    """

    def __init__(self, run: Run, dataset: QlibDataset | None = None, allow_constant: bool = False) -> None:
        self._run, self._dataset, self._allow_constant = run, dataset, allow_constant
        self.id, self.experiment_id = run.id, run.experiment_id
        self.info = {"id": run.id, "experiment_id": run.experiment_id}
        self.metrics: dict[str, float] = {}
        self._daily: dict[str, pd.Series] = {}

    def save_objects(self, local_path: str | None = None, artifact_path: str | None = None, **objects: object) -> None:
        """Save values as artifacts."""
        if local_path is not None:
            self._run.save_objects(local_path, artifact_path)
        found = {f"{artifact_path}/{name}" if artifact_path else name: value for name, value in objects.items()}
        for name, value in found.items():
            self._save(_kept(name), name, value)

    def load_object(self, name: str) -> object:
        """What was saved under a name.

        Raises:
            LoadObjectError: nothing was.
        """
        from qlib.utils.exceptions import LoadObjectError

        names = set(self._run.list_artifacts())
        if _kept(name) in names:
            return self._run.load_object(_kept(name))
        if name in names:
            return load_pickled(self._run, name)
        raise LoadObjectError(f"There is no artifact {name!r}.")

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Qlib's names of what is in a folder."""
        wanted = PurePosixPath(artifact_path or "")
        names = [
            name.removesuffix(PARQUET) + PICKLE if name.endswith(PARQUET) else name
            for name in self._run.list_artifacts()
        ]
        return [name for name in names if PurePosixPath(name).parent == wanted]

    @property
    def pooled(self) -> dict[str, float]:
        """The metrics; those of the daily coefficients so that windows are pooled by their days."""
        if len(self._daily) < len(COEFFICIENTS):
            return self.metrics
        daily = pd.DataFrame({COEFFICIENTS[name]: series for name, series in self._daily.items()})
        return {**self.metrics, **{name: one for name, one in summary(daily).items() if name in self.metrics}}

    def log_metrics(self, step: int | None = None, **metrics: float) -> None:
        """Log metrics."""
        numbers = {name: float(value) for name, value in metrics.items()}
        self._run.log_metrics(numbers, step=step)
        self.metrics.update(numbers)

    def _save(self, kept: str, name: str, value: object) -> None:
        if kept == PRED and self._dataset is not None:
            self._save_scores(value, self._dataset)
        elif kept == LABEL and isinstance(value, pd.DataFrame):
            self._run.save_objects(**{LABEL: value.iloc[:, 0].to_frame("label")})
        elif isinstance(value, pd.DataFrame | pd.Series) and self._is_table(kept, value):
            return
        else:
            self._save_pickled(name, value)

    def _is_table(self, kept: str, value: pd.DataFrame | pd.Series) -> bool:
        """Save a frame, if it has a form that comes back as it is."""
        try:
            self._run.save_objects(**{kept: value})
            if kept in COEFFICIENTS and isinstance(value, pd.Series):
                self._daily[kept] = value
        except BadInput:
            return False
        return True

    def _save_scores(self, value: object, dataset: QlibDataset) -> None:
        """The predictions, once they are known to be such; with the hashes of what they were made from."""
        rows = dataset.prepare("test", "raw").index
        scores = checked_scores(value, rows)
        check_learned(scores, allow_constant=self._allow_constant)
        self._run.save_objects(**{PRED: scores.to_frame("score"), DAYS: day_hashes(dataset, "test")})

    def _save_pickled(self, name: str, value: object) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "value")
            path.write_bytes(pickles.dump(value))
            self._run.save_objects(None, None, **{name: path})


def load_pickled(run: Run, name: str) -> object:
    """What a record of Qlib's has pickled, such as ``portfolio_analysis/positions_normal_1day.pkl``.

    Raises:
        ArtifactMissing: it is not there.
        ArtifactCorrupted: it names something that is not on the list.
    """
    path = Path(run.download_artifact(name))
    if not path.is_file():
        raise ArtifactMissing(f"There is no artifact {name!r}.", "See the recorder's list_artifacts().")
    return pickles.load(path.read_bytes())


def _kept(name: str) -> str:
    """The name under which rollq keeps a frame."""
    return name.removesuffix(PICKLE) + PARQUET if name.endswith(PICKLE) else name


def placed(values: object, placeholders: Mapping[str, object]) -> object:
    """``values`` with what stands for its placeholders, at whatever depth; nothing else is copied."""
    if isinstance(values, str):
        return placeholders.get(values.strip(), values)
    if isinstance(values, Mapping):
        return {name: placed(value, placeholders) for name, value in values.items()}
    return [placed(value, placeholders) for value in values] if isinstance(values, list | tuple) else values

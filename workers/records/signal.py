"""SignalRecord: the predictions of the test segment, and what really happened."""

from __future__ import annotations

import logging

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Names, Record, RunWriter
from rollq.tasks.definition import DATASET
from rollq.tasks.errors import BadInput, PermanentError
from rollq.tasks.predictions.day_hashes import day_hashes
from rollq.workers.jobs.scores import check_learned, checked_scores

log = logging.getLogger(__name__)


class SignalRecord(Record):
    """Writes ``pred.parquet``, ``label.parquet`` (the label as it is, not ranked) and ``days.json``.

    ``days.json`` holds a hash of the features of each session, by which later revisions of the data are found.

    Both are frames, with the column ``score`` and ``label``. A model that has ``predict_outputs`` says more than a
    score: ``outputs.parquet`` holds it, a column for each quantile (``q0.1``) or class (``p_2``).

    Args:
        model: fitted.
        dataset: gives the test segment.
        recorder: the run that it writes into.
        allow_constant: the model may give every instrument on every day the same score.
    """

    def __init__(
        self,
        model: Model | None = None,
        dataset: Dataset | None = None,
        recorder: RunWriter | None = None,
        allow_constant: bool = False,
    ) -> None:
        super().__init__(recorder, model, dataset)
        self._allow_constant = allow_constant

    def generate(self) -> dict[str, float]:
        """Predict and save; logs no metric.

        Raises:
            PermanentError: the model's scores cannot be used (``workers/jobs/scores.py``).
        """
        label = self.dataset.prepare("test", "raw")["label"]
        scores = self.model.predict(self.dataset, "test")
        predictions = checked_scores(scores, label.index)
        meant = self._allow_constant or getattr(type(self.model), "constant", False)
        check_learned(predictions, allow_constant=meant)
        days = day_hashes(self.dataset, "test")
        frames = {"pred.parquet": predictions.to_frame("score"), "label.parquet": label.to_frame("label")}
        if (outputs := self._outputs(label.index)) is not None:
            frames["outputs.parquet"] = outputs
        self.save(**frames, **{"days.json": days})
        self._keep_dataset()
        return {}

    def _outputs(self, rows: pd.Index) -> pd.DataFrame | None:
        """What the model says beside its score, one row for each row of the segment; None: it says no more."""
        predict = getattr(self.model, "predict_outputs", None)
        if predict is None:
            return None
        if (outputs := predict(self.dataset, "test")) is None:
            return None
        if not isinstance(outputs, pd.DataFrame) or not outputs.index.is_unique or not outputs.index.isin(rows).all():
            raise PermanentError(
                f"What {type(self.model).__name__}.predict_outputs returned cannot be used.",
                "It is a DataFrame with the index (datetime, instrument) of dataset.prepare(segment), each row once.",
            )
        return outputs.rename(columns=str).sort_index()

    def _keep_dataset(self) -> None:
        """Save the dataset of a run that was made by hand, so that later days can be predicted."""
        # Its name tells that it is there: it is not read again only to see that.
        if DATASET in {name.partition(".")[0] for name in self.recorder.list_artifacts()}:
            return
        try:
            self.save(**{DATASET: self.dataset})
        except BadInput as error:
            log.info("the dataset is not kept, so this run cannot be updated later: %s", error)

    def list(self) -> Names:
        """What it writes, by the names of the reference."""
        return ["pred.pkl", "label.pkl"]

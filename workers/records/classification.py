"""ClassificationRecord: how good the probabilities of a window are. It needs a SignalRecord before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Names, Record, RunWriter
from rollq.tasks.errors import ArtifactMissing, BadInput
from rollq.tasks.predictions.class_metrics import area_by, area_under_curve, class_columns, class_metrics
from rollq.tasks.predictions.directions import known_of
from rollq.workers.records.measurement import checked_groups, write_measured


class ClassificationRecord(Record):
    """Writes ``classification/by_time.parquet`` and logs AUC, Log Loss, Brier, Accuracy and F1 Macro.

    ``docs/reference/metrics.md`` says how they are computed.

    Args:
        recorder: a run with labels, and with ``outputs.parquet`` that has columns such as ``p_2``; without these the
            score is the probability of class 1 against class 0.
        model: not used.
        dataset: its columns give the groups.
        by: measure by the groups of these columns, too, or by ``instrument``.
    """

    artifact_path = "classification"
    better: ClassVar[Mapping[str, str]] = known_of("AUC", "Log Loss", "Brier", "Accuracy", "F1 Macro")

    def __init__(
        self,
        recorder: RunWriter | None = None,
        model: Model | None = None,
        dataset: Dataset | None = None,
        by: str | Sequence[str] = (),
    ) -> None:
        super().__init__(recorder, model, dataset)
        self._by = checked_groups(by)

    def generate(self) -> dict[str, float]:
        """Compare probabilities and labels row by row.

        Raises:
            ArtifactMissing: no SignalRecord stands before this one in the template.
            BadInput: the scores are no probabilities, or the dataset has no such column to measure by.
        """
        probabilities = self._probabilities()
        label = self.load("label.parquet").iloc[:, 0].reindex(probabilities.index)
        rows = class_metrics(probabilities, label)
        times = probabilities.index.get_level_values(0)
        more = area_by(probabilities, label, times).to_frame("AUC")
        metrics = write_measured(self, rows, probabilities.index, self._by, more)
        area = area_under_curve(probabilities, label)
        if area.sums[1]:
            self.recorder.log_metrics({"AUC": area})
            metrics = {"AUC": area, **metrics}
        return metrics

    def used_columns(self) -> Mapping[str, Sequence[str]]:
        """Those that it measures by."""
        return {"by": self._by}

    def list(self) -> Names:
        """What it writes below ``classification``."""
        return ["by_time.pkl", *(f"by_{column}.pkl" for column in self._by)]

    def _probabilities(self) -> pd.DataFrame:
        """A column for each class, named as the label names it."""
        try:
            outputs = self.load("outputs.parquet")
            columns = class_columns(outputs)
        except ArtifactMissing:
            columns = {}
        if len(columns) > 1:
            return outputs[list(columns.values())].set_axis(list(columns), axis=1)
        score = self.load("pred.parquet").iloc[:, 0]
        known, came = score.dropna(), self.load("label.parquet").iloc[:, 0].dropna()
        if not known.between(0, 1).all():
            raise BadInput(
                f"Scores from {known.min():g} to {known.max():g} are no probabilities.",
                "Use a model of classes, such as LGBModel with loss: binary; or a record for numbers.",
            )
        if not came.isin([0, 1]).all():
            raise BadInput(
                f"There are labels such as {came[~came.isin([0, 1])].iloc[0]:g}, and no probability of each class.",
                "Use a model that gives them (p_0, p_1, ...), such as LGBModel with loss: multiclass.",
            )
        return pd.DataFrame({0.0: 1 - score, 1.0: score})

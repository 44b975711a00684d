"""ForecastRecord: how far the predictions of a window are from what came. It needs a SignalRecord before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Names, Record, RunWriter
from rollq.tasks.definition import TRAIN
from rollq.tasks.predictions.directions import known_of
from rollq.tasks.predictions.forecast_errors import forecast_errors, known_pairs, naive_scale
from rollq.workers.records.measurement import checked_groups, write_measured


class ForecastRecord(Record):
    """Writes ``forecast/by_time.parquet`` and logs MAE, RMSE, Bias, MAPE, sMAPE, WAPE, R2, Hit Rate and MASE.

    ``docs/reference/metrics.md`` says how they are computed.

    Args:
        recorder: a run with predictions and labels.
        model: not used.
        dataset: its train segment gives the scale of MASE, its columns the groups.
        by: measure by the groups of these columns, too, or by ``instrument``: ``forecast/by_COLUMN.parquet``.
        season: rows of an instrument in a season, for the scale of MASE; None: no MASE.
    """

    artifact_path = "forecast"
    better: ClassVar[Mapping[str, str]] = known_of("MAE", "RMSE", "MAPE", "sMAPE", "WAPE", "MASE", "Hit Rate")

    def __init__(
        self,
        recorder: RunWriter | None = None,
        model: Model | None = None,
        dataset: Dataset | None = None,
        by: str | Sequence[str] = (),
        season: int | None = 1,
    ) -> None:
        super().__init__(recorder, model, dataset)
        self._by, self._season = checked_groups(by), season
        if season is not None:
            naive_scale(pd.Series(dtype=float, index=_NO_ROWS), season)  # a wrong season fails before any training

    def generate(self) -> dict[str, float]:
        """Compare predictions and labels row by row.

        Raises:
            ArtifactMissing: no SignalRecord stands before this one in the template.
            BadInput: the dataset has no such column to measure by.
        """
        pairs = known_pairs(self.load("pred.parquet").iloc[:, 0], self.load("label.parquet").iloc[:, 0])
        return write_measured(self, forecast_errors(pairs, self._scale()), pairs.index, self._by)

    def list(self) -> Names:
        """What it writes below ``forecast``."""
        return ["by_time.pkl", *(f"by_{column}.pkl" for column in self._by)]

    def _scale(self) -> pd.Series | None:
        """Of the train segment alone: what lies after it must not decide how errors look."""
        if self._season is None:
            return None
        return naive_scale(self.dataset.prepare(TRAIN, "raw").iloc[:, 0], self._season)


_NO_ROWS = pd.MultiIndex.from_arrays([[], []], names=["datetime", "instrument"])

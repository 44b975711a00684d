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
from rollq.workers.records.measurement import DAY, checked_groups, write_measured
from rollq.workers.records.naive_forecast import NATURAL, lagged, look_ahead, possible_lag, read_season


class ForecastRecord(Record):
    """Writes ``forecast/by_time.parquet`` and logs MAE, RMSE, Bias, MAPE, sMAPE, WAPE, R2, Hit Rate and MASE.

    ``docs/reference/metrics.md`` says how they are computed.

    Args:
        recorder: a run with predictions and labels.
        model: not used.
        dataset: its train segment gives the scale of MASE, its columns the groups.
        by: measure by the groups of these columns, too, or by ``instrument``: ``forecast/by_COLUMN.parquet``.
        season: of the naive forecast whose error is the scale of MASE: a number of rows of an instrument, or a span
            such as ``24h``; ``natural``: 24 hours of times round the clock, 7 days of days without gaps, else the
            look-ahead of the label. As many seasons as are at least the look-ahead. None: no MASE.
    """

    artifact_path = "forecast"
    better: ClassVar[Mapping[str, str]] = known_of("MAE", "RMSE", "MAPE", "sMAPE", "WAPE", "MASE", "Hit Rate")

    def __init__(
        self,
        recorder: RunWriter | None = None,
        model: Model | None = None,
        dataset: Dataset | None = None,
        by: str | Sequence[str] = (),
        season: int | str | None = NATURAL,
    ) -> None:
        super().__init__(recorder, model, dataset)
        self._by, self._scaled = checked_groups(by), season is not None
        self._season = read_season(season) if season is not None else None

    def generate(self) -> dict[str, float]:
        """Compare predictions and labels row by row.

        Raises:
            ArtifactMissing: no SignalRecord stands before this one in the template.
            BadInput: the dataset has no such column to measure by.
        """
        pairs = known_pairs(self.load("pred.parquet").iloc[:, 0], self.load("label.parquet").iloc[:, 0])
        # Of the train segment alone: what lies after it must not decide how errors look.
        train = self.dataset.prepare(TRAIN, "raw").iloc[:, 0].astype(float) if self._looks_at_train else None
        scale = None if train is None or not self._scaled else self._scale(train)
        return write_measured(self, forecast_errors(pairs, scale, train), pairs.index, self._by)

    def used_columns(self) -> Mapping[str, Sequence[str]]:
        """Those that it measures by."""
        return {"by": self._by}

    def list(self) -> Names:
        """What it writes below ``forecast``."""
        return ["by_time.pkl", *(f"by_{column}.pkl" for column in self._by)]

    @property
    def _looks_at_train(self) -> bool:
        return self._scaled or "dataset" in vars(self)

    def _scale(self, train: pd.Series) -> pd.Series:
        times = pd.DatetimeIndex(train.index.get_level_values(DAY).unique()).sort_values()
        lag = possible_lag(times, look_ahead(self.dataset, times), self._season)
        return naive_scale(train, lagged(train, lag))

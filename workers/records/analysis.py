"""SigAnaRecord: the information coefficients of a window. It needs a SignalRecord before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Names, Record, RunWriter
from rollq.tasks.errors import ArtifactMissing, BadInput
from rollq.tasks.predictions.directions import known_of
from rollq.tasks.predictions.metrics import annualised, daily_ic, long_short, summary

SESSIONS = 252  # of a year


class SigAnaRecord(Record):
    """Writes the daily ``sig_analysis/ic.parquet`` and ``ric.parquet``, and logs IC, ICIR, Rank IC and Rank ICIR.

    ``docs/reference/metrics.md`` says how they are computed. Templates know it as ``SignalAnalysisRecord``, too.

    Args:
        recorder: a run with predictions and labels; no model is needed.
        ana_long_short: write and log the returns of the best and worst fifth of each day, too.
        ann_scaler: sessions of a year.
        label_col: which column of the label.
        skip_existing: do nothing if the run has all of it already.
        model, dataset: not used.
    """

    artifact_path = "sig_analysis"
    better: ClassVar[Mapping[str, str]] = known_of("IC", "Rank IC")

    def __init__(
        self,
        recorder: RunWriter,
        ana_long_short: bool = False,
        ann_scaler: float = SESSIONS,
        label_col: int = 0,
        skip_existing: bool = False,
        *,
        model: Model | None = None,
        dataset: Dataset | None = None,
    ) -> None:
        super().__init__(recorder, model, dataset)
        self.ana_long_short = ana_long_short
        self.ann_scaler = ann_scaler
        self.label_col = label_col
        self.skip_existing = skip_existing

    def generate(self, label: pd.DataFrame | pd.Series | None = None) -> dict[str, float]:
        """Compare predictions and labels by day.

        Args:
            label: in place of that of the run.

        Raises:
            ArtifactMissing: no SignalRecord stands before this one in the template.
            BadInput: the label has no such column.
        """
        if self.skip_existing and self._is_there():
            return {}
        score = self._column(self.load("pred.parquet"), 0)
        truth = self._column(self.load("label.parquet") if label is None else label, self.label_col)
        daily = daily_ic(score, truth)
        metrics, objects = summary(daily), {"ic.parquet": daily["ic"], "ric.parquet": daily["rank_ic"]}
        if self.ana_long_short:
            returns = long_short(score, truth)
            metrics.update(annualised(returns, self.ann_scaler))
            objects.update({f"{name}_r.parquet": returns[name] for name in returns})
        self.measured = daily.rename(columns={"ic": "IC", "rank_ic": "Rank IC"})
        self.save(**objects)
        self.recorder.log_metrics(metrics)
        return metrics

    def list(self) -> Names:
        """What it writes below ``sig_analysis``, by the names of the reference."""
        more = ["long_short_r.pkl", "long_avg_r.pkl"] if self.ana_long_short else []
        return ["ic.pkl", "ric.pkl", *more]

    def _is_there(self) -> bool:
        try:
            for name in self.list():
                self.load(name)
        except ArtifactMissing:
            return False
        return True

    def _column(self, values: pd.DataFrame | pd.Series, number: int) -> pd.Series:
        if isinstance(values, pd.Series):
            return values
        if not -values.shape[1] <= number < values.shape[1]:
            raise BadInput(f"There is no column {number}: there are {values.shape[1]}.", "Give another label_col.")
        return values.iloc[:, number]

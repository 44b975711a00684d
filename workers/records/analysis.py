"""SignalAnalysisRecord: the information coefficients of a window. It needs a SignalRecord before it."""

from __future__ import annotations

from rollq.tasks.components.record import Record
from rollq.tasks.predictions.metrics import daily_ic, summary


class SignalAnalysisRecord(Record):
    """Writes ``sig_analysis/ic.parquet`` and logs IC, ICIR, Rank IC and Rank ICIR (docs/reference/metrics.md)."""

    def generate(self) -> dict[str, float]:
        """Compare predictions and labels by day.

        Raises:
            ArtifactMissing: no SignalRecord stands before this one in the template.
        """
        daily = daily_ic(self.recorder.load_object("pred.parquet"), self.recorder.load_object("label.parquet"))
        metrics = summary(daily)
        self.recorder.save_objects(**{"sig_analysis/ic.parquet": daily})
        self.recorder.log_metrics(metrics)
        return metrics

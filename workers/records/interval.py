"""IntervalRecord: how good the quantiles of a window are. It needs a SignalRecord before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Names, Record, RunWriter
from rollq.tasks.errors import ArtifactMissing, BadInput
from rollq.tasks.predictions.directions import known_of
from rollq.tasks.predictions.interval_metrics import interval_metrics, quantile_columns
from rollq.workers.records.measurement import checked_groups, write_measured


class IntervalRecord(Record):
    """Writes ``interval/by_time.parquet`` and logs Pinball, Coverage and Width of the quantiles that the model gives.

    ``docs/reference/metrics.md`` says how they are computed.

    Args:
        recorder: a run with ``outputs.parquet`` that has columns such as ``q0.1``, and labels.
        model: not used.
        dataset: its columns give the groups.
        by: measure by the groups of these columns, too, or by ``instrument``.
        optional: a model without quantiles is no error; nothing is written.
    """

    artifact_path = "interval"
    better: ClassVar[Mapping[str, str]] = known_of("Pinball", "Width")

    def __init__(
        self,
        recorder: RunWriter | None = None,
        model: Model | None = None,
        dataset: Dataset | None = None,
        by: str | Sequence[str] = (),
        optional: bool = False,
    ) -> None:
        super().__init__(recorder, model, dataset)
        self._by, self._optional = checked_groups(by), optional

    def generate(self) -> dict[str, float]:
        """Compare quantiles and labels row by row.

        Raises:
            BadInput: the model gives no quantiles, or the dataset has no such column to measure by.
        """
        try:
            outputs = self.load("outputs.parquet")
            columns = quantile_columns(outputs)
        except ArtifactMissing:
            columns = {}
        if not columns and self._optional:
            return {}
        if not columns:
            raise BadInput(
                "The model gives no quantiles, which IntervalRecord measures.",
                "Use a model of quantiles, such as LGBModel with loss: quantile; or leave this record out.",
            )
        label = self.load("label.parquet").iloc[:, 0].reindex(outputs.index)
        return write_measured(self, interval_metrics(outputs, label, columns), outputs.index, self._by)

    def used_columns(self) -> Mapping[str, Sequence[str]]:
        """Those that it measures by."""
        return {"by": self._by}

    def list(self) -> Names:
        """What it writes below ``interval``."""
        return ["by_time.pkl", *(f"by_{column}.pkl" for column in self._by)]

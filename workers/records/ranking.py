"""RankingRecord: how good the order of each time is, above all at its top. It needs a SignalRecord before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Names, Record, RunWriter
from rollq.tasks.errors import BadInput
from rollq.tasks.predictions.directions import known_of
from rollq.tasks.predictions.forecast_errors import known_pairs
from rollq.tasks.predictions.ranking_metrics import ranking_metrics, session_ranks
from rollq.workers.records.measurement import write_measured

RELEVANCE = ("label", "rank")


class RankingRecord(Record):
    """Writes ``ranking/by_time.parquet`` and logs NDCG@k and Precision@k.

    ``docs/reference/metrics.md`` says how they are computed.

    Args:
        recorder: a run with predictions and labels.
        model: not used.
        dataset: says of which kind its label is.
        k: how many of the highest scores are looked at: a number, or several.
        gain: ``linear``, or ``exponential`` as LightGBM's lambdarank has it.
        relevance: ``label``: labels are degrees of relevance; ``rank``: their ranks of each time, from 0 to 1, are;
            None: ``label`` where the kind of the label is ``relevance``, else ``rank``.
    """

    artifact_path = "ranking"
    better: ClassVar[Mapping[str, str]] = known_of("NDCG", "Precision")

    def __init__(
        self,
        recorder: RunWriter | None = None,
        model: Model | None = None,
        dataset: Dataset | None = None,
        k: int | Sequence[int] = (10,),
        gain: str = "linear",
        relevance: str | None = None,
    ) -> None:
        super().__init__(recorder, model, dataset)
        self._tops = [k] if isinstance(k, int) else list(k)
        self._gain, self._relevance = gain, relevance
        if relevance not in (None, *RELEVANCE):
            raise BadInput(f"relevance {relevance!r} is unknown.", f"Use {' or '.join(RELEVANCE)}.")
        ranking_metrics(_NO_PAIRS, self._tops, gain)  # wrong keywords fail before any training

    def generate(self) -> dict[str, float]:
        """Compare the order of scores with that of labels.

        Raises:
            ArtifactMissing: no SignalRecord stands before this one in the template.
            BadInput: labels are to be degrees of relevance, and some are negative.
        """
        pairs = known_pairs(self.load("pred.parquet").iloc[:, 0], self.load("label.parquet").iloc[:, 0])
        degrees = self._relevance == "label" or (self._relevance is None and self.dataset.label_kind == "relevance")
        times, rows = ranking_metrics(pairs if degrees else session_ranks(pairs), self._tops, self._gain)
        return write_measured(self, rows, times)

    def list(self) -> Names:
        """What it writes below ``ranking``."""
        return ["by_time.pkl"]


_NO_PAIRS = pd.DataFrame(
    {"score": [], "label": []}, pd.MultiIndex.from_arrays([[], []], names=["datetime", "instrument"]), dtype=float
)

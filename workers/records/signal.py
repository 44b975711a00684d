"""SignalRecord: the predictions of the test segment, and what really happened."""

from __future__ import annotations

from tasks.day_hashes import day_hashes
from workers.records.base import Record


class SignalRecord(Record):
    """Writes ``pred.parquet``, ``label.parquet`` (the label as it is, not ranked) and ``days.json``.

    ``days.json`` holds a hash of the features of each session, by which later revisions of the data are found.
    """

    def generate(self) -> dict[str, float]:
        """Predict and save; logs no metric."""
        predictions = self.model.predict(self.dataset, "test")
        label = self.dataset.prepare("test", "raw")["label"]
        days = day_hashes(self.dataset, "test")
        self.recorder.save_objects(**{"pred.parquet": predictions, "label.parquet": label, "days.json": days})
        return {}

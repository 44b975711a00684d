"""SignalRecord: the predictions of the test segment, and what really happened."""

from __future__ import annotations

from workers.records.base import Record


class SignalRecord(Record):
    """Writes ``pred.parquet`` and ``label.parquet`` (the label as it is, not ranked)."""

    def generate(self) -> dict[str, float]:
        """Predict and save; logs no metric."""
        predictions = self.model.predict(self.dataset, "test")
        label = self.dataset.prepare("test", "raw")["label"]
        self.recorder.save_objects(**{"pred.parquet": predictions, "label.parquet": label})
        return {}

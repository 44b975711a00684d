"""A record of one's own: how often a score has the sign of what came."""

from typing import ClassVar

import numpy as np

import rollq


class HitRate(rollq.Record):
    artifact_path = "hits"
    better: ClassVar = {"hit rate": "higher"}

    def generate(self):
        score, label = self.load("pred.parquet")["score"], self.load("label.parquet")["label"]
        hits = (np.sign(score) == np.sign(label))[label.notna()]
        daily = hits.groupby(level="datetime").mean()
        metrics = {"hit rate": float(daily.mean())}
        self.save(**{"daily.parquet": daily.to_frame("hit rate")})
        self.recorder.log_metrics(metrics)
        return metrics

"""A collector over the models that a strategy ever put online, with everything that they have predicted since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from rollq.scheduler.collect.options import CollectorOptions
from rollq.scheduler.collect.recorder_collector import RecorderCollector
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.online.predictions import Predictions
from rollq.tasks.backend import Backend
from rollq.tasks.tracking.artifacts.manifest import same_artifact
from rollq.tasks.tracking.mlflow.experiment import find_run
from rollq.tasks.tracking.runs.recorder import Recorder

PREDICTIONS = ("pred", "label")


def online_collector(backend: Backend, strategy: str, **options: Unpack[CollectorOptions]) -> RecorderCollector:
    """A ``RecorderCollector`` over the models of all online sets of a strategy.

    Args:
        options: as for ``RecorderCollector``; of windows that were trained again the later run is taken.
    """
    predictions = Predictions(backend)
    models: dict[str, tuple[str, OnlineModel]] = {}

    def recorders() -> Iterator[Recorder]:
        for online in OnlineSets(backend.store).history(strategy):
            # Oldest first: what a later set says of a model goes before.
            models.update({model.recorder_id: (online.pool, model) for model in online.models})
        for ident in models:
            yield find_run(ident, backend.settings.mlflow_uri)

    def load(recorder: Recorder, name: str) -> object:
        meant = next((one for one in PREDICTIONS if same_artifact(one, name)), None)
        if meant is None:
            return recorder.load_object(name)
        pool, model = models[recorder.id]
        return getattr(predictions.read(pool, model), meant)

    chosen: CollectorOptions = {"loader": load, "on_duplicate": "latest", **options}
    return RecorderCollector(recorders, **chosen)

"""Which models came online when, as the ledger has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import pandas as pd

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.tasks.backend import Backend
from rollq.tasks.tracking.mlflow.experiment import find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder


class History(dict[pd.Timestamp, dict[OnlineStrategy, list[MLflowRecorder]]]):
    """``{session: {strategy: [recorders of the models that serve from then on]}}``, in the order of sessions."""

    @classmethod
    def of(cls, backend: Backend, strategies: Sequence[OnlineStrategy]) -> Self:
        """What the ledger says now.

        Raises:
            NotFound: a run of it is gone.
            Unavailable: the store or MLflow does not answer.
        """
        runs: dict[str, MLflowRecorder] = {}
        found: dict[str, dict[OnlineStrategy, list[MLflowRecorder]]] = {}
        for strategy in strategies:
            for online in OnlineSets(backend.store).history(strategy.name):
                for model in online.models:
                    if model.recorder_id not in runs:
                        runs[model.recorder_id] = find_run(model.recorder_id, backend.settings.mlflow_uri)
                found.setdefault(online.session, {})[strategy] = [runs[model.recorder_id] for model in online.models]
        return cls({pd.Timestamp(session): found[session] for session in sorted(found)})


def online_history(backend: Backend, names: Sequence[str]) -> list[dict[str, object]]:
    """The same without runs and times, so that a replay gives the same: ``{session, strategy, version, champion,
    models: [{model, test}]}``.
    """
    found: list[tuple[tuple[str, str, int], dict[str, object]]] = []
    for name in names:
        for online in OnlineSets(backend.store).history(name):
            models = [{"model": model.identity, "test": list(model.test)} for model in online.models]
            shown = {"session": online.session, "strategy": name, "version": online.version}
            key = (online.session, name, online.version)
            found.append((key, {**shown, "champion": online.champion, "models": models}))
    return [shown for _, shown in sorted(found, key=lambda one: one[0])]

"""The choice of a strategy: which of the models that were trained, and of those that serve, serve next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.tasks.errors import StateError
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.tracking.mlflow.experiment import find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder


def choose(
    strategy: OnlineStrategy, trained: Sequence[OnlineModel], online: Sequence[OnlineModel], purpose: Serve
) -> Sequence[OnlineModel]:
    """The models that serve next, by the strategy's ``prepare_online_models``.

    Args:
        trained: the champion's models of a round that is gathered; at least one.
        online: those that serve now; empty at first.
        purpose: of the round: its session, and what the strategy's method is given, too.

    Raises:
        StateError: it chose a recorder that is neither of these.
    """
    if type(strategy).prepare_online_models is OnlineStrategy.prepare_online_models:
        return [*_others(strategy, trained, online), *trained]  # no run is asked for
    recorders = [find_run(model.recorder_id, strategy.backend.settings.mlflow_uri) for model in trained]
    choice: Callable[..., Sequence[MLflowRecorder]] = strategy.prepare_online_models
    chosen = choice(recorders, cur_time=pd.Timestamp(purpose.session), **purpose.model_kwargs)
    known = {model.recorder_id: model for model in (*online, *trained)}
    if strange := [recorder.id for recorder in chosen if recorder.id not in known]:
        raise StateError(
            f"{strategy.name!r} chose run {strange[0]}, which was not trained for it now and does not serve.",
            "Choose among the recorders that prepare_online_models is given and those of tool.online_models().",
        )
    return [known[recorder.id] for recorder in chosen]


def _others(
    strategy: OnlineStrategy, trained: Sequence[OnlineModel], online: Sequence[OnlineModel]
) -> list[OnlineModel]:
    """The models that serve on beside what was trained: those of members of which none was trained now."""
    new = {model.member for model in trained}
    return [model for model in online if model.member not in new and strategy.serves_beside(model)]

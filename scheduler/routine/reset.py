"""Reset: what a strategy did online is forgotten, so that it begins anew. Its tasks and runs may be removed then."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.online.tool import OnlineTool
from rollq.scheduler.routine.ledger import Routine, Routines
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.registry import RegisteredStrategy, StrategyRegistry
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound, StateError
from rollq.tasks.rounds.purpose import SIMULATION, Serve
from rollq.tasks.tracking.mlflow.experiment import find_run

log = logging.getLogger(__name__)

WHY = "its strategy was reset"


def check_simulated(backend: Backend, name: str) -> None:
    """Refuse a strategy that is live: its ledger says what really was online.

    Raises:
        StateError: it is.
    """
    sets = OnlineSets(backend.store).history(name)
    if any(online.mode != SIMULATION for online in sets) or any(map(_is_live, Routines(backend).history(name))):
        raise StateError(
            f"{name!r} is live: its ledger says what really was online.",
            "OnlineManager.reset(live=True) forgets it all the same; nothing brings it back.",
        )


def reset(backend: Backend, registered: RegisteredStrategy) -> None:
    """Forget what a strategy did online: online sets, routines, predictions, signals, and that it is kept online.

    Its rounds stay; they count for nothing that a strategy of this name does next.
    """
    name, sets = registered.name, OnlineSets(backend.store)
    rounds = [one.id for one in backend.rounds.find(registered.pool) if _of(one.purpose, name)]
    backend.rounds.give_up(rounds, WHY)
    runs = {
        model.recorder_id
        for online in sets.history(name)
        for models in (online.models, *online.challengers.values())
        for model in models
    }
    _untag(backend, registered, runs)
    SignalLedger(backend).forget(name)
    backend.tasks.remove(Predictions(backend).forget(runs))
    Routines(backend).forget(name)
    sets.forget(name)
    StrategyRegistry(backend).remove(name)  # last: killed before it, a reset finds again what is left
    log.info("strategy %s was reset: %d runs may be removed", name, len(runs))


def _is_live(routine: Routine) -> bool:
    """Whether something was done for its session, other than by a simulation."""
    return any(not result.skipped for _, result in routine.steps.finished())


def _of(purpose: object, name: str) -> bool:
    return isinstance(purpose, Serve) and purpose.strategy == name


def _untag(backend: Backend, registered: RegisteredStrategy, runs: Iterable[str]) -> None:
    """Other programs see by the tags that none of the runs serves any more."""
    tool = OnlineTool(backend, registered.name, registered.pool)
    for ident in sorted(runs):
        with suppress(NotFound):
            recorder = find_run(ident, backend.settings.mlflow_uri)
            if tool.get_online_tag(recorder) == tool.ONLINE_TAG:
                tool.set_online_tag(tool.OFFLINE_TAG, recorder)

"""What served in Qlib becomes the first online set of a strategy here; a strategy that is online is not touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rollq.migration.signals import signals_of
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.mlflow_sync import sync
from rollq.scheduler.online.online_set import OnlineModel, OnlineSet
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.backend import Backend
from rollq.tasks.definition import MODEL, TEST, Definition, planned_test, segments_of
from rollq.tasks.errors import RollqError
from rollq.tasks.identity import task_id, task_key
from rollq.tasks.rolling.model_identity import model_identity
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder

ONLINE_KEY, ONLINE = "online_status", "online"  # Qlib's tag of a run that serves


@dataclass(frozen=True)
class Candidate:
    """A run that is tagged online in Qlib; ``why`` says why it cannot serve here."""

    source_run: str
    recorder_id: str
    definition: Definition
    why: str = ""


def is_online(tags: Mapping[str, str]) -> bool:
    """Whether a run served in Qlib."""
    return tags.get(ONLINE_KEY) == ONLINE


def lacking(definition: Definition | None, has_model: bool, has_predictions: bool) -> str:
    """Why a run cannot serve; empty if it can."""
    if not definition or MODEL not in definition or TEST not in segments_of(definition):
        return "it has no task with a test segment"
    if not has_model:
        return "it has no params.pkl"
    return "" if has_predictions else "it has no pred.pkl"


def origin_of(strategy: str) -> str:
    """The origin of the set that an import makes: it makes at most one of a strategy."""
    return f"import:{strategy}"


def served_already(backend: Backend, name: str) -> str:
    """Why nothing may be imported under a name: it is the name, or the experiment, of what is online here.

    Raises:
        Unavailable: the store does not answer.
    """
    for entry in StrategyRegistry(backend).all():
        if name in (entry.name, entry.pool):
            return f"{entry.name!r} is kept online here: choose another name (--name)."
    for online in OnlineSets(backend.store).currents():
        own = online.round_id == origin_of(name) and online.version == 1
        if name in (online.strategy, online.pool) and not own:
            return f"{online.strategy!r} is online here, with version {online.version}: choose another name (--name)."
    return ""


def models_of(pool: str, candidates: Sequence[Candidate]) -> tuple[OnlineModel, ...]:
    """The models of the candidates, oldest window first; where they are of several models, these serve together.

    Raises:
        TemplateError: the task of one has no model or no dataset.
    """
    found = [
        OnlineModel(
            task_id=task_id(pool, task_key(one.definition)),
            recorder_id=one.recorder_id,
            test=planned_test(one.definition),
            identity=model_identity(one.definition),
        )
        for one in candidates
    ]
    found.sort(key=lambda model: (model.test[0], model.identity))
    alone = len({model.identity for model in found}) == 1
    return tuple(found if alone else [replace(model, member=model.identity) for model in found])


def put_online(
    backend: Backend,
    strategy: str,
    candidates: Sequence[Candidate],
    known: Mapping[str, MLflowRecorder],
    by: str,
    source: str,
) -> tuple[OnlineSet, bool]:
    """Make the first online set of a strategy of what served in Qlib, with its signals.

    Args:
        known: what was imported before, by the id that it had, or its origin.

    Returns:
        The set, and whether this call made it.

    Raises:
        StateError: the strategy came online otherwise since.
        Unavailable: the store, or MLflow, does not answer.
    """
    sets, origin = OnlineSets(backend.store), origin_of(strategy)
    if made := sets.of_round(origin):
        return made, False
    models = models_of(strategy, candidates)
    online, new = sets.found(
        OnlineSet(
            strategy=strategy,
            version=0,
            pool=strategy,
            round_id=origin,
            at=datetime.now(UTC),
            by=by,
            models=models,
            signals=signals_of(backend.settings.mlflow_uri, strategy, origin, models, known),
            metrics={},
            # Qlib does not say since when a model serves: its first window is the earliest that it can be.
            session=models[0].test[0],
            why=f"import from Qlib: {source}",
        )
    )
    sync(backend, online)
    return online, new


def doubtful(candidates: Sequence[Candidate]) -> str:
    """Why a set would not be whole; empty if it would."""
    lost = [one for one in candidates if one.why]
    try:
        models_of("", [one for one in candidates if not one.why])
    except RollqError as error:
        return error.message
    more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
    return f"run {lost[0].source_run} served, and {lost[0].why}{more}" if lost else ""

"""MLflow sync: the ledger of online sets is the truth; tags and model registry tell it to other programs."""

from __future__ import annotations

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.online.tool import OnlineTool
from rollq.tasks.backend import Backend
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.rounds.purpose import LIVE
from rollq.tasks.tracking.mlflow.experiment import find_run
from rollq.tasks.tracking.mlflow.registry import Candidate, ModelRegistry
from rollq.tasks.tracking.runs.run_tags import TASK


def sync(backend: Backend, online: OnlineSet, check: Check = no_lease) -> None:
    """Tag the recorders of the set that serves and, if it is no simulation's, the model registry.

    Repeating it is harmless. If another set came online since ``online``, MLflow is brought in sync with that one.

    Raises:
        Unavailable: MLflow does not answer.
        LeaseLost: from ``check``, which is called before each write.
    """
    sets = OnlineSets(backend.store)
    synced: OnlineSet | None = None
    while (current := sets.current(online.strategy)) != synced:  # another one may come while this one is written
        check()
        OnlineTool(backend, current.strategy, current.pool).sync(current)
        # A simulation's models must not become those that other programs load as `@online`.
        if current.mode == LIVE:
            check()
            sync_models(backend, current)
        synced = current


def sync_models(backend: Backend, online: OnlineSet) -> str | None:
    """Register the models of a set that serves now; the newest window's gets the alias ``online``.

    Any number of calls do it once; a call with an earlier set is its rollback.

    Returns:
        The version that serves; None if no model of the set has MLflow's form (``workers/models/mlmodel.py``).

    Raises:
        Unavailable: MLflow does not answer.
    """
    candidates = []
    for model in sorted(online.models, key=lambda model: model.test[0]):
        recorder = find_run(model.recorder_id, backend.settings.mlflow_uri)
        if "model/MLmodel" in recorder.checksums():
            tags = {TASK: model.task_id, "rollq.test": " to ".join(str(bound) for bound in model.test)}
            candidates.append(Candidate(recorder.id, recorder.get_artifact_uri(), tags))
    return ModelRegistry(backend.settings.mlflow_uri).promote(online.strategy, candidates) if candidates else None

"""What gathering a finished round comes to: its predictions are looked at, and its models put online in one write."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import LIVE, OnlineModel, OnlineSet
from rollq.scheduler.rounds.remedies import steps_after
from rollq.scheduler.signals.coverage import (
    WindowPrediction,
    check_segments,
    join_windows,
    shown,
    summary,
    write_signals,
)
from rollq.scheduler.strategies.registry import StrategyBook
from rollq.scheduler.strategies.rolling import variant_of
from rollq.tasks.backend import Backend
from rollq.tasks.definition import planned_test
from rollq.tasks.errors import NotFound, RoundFailed, TemplateError
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.queue.task import Task
from rollq.tasks.rolling.model_identity import model_identity
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rounds.rounds import Round, needed
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.provenance import provenance

SIGNALS = "signals.parquet"


def put_online(backend: Backend, gathering: Round, by: str, check: Check = no_lease) -> OnlineSet:
    """Check a finished round and put its models online; the set that it made before, if it did.

    A round that comes after one that was made later changes nothing: the set that serves is returned.

    Args:
        check: raises LeaseLost if the round is not held any more; called before each write.

    Raises:
        LeaseLost: from ``check``.
        RoundFailed: too few of its tasks are done.
        CoverageError: its predictions leave a hole, or overlap.
        NotFound, ArtifactCorrupted: an artifact is missing, or is not what was written.
    """
    sets = OnlineSets(backend.store)
    sets.ensure_indexes()
    if made := sets.of_round(gathering.id):
        return made
    tasks = backend.tasks.find(ids=gathering.task_ids, definitions=True)
    current = _current(sets, gathering)
    # The champion may have changed since the round was made.
    champion = gathering.purpose.get("champion") or (current.champion if current else BASE)
    own = [task for task in tasks if variant_of(task.definition) == champion]
    done = check_policy(gathering, own, len(gathering.task_ids) - (len(tasks) - len(own)))
    experiment = MLflowExperiment.open(gathering.pool, backend.settings.mlflow_uri)
    sessions, gaps = expected(gathering.purpose["sessions"], own, done)
    metrics = mean_metrics([load_daily_ic(experiment, task) for task in done])
    signals: dict[str, Any] = {}
    if gathering.purpose.get("session"):  # the routine publishes what the models say, and looks for holes then
        check_segments([planned_test(task.definition) for task in done], sessions)
    else:
        signals = write_joined(experiment, gathering, done, sessions, metrics, check)
    online, new = sets.publish(
        gathering.purpose["strategy"],
        gathering.pool,
        gathering.id,
        by,
        _chosen(backend, gathering, [to_model(task) for task in done], current),
        signals,
        metrics,
        gaps,
        check=check,
        planned_at=gathering.created_at,
        session=gathering.purpose.get("session") or gathering.purpose.get("begin") or min(sessions, default=""),
        mode=gathering.purpose.get("mode", LIVE),
        why=gathering.purpose.get("why", "round"),
        champion=champion,
        challengers=_challengers(tasks, champion, current),
        data=_data_of(done),
        code=_code(),
    )
    if not new and signals:
        check()
        backend.tasks.references.close(experiment.get_recorder(signals["recorder_id"]), "another set was first")
    return online


def check_policy(gathering: Round, tasks: list[Task], count: int | None = None) -> list[Task]:
    """The tasks of a round that have a result that counts, if they are enough for its policy.

    Args:
        count: how many tasks there should be; None: as many as the round names.

    Raises:
        RoundFailed: they are not; the message names the tasks to blame.
    """
    count = len(gathering.task_ids) if count is None else count
    done = [task for task in tasks if task.committed is not None]
    if len(done) >= needed(gathering.policy, count):
        return done
    raise RoundFailed(
        f"{len(done)} of {count} tasks are done, policy {gathering.policy!r} asks for more. "
        f"To blame: {blamed([task for task in tasks if task not in done])}.",
        steps_after([task for task in tasks if task not in done], "routine" in gathering.purpose),
    )


def blamed(tasks: Sequence[Task]) -> str:
    """Some of the tasks that are not DONE, each with its state and what it said."""
    return shown([f"{task.id} ({task.status}: {(task.error or {}).get('message', '')[:120]})" for task in tasks])


def to_model(task: Task) -> OnlineModel:
    """The model that a DONE task made."""
    return OnlineModel(task.id, recorder_of(task), planned_test(task.definition), _identity(task))


def _identity(task: Task) -> str:
    try:
        return model_identity(task.definition)
    except TemplateError:  # a task of another form than a template's
        return ""


def recorder_of(task: Task) -> str:
    """The MLflow run that holds the committed result of a task."""
    return str((task.committed or {})["recorder_id"])


def load_window(experiment: MLflowExperiment, task: Task) -> WindowPrediction:
    """The predictions of a DONE task, and the index that its labels say they must have."""
    recorder = experiment.get_recorder(recorder_of(task))
    predictions = recorder.load_object("pred.parquet")
    frame = predictions.to_frame("score") if isinstance(predictions, pd.Series) else predictions
    expected = recorder.load_object("label.parquet").index if "label.parquet" in recorder.checksums() else None
    return WindowPrediction(planned_test(task.definition), frame, expected)


def load_daily_ic(experiment: MLflowExperiment, task: Task) -> pd.DataFrame | None:
    """Daily ``ic`` and ``rank_ic`` of a window, indexed by datetime; None if it was not analysed."""
    recorder = experiment.get_recorder(recorder_of(task))
    if "sig_analysis/ic.parquet" not in recorder.checksums():
        return None
    frame: pd.DataFrame = recorder.load_object("sig_analysis/ic.parquet")
    return frame


def mean_metrics(frames: list[pd.DataFrame | None]) -> dict[str, float]:
    """IC, ICIR, Rank IC and Rank ICIR over all days of all windows (definitions: docs/reference/metrics.md)."""
    known = [frame for frame in frames if frame is not None and frame.notna().any(axis=None)]
    if not known:
        return {}
    daily = pd.concat(known).sort_index()
    metrics = {}
    for column, name, ratio in (("ic", "IC", "ICIR"), ("rank_ic", "Rank IC", "Rank ICIR")):
        mean, spread = float(daily[column].mean()), float(daily[column].std(ddof=1))
        metrics[name] = mean
        if spread > 0:
            metrics[ratio] = mean / spread
    return metrics


def _current(sets: OnlineSets, gathering: Round) -> OnlineSet | None:
    try:
        return sets.current(gathering.purpose["strategy"])
    except NotFound:
        return None


def _chosen(
    backend: Backend, gathering: Round, trained: Sequence[OnlineModel], current: OnlineSet | None
) -> Sequence[OnlineModel]:
    """The models that the strategy chooses to serve; all that were trained, if nobody keeps it online."""
    if not gathering.purpose.get("session"):
        return trained
    book = StrategyBook(backend)
    try:
        strategy = book.strategy(book.get(gathering.purpose["strategy"]))
    except NotFound:
        return trained
    return strategy.prepare_online_models(trained, current.models if current else ())


def _challengers(tasks: list[Task], champion: str, current: OnlineSet | None) -> dict[str, tuple[OnlineModel, ...]]:
    """The models of the other variants; one that could not be trained goes on with what it had, and hurts nobody."""
    found: dict[str, tuple[OnlineModel, ...]] = {}
    for task in tasks:
        variant = variant_of(task.definition)
        if variant != champion and task.committed is not None:
            found[variant] = (*found.get(variant, ()), to_model(task))
    variants = {variant_of(task.definition) for task in tasks}
    kept = current.challengers if current else {}
    return {**{name: models for name, models in kept.items() if name in variants}, **found}


def expected(sessions: list[str], tasks: list[Task], done: list[Task]) -> tuple[list[str], list[str]]:
    """Sessions that ``done`` must cover, and those that the policy lets go with the windows that failed."""
    lost = [planned_test(task.definition) for task in tasks if task not in done]
    gaps = [day for day in sessions if any(a <= day and (b is None or day <= b) for a, b in lost)]
    return [day for day in sessions if day not in set(gaps)], gaps


def _data_of(tasks: list[Task]) -> tuple[str, ...]:
    """SHA-256 of the data that the models were made from."""
    return tuple(sorted({str((task.definition.get("data") or {}).get("sha256", "")) for task in tasks} - {""}))


def _code() -> dict[str, str]:
    summary = provenance().summary
    return {"rollq": summary["libraries"].get("rollq", ""), "git_commit": summary["git_commit"]}


def write_joined(
    experiment: MLflowExperiment,
    gathering: Round,
    done: Sequence[Task],
    sessions: Sequence[str],
    metrics: dict[str, float],
    check: Check = no_lease,
) -> dict[str, Any]:
    """Join the predictions of ``done`` into signals and write them to a run of their own; returns where they are.

    Raises:
        LeaseLost: from ``check``, which is called before each write.
        CoverageError: they leave a hole in ``sessions``, or overlap.
    """
    strategy = gathering.purpose["strategy"]
    signals = join_windows([load_window(experiment, task) for task in done], sessions)
    tags = {"rollq.round": gathering.id, "rollq.strategy": strategy, "rollq.kind": "signals"}
    check()
    recorder: MLflowRecorder = experiment.create_recorder(f"signals {strategy}", tags, start=True)
    with tempfile.TemporaryDirectory(prefix="rollq-") as folder:
        path = Path(folder) / SIGNALS
        checksum = write_signals(signals, path)
        check()
        recorder.log_artifact(path)
    check()
    recorder.log_metrics(metrics)
    recorder.end_run("FINISHED")
    return {"recorder_id": recorder.id, "artifact": SIGNALS, "sha256": checksum, **summary(signals)}

"""The coordinator: gathers a finished round exactly once, puts its models online and publishes their signals.

It may be killed at any point. Everything before the last step only writes what nobody refers to; the last step is one
write, the new online set. Whoever gathers again after a kill does the same and finds the set, or makes it.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from pathlib import Path
from typing import Any

import pandas as pd
from celery import Celery

from scheduler.online_sets import OnlineModel, OnlineSet, OnlineSets
from scheduler.promotion import follow
from scheduler.signals import WindowPrediction, join_windows, shown, summary, write_signals
from tasks.backend import Backend
from tasks.dependencies import settle
from tasks.errors import ArtifactCorrupted, CoverageError, LeaseLost, NotFound, RollqError, RoundFailed, Unavailable
from tasks.logs import log_context
from tasks.messages import GATHER, check_arguments
from tasks.rounds import Round, needed
from tasks.states import TaskState
from tasks.task import Task
from tasks.tracking.mlflow_experiment import MLflowExperiment
from tasks.tracking.mlflow_recorder import MLflowRecorder

log = logging.getLogger(__name__)

SIGNALS = "signals.parquet"


def register(app: Celery, backend: Backend, worker: str) -> None:
    """Add the gathering task to a Celery application."""

    def hear(round_id: Any) -> None:
        with log_context(round=str(round_id), worker=worker):
            try:
                check_arguments(GATHER, (round_id,))
                gather(backend, round_id, worker)
            except RollqError as error:
                log.warning("the message could not be served, a sweep rings again: %s", error)

    app.task(name=GATHER, shared=False)(hear)


def gather(backend: Backend, round_id: str, by: str) -> OnlineSet | None:
    """Gather a round, if nobody else does.

    Returns:
        The new online set; None if the round is finished, gathered by somebody else, or failed.
    """
    gathering = backend.rounds.claim(round_id, by)
    if gathering is None:
        return None
    online = _gather_under_lease(backend, gathering, by)
    try:
        settle(backend)
    except RollqError as error:
        log.warning("rounds that wait for this one are settled by a sweep: %s", error)
    return online


def _gather_under_lease(backend: Backend, gathering: Round, by: str) -> OnlineSet | None:
    try:
        with _Renewing(backend, gathering) as lease:
            online = _gather(backend, gathering, by)
            _show_in_registry(backend, online)
            lease.check()
        backend.rounds.finish(gathering, {"strategy": online.strategy, "version": online.version})
    except LeaseLost as error:
        log.warning("%s", error)
        return None
    except (RoundFailed, CoverageError, NotFound, ArtifactCorrupted) as error:
        backend.rounds.fail(gathering, str(error))
        log.error("the round failed, what was online stays online: %s", error)  # noqa: TRY400 - not a defect of rollq
        return None
    except RollqError as error:
        _give_up(backend, gathering, error)
        return None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # What the tasks left behind has another form than rollq gives it: gathering again would end the same way.
        backend.rounds.fail(gathering, f"What was to be gathered is corrupted ({type(error).__name__}: {error}).")
        log.exception("the round failed, what was online stays online")
        return None
    log.info("strategy %s: version %s is online", online.strategy, online.version)
    return online


def _show_in_registry(backend: Backend, online: OnlineSet) -> None:
    """The set is online already: only a registry that is away is worth another try."""
    try:
        follow(backend, online)
    except Unavailable:
        raise
    except RollqError as error:
        log.warning("the model registry does not show %s version %s: %s", online.strategy, online.version, error)


def _gather(backend: Backend, gathering: Round, by: str) -> OnlineSet:
    sets = OnlineSets(backend.store)
    sets.ensure_indexes()
    if made := sets.of_round(gathering.id):
        return made
    tasks = backend.tasks.find(ids=gathering.task_ids)
    done = check_policy(gathering, tasks)
    experiment = MLflowExperiment.open(gathering.pool, backend.settings.mlflow_uri)
    purpose = gathering.purpose
    sessions, gaps = _expected(purpose["sessions"], tasks, done)
    windows = [_load(experiment, task) for task in done]
    signals = join_windows(windows, sessions)
    metrics = mean_metrics([load_daily_ic(experiment, task) for task in done])
    published = _publish_signals(experiment, gathering, purpose["strategy"], signals, metrics)
    models = [OnlineModel(task.id, recorder_of(task), _test(task)) for task in done]
    online, new = sets.publish(purpose["strategy"], gathering.pool, gathering.id, by, models, published, metrics, gaps)
    if not new:
        experiment.get_recorder(published["recorder_id"]).supersede("another coordinator was first")
    return online


def check_policy(gathering: Round, tasks: list[Task]) -> list[Task]:
    """The DONE tasks of a round, if they are enough for its policy.

    Raises:
        RoundFailed: they are not; the message names the tasks to blame.
    """
    done = [task for task in tasks if task.status is TaskState.DONE]
    if len(done) >= needed(gathering.policy, len(gathering.task_ids)):
        return done
    blamed = [
        f"{task.id} ({task.status}: {(task.error or {}).get('message', '')[:120]})"
        for task in tasks
        if task not in done
    ]
    raise RoundFailed(
        f"{len(done)} of {len(gathering.task_ids)} tasks are done, policy {gathering.policy!r} asks for more. "
        f"To blame: {shown(blamed)}.",
        "See `rollq tasks show ID`, mend the cause, then `rollq tasks retry ID`.",
    )


def recorder_of(task: Task) -> str:
    """The MLflow run that holds the committed result of a DONE task."""
    return str((task.result or {})["recorder_id"])


def load_daily_ic(experiment: MLflowExperiment, task: Task) -> pd.DataFrame | None:
    """Daily ``ic`` and ``rank_ic`` of a window, indexed by datetime; None if it was not analysed."""
    recorder = experiment.get_recorder(recorder_of(task))
    if "sig_analysis/ic.parquet" not in recorder.list_artifacts():
        return None
    frame: pd.DataFrame = recorder.load_object("sig_analysis/ic.parquet")
    return frame


def mean_metrics(frames: list[pd.DataFrame | None]) -> dict[str, float]:
    """IC, ICIR, Rank IC and Rank ICIR over all days of all windows (definitions: docs/reference/metrics.md)."""
    known = [frame for frame in frames if frame is not None]
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


def _expected(sessions: list[str], tasks: list[Task], done: list[Task]) -> tuple[list[str], list[str]]:
    """Sessions that must be covered, and those that the policy lets go with the windows that failed."""
    lost = [_test(task) for task in tasks if task not in done]
    gaps = [day for day in sessions if any(a <= day and (b is None or day <= b) for a, b in lost)]
    return [day for day in sessions if day not in set(gaps)], gaps


def _load(experiment: MLflowExperiment, task: Task) -> WindowPrediction:
    predictions = experiment.get_recorder(recorder_of(task)).load_object("pred.parquet")
    frame = predictions.to_frame("score") if isinstance(predictions, pd.Series) else predictions
    return WindowPrediction(_test(task), frame)


def _test(task: Task) -> tuple[str, str | None]:
    start, end = task.segments["test"]
    return str(start), end


def _publish_signals(
    experiment: MLflowExperiment, gathering: Round, strategy: str, signals: pd.DataFrame, metrics: dict[str, float]
) -> dict[str, Any]:
    tags = {"rollq.round": gathering.id, "rollq.strategy": strategy, "rollq.kind": "signals"}
    recorder: MLflowRecorder = experiment.create_recorder(f"signals {strategy}", tags, start=True)
    with tempfile.TemporaryDirectory(prefix="rollq-") as folder:
        path = Path(folder) / SIGNALS
        checksum = write_signals(signals, path)
        recorder.log_artifact(path)
    recorder.log_metrics(metrics)
    recorder.end_run("FINISHED")
    return {"recorder_id": recorder.id, "artifact": SIGNALS, "sha256": checksum, **summary(signals)}


def _give_up(backend: Backend, gathering: Round, error: RollqError) -> None:
    """Something around us does not work: give the round back, another coordinator tries again."""
    log.warning("gathering was interrupted and will be tried again: %s", error)
    try:
        backend.rounds.release(gathering, str(error))
    except RollqError as second:
        log.warning("the round could not be given back, its lease will run out: %s", second)


class _Renewing:
    """Renews a round's lease while it is gathered."""

    def __init__(self, backend: Backend, gathering: Round) -> None:
        self._backend = backend
        self._gathering = gathering
        self._lost: LeaseLost | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="rollq-round-lease", daemon=True)

    def __enter__(self) -> _Renewing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        if self._lost:
            raise self._lost

    def _keep(self) -> None:
        while not self._done.wait(self._backend.settings.lease_seconds / 3):
            try:
                self._backend.rounds.renew(self._gathering)
            except LeaseLost as error:
                self._lost = error
                return
            except RollqError as error:
                log.warning("the round's lease could not be renewed: %s", error)

"""What a finished round has to show: its tasks, their runs in MLflow, and what serves now. Loading changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel, OnlineSet
from rollq.scheduler.signals.coverage import WindowPrediction
from rollq.scheduler.strategies.plan import member_of, variant_of
from rollq.tasks.backend import Backend
from rollq.tasks.definition import planned_test
from rollq.tasks.errors import TemplateError
from rollq.tasks.predictions.metrics import DAILY, summary
from rollq.tasks.predictions.pooling import Pooled
from rollq.tasks.predictions.window_metrics import WindowMetrics
from rollq.tasks.queue.task import Task
from rollq.tasks.rolling.members.role import role_of
from rollq.tasks.rolling.model_identity import model_identity
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rounds.documents import Round
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, find_run


@dataclass(frozen=True)
class RoundResults:
    """A finished round with the tasks of it that are still there.

    ``current`` is the online set that serves now; None: nothing does. ``mlflow_uri``: where the runs are.
    """

    round: Round
    tasks: Sequence[Task]
    current: OnlineSet | None
    mlflow_uri: str

    @cached_property
    def experiment(self) -> MLflowExperiment:
        """Where the signals of the round go; its tasks may have runs elsewhere."""
        return MLflowExperiment.open(self.round.pool, self.mlflow_uri)

    @property
    def champion(self) -> str:
        """The variant whose models serve; it may have changed since the round was made."""
        asked = self.round.purpose.champion if isinstance(self.round.purpose, Serve) else ""
        return asked or (self.current.champion if self.current else BASE)

    @property
    def judged(self) -> list[Task]:
        """The tasks on which the round depends: those of the champion. What is for research depends on all."""
        if not isinstance(self.round.purpose, Serve):
            return list(self.tasks)
        return [task for task in self.tasks if variant_of(task.definition) == self.champion]

    @property
    def asked(self) -> int:
        """How many tasks ``judged`` would be, had none been removed."""
        # Of removed tasks the variant is not known, so they count as the champion's: the policy is not met by deleting
        # tasks.
        return len(self.round.task_ids) - (len(self.tasks) - len(self.judged))


def load_results(backend: Backend, finished: Round) -> RoundResults:
    """The results of a finished round.

    Raises:
        DocumentCorrupted: the online set that serves cannot be read.
        Unavailable: the store does not answer.
    """
    tasks = backend.tasks.find(ids=finished.task_ids, definitions=True)
    serves = isinstance(finished.purpose, Serve)
    current = OnlineSets(backend.store).find(finished.purpose.strategy) if serves else None
    return RoundResults(finished, tasks, current, backend.settings.mlflow_uri)


def recorder_of(task: Task) -> str:
    """The MLflow run that holds the committed result of a task."""
    return str((task.committed or {})["recorder_id"])


def to_model(task: Task) -> OnlineModel:
    """The model that a DONE task made."""
    test, member = planned_test(task.definition), member_of(task.definition)
    return OnlineModel(task.id, recorder_of(task), test, _identity(task), member, role_of(task.definition))


def load_window(mlflow_uri: str, task: Task) -> WindowPrediction:
    """The predictions of a DONE task, and the index that its labels say they must have."""
    recorder = find_run(recorder_of(task), mlflow_uri)
    predictions = recorder.load_object("pred.parquet")
    frame = predictions.to_frame("score") if isinstance(predictions, pd.Series) else predictions
    expected = recorder.load_object("label.parquet").index if "label.parquet" in recorder.checksums() else None
    member, role = member_of(task.definition), role_of(task.definition)
    return WindowPrediction(planned_test(task.definition), frame, expected, member, role)


def load_daily_ic(mlflow_uri: str, task: Task) -> pd.DataFrame | None:
    """Daily ``ic`` and ``rank_ic`` of a window, indexed by datetime; None if it was not analysed."""
    recorder = find_run(recorder_of(task), mlflow_uri)
    if not set(DAILY.values()) <= recorder.checksums().keys():
        return None
    return pd.DataFrame({column: recorder.load_object(name) for column, name in DAILY.items()})


def window_metrics(mlflow_uri: str, task: Task) -> WindowMetrics:
    """What the records of a DONE task measured; of a task that did not commit it, its daily coefficients."""
    found = WindowMetrics.of_result(task.committed or {})
    if found.values:
        return found
    # Of an older task, or of one that a function of the user's own has trained.
    daily = load_daily_ic(mlflow_uri, task)
    metrics = {} if daily is None else summary(daily)
    return WindowMetrics({name: value for name, value in metrics.items() if isinstance(value, Pooled)})


def _identity(task: Task) -> str:
    try:
        return model_identity(task.definition)
    except TemplateError:  # a task of another form than a template's
        return ""

"""What a claim asks for: to train a window, or to predict with a model that was trained before."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable

from rollq.tasks.attempts import attempt_runs
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import PREDICT, PROJECT, ROUTINE, experiment_of, run_name
from rollq.tasks.errors import DataError, NotFound, NotYet
from rollq.tasks.failures import described
from rollq.tasks.identity import IDENTITY
from rollq.tasks.ingredients.code_check import check_code, check_loaded, others_serve
from rollq.tasks.ingredients.ingredients import sources_of
from rollq.tasks.ingredients.project import project_tags
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs import run_tags
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.workers.jobs.prediction import predict
from rollq.workers.jobs.training import check_parts, train
from rollq.workers.jobs.unknown_class import with_classes
from rollq.workers.jobs.warm_start import find_earlier

log = logging.getLogger(__name__)


class Job(ABC):
    """The work of one attempt, and what becomes of what it began."""

    def __init__(self, backend: Backend, claim: Claim) -> None:
        self.backend = backend
        self.claim = claim

    @abstractmethod
    def run(self, checkpoint: Callable[[], None]) -> dict[str, object]:
        """Do it; returns the result, which is committed next.

        Args:
            checkpoint: called often; raises when the attempt must stop.
        """

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """The attempt failed: close what it began."""

    @abstractmethod
    def give_up(self, why: str) -> None:
        """The claim is lost or given back: what the attempt began must never count."""


def job_of(backend: Backend, claim: Claim) -> Job:
    """The job that a claim's definition describes."""
    return (Prediction if PREDICT in claim.definition else Training)(backend, claim)


class Prediction(Job):
    """Predicts with the model of a finished run. It has no run of its own, and the model's run is never touched: what
    it leaves behind there counts only once a committed result names it.
    """

    def run(self, checkpoint: Callable[[], None]) -> dict[str, object]:
        """Predict, and put an increment beside the model."""
        # A prediction is made with the code of now; what this process imported before a file was changed is not that.
        check_loaded()
        try:
            return with_classes(
                self.backend, self.claim, lambda: predict(self.claim, checkpoint, self.backend.settings)
            )
        except DataError as error:
            if ROUTINE not in self.claim.definition:
                raise
            # The model was trained on such data: a routine waits until those of the new session can be used.
            raise NotYet(error.message, error.fix) from error

    def fail(self, error: BaseException) -> None:
        """Nothing is to be closed."""

    def give_up(self, why: str) -> None:
        """Nothing is to be closed."""


class Training(Job):
    """Trains a window in an MLflow run of its own."""

    _recorder: MLflowRecorder | None = None

    def run(self, checkpoint: Callable[[], None]) -> dict[str, object]:
        """Train; the run is FINISHED before the task is DONE."""
        check_parts(self.claim.definition)
        other_code = self._check_code()
        find_earlier(
            self.claim.definition, self.backend.tasks.reader
        )  # before a run is opened that would come to nothing
        self._recorder = recorder = self._open()
        result = train(self.claim.definition, recorder, checkpoint, self.backend.settings, self.backend.tasks.reader)
        # A claim that was lost meanwhile must not leave a run that looks as if its result counted.
        checkpoint()
        recorder.end_run()
        return {**result, "other_code": other_code} if other_code else result

    def fail(self, error: BaseException) -> None:
        """End the run as FAILED, with the reason; one that is FINISHED may be committed, whatever is known of it."""
        if self._recorder is None:
            return
        why = described(error)[:500]
        try:
            if self._recorder.status is RecorderStatus.FINISHED:
                self.backend.tasks.references.close(self._recorder, why)
                return
            self._recorder.set_tags({"rollq.error": why})
            self._recorder.end_run(RecorderStatus.FAILED)
        except Exception as second:  # noqa: BLE001 - the tracking server may be the very thing that failed
            log.warning("the MLflow run %s could not be ended: %s", self._recorder.id, second)

    def give_up(self, why: str) -> None:
        """Mark the run as superseded, unless it was committed."""
        if self._recorder is None:
            return
        try:
            if self._recorder.status is RecorderStatus.FINISHED:
                self.backend.tasks.references.close(self._recorder, why)
            else:
                self._recorder.supersede(why)
        except Exception as error:  # noqa: BLE001 - the next attempt closes it
            log.warning("the MLflow run %s could not be closed: %s", self._recorder.id, error)

    def _check_code(self) -> dict[str, str]:
        """What is run in the place of the task's code, as ``check_code`` says it."""
        claim, backend = self.claim, self.backend

        def check() -> dict[str, str]:
            return check_code(
                claim.definition,
                backend.settings.components,
                as_found=claim.any_code,
                elsewhere=lambda: others_serve(backend.worker_registry, claim.queue),
            )

        # A task that says of what code it was made was checked when it was created: its classes exist.
        return with_classes(backend, claim, check) if claim.definition.get(IDENTITY) else check()

    def _open(self) -> MLflowRecorder:
        """Begin the run of this attempt in its experiment, after what earlier attempts left open was
        closed.
        """
        claim = self.claim
        settings = self.backend.settings
        experiment = MLflowExperiment.open(
            experiment_of(claim.definition, claim.pool), settings.mlflow_uri, **settings.artifact_options
        )
        tags = self._tags()
        if claim.scheduled_run and (scheduled := _begun(claim.scheduled_run, tags, settings)):
            return scheduled
        # A first attempt has no predecessor, so it is spared a search through the experiment.
        if claim.attempt > 1:
            self._close_earlier(experiment)
        name = run_name(claim.definition)
        return experiment.create_recorder(name, tags, start=True)

    def _tags(self) -> dict[str, str]:
        claim = self.claim
        sources = sources_of(claim.definition, self.backend.settings.components).values()
        reference = {run_tags.TRAIN_STATUS: run_tags.BEGIN, run_tags.TASK_OF_POOL: claim.task_id}
        return {**attempt_runs.tags_of(claim), **reference, **project_tags(sources, claim.definition.get(PROJECT))}

    def _close_earlier(self, experiment: MLflowExperiment) -> None:
        """Close the runs that lost workers left behind, RUNNING or FINISHED; what was committed once stays."""
        found = list(experiment.iter_recorders(f"tags.`{run_tags.TASK}` = '{self.claim.task_id}'"))
        task = self.backend.tasks.get(self.claim.task_id)
        for recorder in found:
            if recorder.status is not RecorderStatus.FAILED and attempt_runs.why_lost(recorder, task):
                why = f"attempt {self.claim.attempt} began on {self.claim.worker}"
                self.backend.tasks.references.close(recorder, why)


def _begun(ident: str, tags: dict[str, str], settings: Settings) -> MLflowRecorder | None:
    """The run that was scheduled for an attempt, begun by it; None if it was closed or deleted."""
    try:
        recorder = find_run(ident, settings.mlflow_uri, **settings.artifact_options)
    except NotFound:
        return None
    if recorder.status is not RecorderStatus.SCHEDULED:
        return None
    # The tags first: a run that shows RUNNING says whose it is.
    recorder.set_tags(tags)
    recorder.flush()
    return recorder.start_run()

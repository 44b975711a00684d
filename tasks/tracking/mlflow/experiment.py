"""An experiment on MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

import pandas as pd
from mlflow.entities import Experiment as Stored
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import rollq.tasks.tracking.mlflow.store  # noqa: F401 - quietens MLflow before it is used
from rollq.tasks.errors import BadInput, NotFound, Unavailable
from rollq.tasks.tracking.mlflow.names import MAX_TAG, quoted
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.mlflow.run_table import records_of
from rollq.tasks.tracking.mlflow.store import artifact_location, as_mlflow_reads, prepare_once
from rollq.tasks.tracking.runs import run_tags
from rollq.tasks.tracking.runs.experiment import Experiment
from rollq.tasks.tracking.runs.hands_off import check_deletion
from rollq.tasks.tracking.runs.lifecycle import RECORDER_STATES, RecorderStatus
from rollq.tasks.tracking.runs.process import Process
from rollq.tasks.tracking.runs.provenance import provenance
from rollq.tasks.tracking.runs.recorder import Recorder

# Runs in one answer: with their metrics and tags some megabytes.
PAGE = 1_000
DEFAULT_RECORDER = "mlflow_recorder"
NEWEST_FIRST = ["attributes.start_time DESC"]


class MLflowExperiment(Experiment):
    """An experiment in a tracking store. Make it with ``open``, or find it with ``find``.

    Args:
        client: of the tracking store.
        ident: MLflow's id.
        name: its name.
        options: ``components`` and ``pickle_classes``, as for ``Artifacts``.
    """

    def __init__(self, client: MlflowClient, ident: str, name: str, **options: Any) -> None:
        super().__init__(ident, name)
        self._client = client
        self._options = options

    @classmethod
    def open(cls, name: str, uri: str, **options: object) -> MLflowExperiment:
        """The experiment called ``name``; it is created if there is none, once, however many processes try.

        Raises:
            Unavailable: the tracking store does not answer.
            BadInput: MLflow does not take the name, or the experiment was deleted.
        """
        client = _client(uri)
        try:
            found = client.get_experiment_by_name(name) or _create(client, name, uri)
        except MlflowException as error:
            if error.error_code == "INVALID_PARAMETER_VALUE":
                raise BadInput(f"{name!r} cannot be the name of an experiment.", "Use letters and digits.") from None
            raise away(error) from error
        if found.lifecycle_stage == "deleted":
            raise BadInput(f"The experiment {name!r} was deleted.", "Restore it in MLflow, or choose another name.")
        return cls(client, found.experiment_id, name, **options)

    @classmethod
    def find(cls, name: str, uri: str, **options: object) -> MLflowExperiment | None:
        """The experiment called ``name``, or None if there is none.

        Raises:
            Unavailable: the tracking store does not answer.
        """
        client = _client(uri)
        try:
            found = client.get_experiment_by_name(name)
        except MlflowException as error:
            raise away(error) from error
        if found is None or found.lifecycle_stage == "deleted":
            return None
        return cls(client, found.experiment_id, name, **options)

    @classmethod
    def all(cls, uri: str, **options: object) -> Iterator[MLflowExperiment]:
        """Every experiment that is not deleted, fetched page by page.

        Raises:
            Unavailable: the tracking store does not answer.
        """
        # Not `_client`: a store that is not there has no experiments, and is not made by a look.
        client, token = MlflowClient(as_mlflow_reads(uri)), None
        while True:
            try:
                page = client.search_experiments(ViewType.ACTIVE_ONLY, page_token=token)
            except MlflowException as error:
                raise away(error) from error
            yield from (cls(client, one.experiment_id, one.name, **options) for one in page)
            token = page.token
            if not token:
                return

    @staticmethod
    def ping(uri: str) -> None:
        """Ask the tracking store for a sign of life.

        Raises:
            Unavailable: there is none.
        """
        try:
            _client(uri).search_experiments(max_results=1)
        except MlflowException as error:
            raise away(error) from error

    def create_recorder(
        self, recorder_name: str | None = None, tags: dict[str, str] | None = None, *, start: bool = False
    ) -> MLflowRecorder:
        """A new recorder: SCHEDULED, or with ``start`` RUNNING at once."""
        name = recorder_name or DEFAULT_RECORDER
        # MLflow takes tags with the run in one call; those that it refuses must not keep the run from being made.
        long = {key: value for key, value in (tags or {}).items() if len(str(value)) > MAX_TAG}
        first = {key: value for key, value in (tags or {}).items() if key not in long}
        status = RECORDER_STATES.check(None, RecorderStatus.RUNNING if start else RecorderStatus.SCHEDULED)
        # With the first call: a process that dies right after it leaves a run of which others can tell whose it was.
        began = {**Process.this().tags(), **run_tags.current_tags()}
        try:
            run = self._client.create_run(self.id, run_name=name, tags={**provenance().tags, **began, **first})
            if status is not RecorderStatus.RUNNING:
                self._client.update_run(run.info.run_id, status=str(status))
        except MlflowException as error:
            raise away(error) from error
        recorder = MLflowRecorder(self._client, run, own=True, **self._options)
        recorder.status = status
        recorder.keep_provenance()
        if long:
            recorder.set_tags(long)
        return recorder

    def get_recorder(
        self,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> MLflowRecorder:
        """As ``Experiment.get_recorder``."""
        found = super().get_recorder(recorder_id, recorder_name, create, start)
        assert isinstance(found, MLflowRecorder)  # noqa: S101 - this experiment makes no others
        return found

    def list_recorders(
        self,
        rtype: Literal["dict", "list"] = Experiment.RT_D,
        max_results: int | None = None,
        status: str | None = None,
        filter_string: str = "",
    ) -> dict[str, Recorder] | list[Recorder]:
        """Recorders, newest first."""
        if rtype not in (self.RT_D, self.RT_L):
            raise BadInput(f"rtype {rtype!r} is unknown.", "Use 'dict' or 'list'.")
        found: list[Recorder] = list(islice(self.iter_recorders(filter_string, status), max_results))
        return found if rtype == self.RT_L else {recorder.id: recorder for recorder in found}

    def iter_recorders(self, filter_string: str = "", status: str | None = None) -> Iterator[MLflowRecorder]:
        """Recorders one by one, newest first; status is compared in the store."""
        for run in self._runs(_with_status(filter_string, status), ViewType.ACTIVE_ONLY, NEWEST_FIRST):
            yield MLflowRecorder(self._client, run, **self._options)

    def search_records(
        self,
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = None,
        order_by: list[str] | None = None,
    ) -> pd.DataFrame:
        """One row a recorder, with the columns of ``mlflow.search_runs``."""
        runs = self._runs(filter_string or "", run_view_type, order_by or NEWEST_FIRST)
        return records_of(islice(runs, max_results))

    def delete_recorder(self, recorder_id: str | None = None, recorder_name: str | None = None) -> None:
        """Delete a recorder, as MLflow does: it can be restored until MLflow's garbage collection.

        Raises:
            StateError: an online set, signals, predictions or an open round needs it.
        """
        found = self._find(recorder_id, recorder_name)
        if found is None:
            raise NotFound(f"There is no recorder {recorder_id or recorder_name!r}.", "See list_recorders().")
        # What serves is asked for right before the deletion; MLflow itself knows nothing of it.
        check_deletion([found], "deleted")
        try:
            self._client.delete_run(found.id)
        except MlflowException as error:
            raise away(error) from error

    def was_deleted(self, recorder_id: str) -> bool:
        """Whether there is a recorder of this id that was deleted, and can be restored in MLflow.

        Raises:
            Unavailable: the tracking store does not answer.
        """
        try:
            return bool(self._client.get_run(recorder_id).info.lifecycle_stage == "deleted")
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return False
            raise away(error) from error

    def _find(self, recorder_id: str | None, recorder_name: str | None) -> MLflowRecorder | None:
        if recorder_id is not None:
            return self._by_id(recorder_id)
        if recorder_name is None:
            return None
        named = f"attributes.run_name = {quoted(recorder_name)}"
        return next(iter(self.iter_recorders(named)), None)

    def _by_id(self, ident: str) -> MLflowRecorder | None:
        run = _run(self._client, ident)
        # MLflow finds a run by its id in whatever experiment.
        if run is None or run.info.experiment_id != self.id:
            return None
        return MLflowRecorder(self._client, run, **self._options)

    def _runs(self, filter_string: str, view: int, order: list[str]) -> Iterator[Run]:
        """The runs that a filter finds, page by page."""
        token = None
        while True:
            try:
                page = self._client.search_runs([self.id], filter_string, view, PAGE, order, token)
            except MlflowException as error:
                if error.error_code == "INVALID_PARAMETER_VALUE":
                    raise BadInput(
                        f"MLflow does not take the filter: {error}.", "See MLflow's search syntax."
                    ) from None
                raise away(error) from error
            yield from page
            token = page.token
            if not token:
                return


def find_run(ident: str, uri: str, **options: Any) -> MLflowRecorder:
    """The run with this id, whatever experiment it is in: a task may have another one than its pool.

    Raises:
        NotFound: there is none, or it was deleted.
        Unavailable: the tracking store does not answer.
    """
    client = _client(uri)
    run = _run(client, ident)
    if run is None:
        raise NotFound(f"There is no recorder {ident!r}.", "See list_recorders().")
    return MLflowRecorder(client, run, **options)


def away(error: MlflowException) -> Unavailable:
    """MLflow's failure as one that says what to do."""
    return Unavailable(f"MLflow does not answer: {error}.", "Check MLFLOW_TRACKING_URI and that the server runs.")


def _client(uri: str) -> MlflowClient:
    """A client of a store whose schema is there."""
    prepare_once(uri)
    return MlflowClient(as_mlflow_reads(uri))


def _run(client: MlflowClient, ident: str) -> Run | None:
    """A run by its id; None if there is none, or it was deleted."""
    try:
        run = client.get_run(ident)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise away(error) from error
    return None if run.info.lifecycle_stage == "deleted" else run


def _with_status(filter_string: str, status: str | None) -> str:
    if status is None:
        return filter_string
    if status not in list(RecorderStatus):
        raise BadInput(f"There is no recorder status {status!r}.", f"Known: {', '.join(RecorderStatus)}.")
    asked = f"attributes.status = '{status}'"
    return f"{filter_string} AND {asked}" if filter_string else asked


def _create(client: MlflowClient, name: str, uri: str) -> Stored:
    try:
        return client.get_experiment(client.create_experiment(name, artifact_location=artifact_location(uri, name)))
    except MlflowException:
        if (found := client.get_experiment_by_name(name)) is None:  # not because another process was first
            raise
        return found

"""An experiment: an MLflow experiment by name, and the recorders in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import tasks.tracking_store  # noqa: F401 - quietens MLflow before it is imported
from tasks.errors import NotFound, Unavailable
from tasks.recorder import MLflowRecorder
from tasks.tracking_store import artifact_location

PAGE = 1_000


class MLflowExperiment:
    """An experiment in a tracking store. Make it with ``open``."""

    def __init__(self, client: MlflowClient, experiment_id: str, name: str) -> None:
        self._client = client
        self.id = experiment_id
        self.name = name

    @classmethod
    def open(cls, name: str, uri: str) -> MLflowExperiment:
        """The experiment called ``name``; it is created if there is none, once, however many processes try.

        Raises:
            Unavailable: the tracking store does not answer.
        """
        client = MlflowClient(uri)
        try:
            found = client.get_experiment_by_name(name)
            if found is None:
                found = _create(client, name, uri)
        except MlflowException as error:
            raise _away(error) from error
        return cls(client, found.experiment_id, name)

    @classmethod
    def find(cls, name: str, uri: str) -> MLflowExperiment | None:
        """The experiment called ``name``, or None if there is none.

        Raises:
            Unavailable: the tracking store does not answer.
        """
        client = MlflowClient(uri)
        try:
            found = client.get_experiment_by_name(name)
        except MlflowException as error:
            raise _away(error) from error
        return cls(client, found.experiment_id, name) if found else None

    @staticmethod
    def ping(uri: str) -> None:
        """Ask the tracking store for a sign of life.

        Raises:
            Unavailable: there is none.
        """
        try:
            MlflowClient(uri).search_experiments(max_results=1)
        except MlflowException as error:
            raise _away(error) from error

    def create_recorder(self, name: str, tags: Mapping[str, str] | None = None) -> MLflowRecorder:
        """A new recorder that is RUNNING."""
        return MLflowRecorder(self._client, self._client.create_run(self.id, run_name=name, tags=dict(tags or {})))

    def get_recorder(self, ident: str) -> MLflowRecorder:
        """The recorder with an id.

        Raises:
            NotFound: this experiment has none.
        """
        try:
            return MLflowRecorder(self._client, self._client.get_run(ident))
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise _away(error) from error
            raise NotFound(f"There is no recorder {ident!r} in experiment {self.name!r}.") from None

    def list_recorders(self, filter_string: str = "", page: int = PAGE) -> Iterator[MLflowRecorder]:
        """All recorders that MLflow's filter lets through, newest first, fetched page by page."""
        token = None
        while True:
            runs = self._client.search_runs([self.id], filter_string, ViewType.ACTIVE_ONLY, page, None, token)
            yield from (self._recorder(run) for run in runs)
            token = runs.token
            if not token:
                return

    def _recorder(self, run: Run) -> MLflowRecorder:
        return MLflowRecorder(self._client, run)


def _create(client: MlflowClient, name: str, uri: str) -> Any:
    try:
        client.create_experiment(name, artifact_location=artifact_location(uri, name))
    except MlflowException:
        if client.get_experiment_by_name(name) is None:  # not because another process was first
            raise
    return client.get_experiment_by_name(name)


def _away(error: MlflowException) -> Unavailable:
    return Unavailable(f"MLflow does not answer: {error}.", "Check MLFLOW_TRACKING_URI with `rollq doctor`.")

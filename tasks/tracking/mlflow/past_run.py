"""A run that another program made at another time: it is written with its own times, and counts once it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rollq.tasks.errors import Unavailable
from rollq.tasks.tracking.artifacts.artifacts import Artifacts
from rollq.tasks.tracking.artifacts.storage import storage_of
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, away
from rollq.tasks.tracking.mlflow.long_texts import PARAMS, TAGS, LongTexts
from rollq.tasks.tracking.mlflow.names import MAX_TAG, MAX_VALUE, number, quoted, step_of
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.mlflow.store import as_mlflow_reads
from rollq.tasks.tracking.mlflow.stored_run import StoredRun
from rollq.tasks.tracking.mlflow.writer import MAX_ITEMS, MAX_PARAMS, MAX_TAGS, Item
from rollq.tasks.tracking.runs.process import Process
from rollq.tasks.tracking.runs.retry import retry
from rollq.tasks.tracking.runs.run_tags import IMPORTED, SOURCE_RUN

Value = tuple[str, float, int, int]  # of a metric: name, value, milliseconds since 1970, step


class PastRun:
    """One run that is written.

    Args:
        uri: of the tracking store.
        experiment: where it is written.
        source_run: its id in the store that it comes from; by this it is found again.
        name: its name.
        start: when it began, milliseconds since 1970.
    """

    def __init__(self, uri: str, experiment: MLflowExperiment, source_run: str, name: str, start: int | None) -> None:
        self._client = MlflowClient(as_mlflow_reads(uri))
        tags = {**Process.this().tags(), SOURCE_RUN: source_run}
        try:
            run = self._client.create_run(experiment.id, start_time=start, tags=tags, run_name=name or None)
        except MlflowException as error:
            raise away(error) from error
        self._stored = StoredRun(self._client, run)
        self.id = self._stored.id
        self._artifacts = Artifacts(storage_of(self._client, self.id, run.info.artifact_uri), own=True)
        self._long = LongTexts(self._artifacts)

    def save(self, objects: Mapping[str, object]) -> None:
        """Write its artifacts, all in one go.

        Raises:
            BadInput: a name or a value cannot be an artifact.
            Unavailable: the place cannot be written.
        """
        self._artifacts.save(objects)

    def log(self, params: Mapping[str, str], tags: Mapping[str, str], values: Sequence[Value]) -> None:
        """Write params, tags, and every value of every metric.

        Raises:
            BadInput: a name or a value cannot be logged.
            Unavailable: MLflow does not take it.
        """
        long = self._long
        items: dict[int, list[Item]] = {
            MAX_PARAMS: [Param(long.key(key), long.value(PARAMS, key, one, MAX_VALUE)) for key, one in params.items()],
            MAX_ITEMS: [Metric(long.key(key), number(one, key), at, step_of(n)) for key, one, at, n in values],
        }
        marks: list[Item] = [RunTag(long.key(key), long.value(TAGS, key, one, MAX_TAG)) for key, one in tags.items()]
        long.save()
        self._artifacts.write()
        for most, found in [*items.items(), (MAX_TAGS, marks)]:
            for batch in _batches(found, most):
                self._send(batch)

    def end(self, status: str, end: int | None) -> None:
        """It is whole: it has its status and its end, and counts.

        Raises:
            Unavailable: MLflow does not answer.
        """
        try:
            retry(lambda: self._client.set_terminated(self.id, status, end))
        except MlflowException as error:
            raise away(error) from error
        self._stored.set_tags({IMPORTED: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})

    def discard(self) -> None:
        """Delete it: something of it could not be written. Raises Unavailable."""
        self._stored.delete()

    def _send(self, batch: Sequence[Item]) -> None:
        try:
            retry(lambda: self._stored.send(batch))
        except (MlflowException, OSError) as error:
            raise Unavailable(f"MLflow does not take it: {error}.", "Check MLFLOW_TRACKING_URI.") from error


def past_runs(experiment: MLflowExperiment, source_run: str | None = None) -> Iterator[MLflowRecorder]:
    """The runs of an experiment that were brought along; those without the tag ``IMPORTED`` are not whole.

    Args:
        source_run: only those of this run of the store that they come from.
    """
    asked = "!= ''" if source_run is None else f"= {quoted(source_run)}"
    return experiment.iter_recorders(f"tags.`{SOURCE_RUN}` {asked}")


def _batches(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + most] for start in range(0, len(items), most))

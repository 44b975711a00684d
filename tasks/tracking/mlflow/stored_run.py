"""One run in the store of MLflow, through ``MlflowClient`` alone: calls are tried again, errors say what helps.

No active run and no global state of MLflow is used, so that threads and processes cannot mix their runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from mlflow.entities import Metric, Param, Run, RunData, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import rollq.tasks.tracking.mlflow.store  # noqa: F401 - quietens MLflow before it is used
from rollq.tasks.errors import Unavailable
from rollq.tasks.tracking.mlflow.names import infinite_again, unescape
from rollq.tasks.tracking.mlflow.writer import Item
from rollq.tasks.tracking.runs.retry import retry

T = TypeVar("T")


class StoredRun:
    """A run. ``data`` is what the store said of it last: params, metrics, tags."""

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self._client = client
        self.id: str = run.info.run_id
        self.data: RunData = run.data

    def send(self, items: Sequence[Item]) -> None:
        """Log a batch, once; raises what MLflow raises."""
        self._client.log_batch(
            self.id,
            metrics=[item for item in items if isinstance(item, Metric)],
            params=[item for item in items if isinstance(item, Param)],
            tags=[item for item in items if isinstance(item, RunTag)],
        )

    def set_tags(self, tags: dict[str, str]) -> None:
        """Set tags whose names and values the store takes as they are. Raises Unavailable."""
        _call(lambda: self.send([RunTag(key, value) for key, value in tags.items()]))

    def delete_tag(self, key: str) -> bool:
        """Delete a tag; whether there was one. Raises Unavailable."""
        try:
            _call(lambda: self._client.delete_tag(self.id, key))
        except Unavailable as error:
            cause = error.__cause__
            # A deletion that is tried again after its answer was lost finds nothing, too: that is no error.
            if isinstance(cause, MlflowException) and cause.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return True

    @property
    def uri(self) -> str:
        """The tracking URI, as MLflow reads it."""
        return str(self._client.tracking_uri)

    def rename(self, name: str) -> str:
        """Give it another name, and return that. Raises Unavailable."""
        _call(lambda: self._client.update_run(self.id, name=name))
        return name

    def begin(self, status: str) -> None:
        """It has begun, and has this status now. Raises Unavailable."""
        _call(lambda: self._client.update_run(self.id, status=status))

    def end(self, status: str) -> None:
        """It has ended with this status, now. Raises Unavailable."""
        _call(lambda: self._client.set_terminated(self.id, status))

    def delete(self) -> None:
        """Delete it, as MLflow does. Raises Unavailable."""
        _call(lambda: self._client.delete_run(self.id))

    def read(self) -> RunData:
        """What the store says of it now. Raises Unavailable."""
        self.data = _call(lambda: self._client.get_run(self.id)).data
        return self.data

    @property
    def tags(self) -> dict[str, str]:
        """Its tags when it was read last, long values shortened."""
        return {unescape(key): value for key, value in self.data.tags.items()}

    @property
    def params(self) -> dict[str, str]:
        """Its params when it was read last, long values shortened."""
        return {unescape(key): value for key, value in self.data.params.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """Its metrics when it was read last."""
        return {unescape(key): infinite_again(value) for key, value in self.data.metrics.items()}


def time_of(milliseconds: int | None) -> str | None:
    """A time of MLflow as ``YYYY-MM-DD HH:MM:SS`` (UTC)."""
    return None if milliseconds is None else f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def now() -> int:
    """Milliseconds since 1970, as MLflow counts."""
    return int(time.time() * 1000)


def _call(call: Callable[[], T]) -> T:
    try:
        return retry(call)
    except (MlflowException, OSError) as error:
        raise Unavailable(f"MLflow does not answer: {error}.", "Check MLFLOW_TRACKING_URI.") from error

"""Results of task functions: as JSON in the store, and as a function of the second phase is given them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import BadInput
from rollq.tasks.identity import canonical
from rollq.tasks.tracking.runs.recorder import Recorder

RECORDER = {"recorder_id", "experiment_id", "metrics", "artifacts"}  # what is kept of a recorder


@runtime_checkable
class KeepsChecksums(Protocol):
    """A recorder that knows the SHA-256 (hex) of each of its artifacts."""

    def checksums(self) -> dict[str, str]:
        """By the name of the artifact."""


def to_result(value: object) -> dict[str, object]:
    """What is stored of what a task function returned: a mapping, a recorder, or nothing.

    Raises:
        BadInput: it is none of these, or has no JSON form.
    """
    if value is None:
        return {}
    if isinstance(value, Recorder):
        metrics = {name: number for name, number in value.list_metrics().items() if math.isfinite(number)}
        artifacts = value.checksums() if isinstance(value, KeepsChecksums) else {}
        found = (value.id, value.experiment_id, metrics, artifacts)
        return dict(zip(("recorder_id", "experiment_id", "metrics", "artifacts"), found, strict=True))
    if not isinstance(value, Mapping):
        raise BadInput(
            f"A result is a mapping, a recorder or None, not a {type(value).__name__}.", "Return {'name': value}."
        )
    made: dict[str, object] = canonical(value, "result")
    return made


def from_result(result: Mapping[str, object] | None, settings: Settings) -> object:
    """What a function returned in the first phase: the recorder, if it was one; else the mapping.

    Raises:
        NotFound: the recorder is gone.
        Unavailable: MLflow does not answer.
    """
    if result is None or set(result) != RECORDER:
        return result
    from rollq.tasks.tracking.mlflow.experiment import find_run  # two seconds to import: only where it is needed

    return find_run(str(result["recorder_id"]), settings.mlflow_uri, **settings.artifact_options)

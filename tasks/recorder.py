"""A recorder: one MLflow run, with params, metrics, tags, artifacts and a status.

It works on ``MlflowClient`` alone: no active run, no global state, so that threads and processes cannot mix their runs.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import tasks.tracking_store  # noqa: F401 - quietens MLflow before it is imported
from tasks.artifacts import MANIFEST, Entry, check, read, safe_name, write
from tasks.errors import ArtifactMissing, Unavailable
from tasks.identity import canonical
from tasks.lifecycle import RecorderStatus, check_change

MAX_PARAM = 500  # characters kept in the store itself: every tracking store takes that many
MAX_METRICS, MAX_PARAMS = 1_000, 100  # per call, MLflow's limits
LONG_PARAMS = "params.json"
SUPERSEDED = "rollq.superseded"


class MLflowRecorder:
    """One run. Made by ``MLflowExperiment``."""

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self._client = client
        self._manifest: dict[str, Entry] | None = None
        self.id: str = run.info.run_id
        self.name: str = run.info.run_name
        self.experiment_id: str = run.info.experiment_id
        self.start_time: int = run.info.start_time
        self.end_time: int | None = run.info.end_time
        self.artifact_uri: str = run.info.artifact_uri
        self.status = RecorderStatus(run.info.status if run.info.status != "KILLED" else "FAILED")
        self.tags: dict[str, str] = dict(run.data.tags)
        self.params: dict[str, str] = dict(run.data.params)
        self.metrics: dict[str, float] = dict(run.data.metrics)

    # -- params, metrics, tags ----------------------------------------------------------------------------------------

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log nested parameters under dotted names; values too long for the store go to ``params.json``."""
        flat = flatten(params)
        long = {name: value for name, value in flat.items() if len(value) > MAX_PARAM}
        short = {**flat, **dict.fromkeys(long, f"see the artifact {LONG_PARAMS}")}
        rows = [Param(escape(name), value) for name, value in short.items()]
        for at in range(0, len(rows), MAX_PARAMS):
            self._client.log_batch(self.id, params=rows[at : at + MAX_PARAMS])
        if long:
            self.save_objects(**{LONG_PARAMS: long})

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics in as few calls as MLflow allows."""
        now = int(time.time() * 1000)
        self._log([Metric(escape(name), float(value), now, step or 0) for name, value in metrics.items()])

    def log_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Log series, one value a step (a step is a boosting round)."""
        now = int(time.time() * 1000)
        self._log(
            [
                Metric(escape(name), float(value), now, step)
                for name, values in history.items()
                for step, value in enumerate(values)
            ]
        )

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self._client.log_batch(self.id, tags=[RunTag(escape(name), str(value)) for name, value in tags.items()])
        self.tags.update({name: str(value) for name, value in tags.items()})

    # -- artifacts ----------------------------------------------------------------------------------------------------

    def save_objects(self, artifact_path: Any = None, **objects: Any) -> None:
        """Save values as artifacts: frames as Parquet, JSON values as JSON, text as it is, a ``Path`` copied.

        Raises:
            BadInput: a name leaves the artifact folder, or a value has no safe form.
        """
        with tempfile.TemporaryDirectory(prefix="rollq-") as temporary:
            folder = Path(temporary)
            entries: dict[str, Entry] = {}
            for name, value in objects.items():
                entries.update(write(value, f"{artifact_path}/{name}" if artifact_path else name, folder))
            self._manifest = {**self._read_manifest(), **entries}
            text = json.dumps({name: entry.to_dict() for name, entry in sorted(self._manifest.items())}, indent=1)
            (folder / MANIFEST).write_text(text, encoding="utf-8")
            self._client.log_artifacts(self.id, str(folder))

    def load_object(self, name: str) -> Any:
        """What was saved under ``name``; a file comes as a ``Path``.

        Raises:
            ArtifactMissing: nothing was.
            ArtifactCorrupted: its bytes have changed since.
        """
        entry = self._read_manifest().get(safe_name(name))
        if entry is None:
            raise ArtifactMissing(f"The recorder {self.id} has no artifact {name!r}.", "See its list of artifacts.")
        return read(self._fetch(name), entry, name)

    def load_folder(self, name: str) -> Path:
        """The local folder that holds the artifacts below ``name``, all checked.

        Raises:
            ArtifactMissing, ArtifactCorrupted: as ``load_object``.
        """
        below = {path: entry for path, entry in self._read_manifest().items() if path.startswith(f"{safe_name(name)}/")}
        if not below:
            raise ArtifactMissing(f"The recorder {self.id} has no artifacts in {name!r}.", "See its list of artifacts.")
        for path, entry in below.items():
            check(self._fetch(path), entry, path)
        return self._fetch(name)

    def list_artifacts(self) -> list[str]:
        """Names of all artifacts."""
        return sorted(self._read_manifest())

    def checksums(self) -> dict[str, str]:
        """SHA-256 (hex) of each artifact."""
        return {name: entry.sha256 for name, entry in sorted(self._read_manifest().items())}

    def get_local_dir(self) -> Path | None:
        """The artifact folder, if it is on this machine."""
        parts = urlsplit(self.artifact_uri)
        return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None

    # -- status -------------------------------------------------------------------------------------------------------

    def end(self, status: str = "FINISHED") -> None:
        """End the run.

        Raises:
            InvalidTransition: it cannot end so.
        """
        self.status = check_change(self.status, status)
        self._client.set_terminated(self.id, status)

    def supersede(self, why: str) -> None:
        """Mark a run whose attempt lost its claim: FAILED, with the reason as a tag."""
        self.set_tags({SUPERSEDED: why[:500]})
        self._client.set_terminated(self.id, "FAILED")
        self.status = RecorderStatus.FAILED

    # -- inside -------------------------------------------------------------------------------------------------------

    def _log(self, rows: list[Metric]) -> None:
        for at in range(0, len(rows), MAX_METRICS):
            self._client.log_batch(self.id, metrics=rows[at : at + MAX_METRICS])

    def _read_manifest(self) -> dict[str, Entry]:
        if self._manifest is None:
            self._manifest = self._load_manifest()
        return self._manifest

    def _load_manifest(self) -> dict[str, Entry]:
        try:
            path = self._fetch(MANIFEST)
        except ArtifactMissing:
            return {}
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: Entry(**entry) for name, entry in content.items()}

    def _fetch(self, name: str) -> Path:
        if folder := self.get_local_dir():
            path = folder / safe_name(name)
            if not path.exists():
                raise ArtifactMissing(f"The artifact {name!r} of recorder {self.id} is gone.", "Train the task again.")
            return path
        try:
            return Path(self._client.download_artifacts(self.id, safe_name(name)))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" or "404" in str(error):
                raise ArtifactMissing(f"The recorder {self.id} has no artifact {name!r}.") from None
            raise Unavailable(f"MLflow does not answer: {error}.", "Check MLFLOW_TRACKING_URI.") from error


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings as dotted names; lists as JSON."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(canonical(value))
    return flat


def escape(name: str) -> str:
    """``name`` with the characters that MLflow refuses as ``:hex:``."""
    return re.sub(r"[^\w\-. /]", lambda found: f":{ord(found[0]):x}:", name, flags=re.ASCII).strip("/") or "_"

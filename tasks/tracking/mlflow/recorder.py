"""A recorder on MLflow: one run.

It works on ``MlflowClient`` alone: no active run, no global state of MLflow, so that threads and processes cannot mix
their runs.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import rollq.tasks.tracking.mlflow.store  # noqa: F401 - quietens MLflow before it is used
from rollq.tasks.errors import ArtifactMissing, BadInput, NotFound, NotLogged, RollqError, StateError, Unavailable
from rollq.tasks.tracking.artifacts.artifacts import Artifacts
from rollq.tasks.tracking.artifacts.manifest import LONG
from rollq.tasks.tracking.artifacts.storage import Place, place_of
from rollq.tasks.tracking.mlflow.names import (
    MAX_TAG,
    MAX_VALUE,
    escape,
    flatten,
    infinite_again,
    is_shortened,
    number,
    step_of,
    text,
    unescape,
)
from rollq.tasks.tracking.mlflow.writer import Item, Writer
from rollq.tasks.tracking.runs.hands_off import check_hands_off
from rollq.tasks.tracking.runs.lifecycle import RECORDER_STATES, RecorderStatus
from rollq.tasks.tracking.runs.process import Process
from rollq.tasks.tracking.runs.provenance import provenance
from rollq.tasks.tracking.runs.recorder import Recorder
from rollq.tasks.tracking.runs.retry import retry

POINTER = f"see the artifact {LONG}:"
SUPERSEDED = "rollq.superseded"
SHOWN = 3  # items named in an error

Long = dict[str, dict[str, str]]  # texts and names that are too long for the store, by what they are


class MLflowRecorder(Recorder):
    """One run of an MLflow experiment. Made by ``MLflowExperiment``.

    Args:
        own: this process made the run just now, so nothing is in it yet.
        options: ``components`` and ``pickle_classes``, as for ``Artifacts``.
    """

    def __init__(self, client: MlflowClient, run: Run, *, own: bool = False, **options: Any) -> None:
        self._client = client
        self._pid = os.getpid()
        self._writer = Writer(self._send)
        self._long: Long = {"params": {}, "tags": {}, "names": {}}
        self._unsaved = False
        self.id = run.info.run_id
        self.name = run.info.run_name
        self.experiment_id = run.info.experiment_id
        self.start_time, self.end_time = _time(run.info.start_time), _time(run.info.end_time)
        self.artifact_uri: str = run.info.artifact_uri
        self.status = RecorderStatus.of_mlflow(run.info.status)
        self._artifacts = Artifacts(place_of(client, self.id, self.artifact_uri), own=own, **options)
        self._data = run.data

    # -- life ---------------------------------------------------------------------------------------------------------

    def start_run(self) -> MLflowRecorder:
        """Begin, or begin again."""
        self._check_process()
        status = RECORDER_STATES.check(self.status, RecorderStatus.RUNNING)
        self._check_unneeded("begun again")
        self.status = status
        self._call(lambda: self._send([RunTag(key, value) for key, value in Process.this().tags().items()]))
        self._call(lambda: self._client.update_run(self.id, status=str(status)))
        self.start_time = self.start_time or _time(int(time.time() * 1000))
        return self

    def end_run(self, status: str = RecorderStatus.FINISHED) -> None:
        """Write what is left and end; also if something cannot be written."""
        self._check_process()
        end = RECORDER_STATES.check(self.status, status)
        self._check_unneeded(f"ended as {status}")
        failed = self._written()
        self._terminate(RecorderStatus.FAILED if failed else end)
        if failed:
            raise failed

    def supersede(self, why: str) -> None:
        """Mark a run whose attempt lost its claim, whatever its status: FAILED, with the reason as a tag."""
        self._call(lambda: self._client.set_tag(self.id, SUPERSEDED, why[:MAX_VALUE]))
        self._terminate(RECORDER_STATES.check(self.status, RecorderStatus.FAILED, correction=True))

    def reinstate(self) -> None:
        """Take back that a run was closed: it is FINISHED."""
        self._terminate(RECORDER_STATES.check(self.status, RecorderStatus.FINISHED, correction=True))
        if SUPERSEDED in self.tags:
            self._call(lambda: self._client.delete_tag(self.id, SUPERSEDED))

    def discard(self) -> None:
        """Delete a run that this process made and that nobody was told of: there is nobody to ask who refers to it."""
        self._check_process()
        self._call(lambda: self._client.delete_run(self.id))

    def flush(self) -> None:
        """Wait until everything that was logged is written."""
        if failed := self._written():
            raise failed

    # -- params, metrics, tags ----------------------------------------------------------------------------------------

    def log_params(self, params: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Log nested parameters; values too long for the store go to an artifact that the param points to."""
        flat = flatten({**(params or {}), **more})
        self._put(
            [Param(self._key(name), self._short("params", name, value, MAX_VALUE)) for name, value in flat.items()]
        )

    def log_metrics(
        self, metrics: Mapping[str, float] | None = None, /, step: int | None = None, **more: float
    ) -> None:
        """Log metrics of one step."""
        now, at, given = int(time.time() * 1000), step_of(step), {**(metrics or {}), **more}
        self._put([Metric(self._key(name), number(value, name), now, at) for name, value in given.items()])

    def log_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Log series, one value a step (a step is a boosting round, for example)."""
        now = int(time.time() * 1000)
        self._put(
            [
                Metric(key, number(value, key), now, step)
                for key, values in [(self._key(name), values) for name, values in history.items()]
                for step, value in enumerate(values)
            ]
        )

    def set_tags(self, tags: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Set tags, of any length: one that is too long for the store goes to an artifact that the tag points to."""
        given = {**(tags or {}), **more}
        self._put([RunTag(self._key(name), self._short("tags", name, value, MAX_TAG)) for name, value in given.items()])

    def delete_tags(self, *keys: str) -> None:
        """Delete tags."""
        self._check_process()
        self.flush()
        for key in keys:
            try:
                self._call(lambda key=key: self._client.delete_tag(self.id, escape(key)))
            except Unavailable as error:
                if _is_absent(error.__cause__):
                    raise NotFound(f"The recorder {self.id} has no tag {key!r}.", "See list_tags().") from None
                raise

    def list_params(self) -> dict[str, str]:
        """Every param, whole."""
        long = self._read_long()
        return self._whole(self._fresh().params, long["params"], long)

    def list_metrics(self) -> dict[str, float]:
        """The last value of every metric."""
        long = self._read_long()
        return {self._name(key, long): infinite_again(value) for key, value in self._fresh().metrics.items()}

    def list_tags(self) -> dict[str, str]:
        """Every tag."""
        long = self._read_long()
        return self._whole(self._fresh().tags, long["tags"], long)

    @property
    def tags(self) -> dict[str, str]:
        """Tags as they were when the run was read: no question to the store."""
        return {unescape(key): value for key, value in self._data.tags.items()}

    @property
    def params(self) -> dict[str, str]:
        """Params as they were when the run was read, shortened ones as they are in the store."""
        return {unescape(key): value for key, value in self._data.params.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics as they were when the run was read."""
        return {unescape(key): infinite_again(value) for key, value in self._data.metrics.items()}

    # -- artifacts ----------------------------------------------------------------------------------------------------

    def save_objects(
        self, local_path: str | Path | None = None, artifact_path: str | None = None, **objects: object
    ) -> None:
        """Save values as artifacts, or a file or folder."""
        self._check_process()
        if local_path is not None:
            self.log_artifact(local_path, artifact_path)
        if objects:
            self._artifacts.save(objects, artifact_path)

    def load_object(self, name: str) -> Any:
        """What was saved under ``name``."""
        return self._artifacts.load(name)

    def load_folder(self, name: str) -> Path:
        """A local folder with everything below ``name``, all of it checked."""
        return self._artifacts.folder(name)

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Save a file under its own name, or what is in a folder."""
        self._check_process()
        source = Path(local_path)
        parts = sorted(source.iterdir()) if source.is_dir() else [source]
        if not parts:
            raise BadInput(f"There is no file in the folder {str(source)!r}.", "Give one that holds files.")
        self._artifacts.save({part.name: part for part in parts}, artifact_path)

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of all artifacts, or of those in a folder."""
        names = sorted(self._artifacts.manifest(fresh=True).entries)
        return [name for name in names if artifact_path is None or name.startswith(f"{artifact_path.rstrip('/')}/")]

    def checksums(self) -> dict[str, str]:
        """SHA-256 (hex) of each artifact."""
        return {name: entry.sha256 for name, entry in sorted(self._artifacts.manifest().entries.items())}

    def download_artifact(self, path: str, dst_path: str | Path | None = None) -> str:
        """A local copy, checked."""
        found = self._artifacts.folder(path)
        if dst_path is None:
            return str(found)
        target = Path(dst_path) / found.name
        if found.is_dir():
            shutil.copytree(found, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target)
        return str(target)

    @property
    def place(self) -> Place:
        """Where its artifacts lie: for files that have another manifest than the run's."""
        return self._artifacts.place

    def get_artifact_uri(self) -> str:
        """Where the artifacts lie."""
        return self.artifact_uri

    def get_local_dir(self) -> Path | None:
        """The artifact folder, if it is on this machine."""
        return self._artifacts.place.local

    def keep_provenance(self) -> None:
        """Attach where this run comes from: written with the first artifacts, or at the end."""
        found = provenance()
        self._artifacts.keep({"provenance.json": found.summary, **found.code})

    # -- inside -------------------------------------------------------------------------------------------------------

    def _put(self, items: Sequence[Item]) -> None:
        self._check_process()
        self._writer.put(items)
        if failed := self._not_logged():
            raise failed

    def _send(self, items: Sequence[Item]) -> None:
        self._client.log_batch(
            self.id,
            metrics=[item for item in items if isinstance(item, Metric)],
            params=[item for item in items if isinstance(item, Param)],
            tags=[item for item in items if isinstance(item, RunTag)],
        )

    def _written(self) -> RollqError | None:
        """Write everything; what could not be, as an error."""
        failed: RollqError | None = None
        try:
            self._save_long()
            self._artifacts.write()
        except RollqError as error:
            failed = error
        self._writer.flush()
        return self._not_logged() or failed

    def _not_logged(self) -> NotLogged | None:
        failed = self._writer.take_failures()
        if not failed:
            return None
        shown = "; ".join(str(one) for one in failed[:SHOWN])
        more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        return NotLogged(f"Recorder {self.id}: MLflow did not take {shown}{more}.", "Everything else was written.")

    def _terminate(self, status: RecorderStatus) -> None:
        try:
            self._call(lambda: self._client.set_terminated(self.id, str(status)))
        finally:
            self._writer.close()
        self.status, self.end_time = status, _time(int(time.time() * 1000))

    def _key(self, name: str) -> str:
        key = escape(name)
        if is_shortened(key):
            self._long["names"][key] = name
            self._unsaved = True
        return key

    def _short(self, part: str, name: str, value: object, most: int) -> str:
        """A value as the store takes it; a longer one is kept, and pointed to."""
        whole = text(value, f"The value of {name!r}")
        if len(whole) <= most:
            return whole
        self._long[part][name] = whole
        self._unsaved = True
        return f"{POINTER} {whole[:100]}..."

    def _whole(self, found: Mapping[str, str], kept: Mapping[str, str], long: Long) -> dict[str, str]:
        named = {self._name(key, long): value for key, value in found.items()}
        return {name: kept.get(name, value) if value.startswith(POINTER) else value for name, value in named.items()}

    def _name(self, key: str, long: Long) -> str:
        return long["names"][key] if key in long["names"] else unescape(key)

    def _read_long(self) -> Long:
        if self._pid == os.getpid():
            self.flush()
        return self._kept_long()

    def _kept_long(self) -> Long:
        try:
            found: Long = self._artifacts.load(LONG)
        except ArtifactMissing:
            found = {}
        return {part: found.get(part, {}) for part in self._long}

    def _save_long(self) -> None:
        """Add to what is there: another process may have written into this run before."""
        if self._unsaved:
            self._long = {part: {**kept, **self._long[part]} for part, kept in self._kept_long().items()}
            self._artifacts.keep({LONG: self._long})
            self._unsaved = False

    def _fresh(self) -> Any:
        self._call(self._refresh)
        return self._data

    def _refresh(self) -> None:
        self._data = self._client.get_run(self.id).data

    def _call(self, call: Any) -> None:
        try:
            retry(call)
        except (MlflowException, OSError) as error:
            raise Unavailable(f"MLflow does not answer: {error}.", "Check MLFLOW_TRACKING_URI.") from error

    def _check_unneeded(self, deed: str) -> None:
        """A finished run may be needed by others."""
        if self.status is RecorderStatus.FINISHED:
            check_hands_off([self], deed)

    def _check_process(self) -> None:
        """A forked child holds a copy of its parent's recorder: it must not write into the parent's run."""
        if self._pid != os.getpid():
            raise StateError(
                f"The recorder {self.id} belongs to process {self._pid}.",
                "Start a recorder of its own in this process, or log in the parent.",
            )


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _is_absent(error: BaseException | None) -> bool:
    return isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST"

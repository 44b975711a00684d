"""A recorder on MLflow: one run.

It puts together what knows a part of the job: the run in the store (``stored_run``), the thread that logs (``writer``),
the artifacts, and the texts that are too long for the store (``long_texts``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from rollq.tasks.components.record import Metrics
from rollq.tasks.errors import NotFound, NotLogged, RollqError, StateError
from rollq.tasks.tracking.artifacts.artifacts import Artifacts
from rollq.tasks.tracking.artifacts.storage import Storage, storage_of
from rollq.tasks.tracking.mlflow.long_texts import PARAMS, TAGS, Long, LongTexts, whole_name, whole_values
from rollq.tasks.tracking.mlflow.names import (
    MAX_TAG,
    MAX_VALUE,
    escape,
    flatten,
    infinite_again,
    metrics_and_step,
    number,
)
from rollq.tasks.tracking.mlflow.stored_run import StoredRun, now, time_of
from rollq.tasks.tracking.mlflow.writer import Item, Writer, not_logged
from rollq.tasks.tracking.runs.hands_off import check_hands_off
from rollq.tasks.tracking.runs.lifecycle import RECORDER_STATES, RecorderStatus
from rollq.tasks.tracking.runs.process import Process
from rollq.tasks.tracking.runs.provenance import provenance
from rollq.tasks.tracking.runs.recorder import Recorder

SUPERSEDED = "rollq.superseded"


class MLflowRecorder(Recorder):
    """One run of an MLflow experiment. Made by ``MLflowExperiment``.

    Args:
        client: of the tracking store.
        run: as MLflow returned it.
        own: this process made the run just now, so nothing is in it yet.
        options: ``components`` and ``pickle_classes``, as for ``Artifacts``.
    """

    def __init__(self, client: MlflowClient, run: Run, *, own: bool = False, **options: Any) -> None:
        """The process is noted, because a recorder lives on in a forked child, which must not write."""
        self._pid = os.getpid()
        self._stored = StoredRun(client, run)
        self._writer = Writer(self._stored.send)
        self.id = run.info.run_id
        self.name = run.info.run_name
        self.experiment_id = run.info.experiment_id
        self.start_time, self.end_time = time_of(run.info.start_time), time_of(run.info.end_time)
        self.artifact_uri: str = run.info.artifact_uri
        self.status = RecorderStatus.of_mlflow(run.info.status)
        self._artifacts = Artifacts(storage_of(client, self.id, self.artifact_uri), own=own, **options)
        self._long = LongTexts(self._artifacts)

    @property
    def uri(self) -> str:
        """The tracking URI."""
        return self._stored.uri

    def set_recorder_name(self, rname: str) -> None:
        """Give it another name."""
        self._check_process()
        self._check_unneeded("renamed")
        self.name = self._stored.rename(rname)

    # -- life ---------------------------------------------------------------------------------------------------------

    def start_run(self) -> MLflowRecorder:
        """Begin, or begin again."""
        self._check_process()
        status = RECORDER_STATES.check(self.status, RecorderStatus.RUNNING)
        # A finished run may serve: the ledger is asked before it is opened.
        self._check_unneeded("begun again")
        self.status = status
        self._stored.set_tags(Process.this().tags())
        self._stored.begin(str(status))
        self.start_time = self.start_time or time_of(now())
        return self

    def end_run(self, status: str = RecorderStatus.FINISHED) -> None:
        """Write what is left and end; also if something cannot be written."""
        self._check_process()
        end = self.status if status == self.status == "RUNNING" else RECORDER_STATES.check(self.status, status)
        self._check_unneeded(f"ended as {status}")
        failed = self._written()
        # Ended in any case: a run that cannot be written whole must not show RUNNING for ever.
        self._terminate(RecorderStatus.FAILED if failed else end)
        if failed:
            raise failed

    def supersede(self, why: str) -> None:
        """Mark a run whose attempt lost its claim, whatever its status: FAILED, with the reason as a tag."""
        # The reason first: a run that is FAILED without one would puzzle its reader.
        self._stored.set_tags({SUPERSEDED: why[:MAX_VALUE]})
        self._terminate(RECORDER_STATES.check(self.status, RecorderStatus.FAILED, correction=True))

    def reinstate(self) -> None:
        """Take back that a run was closed: it is FINISHED."""
        self._terminate(RECORDER_STATES.check(self.status, RecorderStatus.FINISHED, correction=True))
        if SUPERSEDED in self.tags:
            self._stored.delete_tag(SUPERSEDED)

    def discard(self) -> None:
        """Delete a run that this process made and that nothing can refer to yet: no reference is looked for."""
        self._check_process()
        self._stored.delete()

    def flush(self) -> None:
        """Wait until everything that was logged is written."""
        if failed := self._written():
            raise failed

    # -- params, metrics, tags ----------------------------------------------------------------------------------------

    def log_params(self, params: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Log nested parameters; values too long for the store go to an artifact that the param points to."""
        flat = flatten({**(params or {}), **more})
        long = self._long
        self._put([Param(long.key(name), long.value(PARAMS, name, value, MAX_VALUE)) for name, value in flat.items()])

    def log_metrics(self, *given: Metrics, step: int | None = None, **more: float) -> None:
        """Log metrics of one step."""
        time, (metrics, at) = now(), metrics_and_step(given, step, more)
        self._put([Metric(self._long.key(name), number(value, name), time, at) for name, value in metrics.items()])

    def log_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Log series, one value a step (a step is a boosting round, for example)."""
        time, keyed = now(), [(self._long.key(name), values) for name, values in history.items()]
        steps = [(key, step, value) for key, values in keyed for step, value in enumerate(values)]
        self._put([Metric(key, number(value, key), time, step) for key, step, value in steps])

    def set_tags(self, tags: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Set tags, of any length: one that is too long for the store goes to an artifact that the tag points to."""
        given, long = {**(tags or {}), **more}, self._long
        self._put([RunTag(long.key(name), long.value(TAGS, name, value, MAX_TAG)) for name, value in given.items()])

    def delete_tags(self, *keys: str) -> None:
        """Delete tags."""
        self._check_process()
        self.flush()
        for key in keys:
            if not self._stored.delete_tag(escape(key)):
                raise NotFound(f"The recorder {self.id} has no tag {key!r}.", "See list_tags().")

    def list_params(self) -> dict[str, str]:
        """Every param, whole."""
        long = self._whole_texts()
        return whole_values(self._stored.read().params, PARAMS, long)

    def list_metrics(self) -> dict[str, float]:
        """The last value of every metric."""
        long = self._whole_texts()
        return {whole_name(key, long): infinite_again(value) for key, value in self._stored.read().metrics.items()}

    def list_tags(self) -> dict[str, str]:
        """Every tag."""
        long = self._whole_texts()
        return whole_values(self._stored.read().tags, TAGS, long)

    @property
    def tags(self) -> dict[str, str]:
        """Tags as they were when the run was read: no question to the store."""
        return self._stored.tags

    @property
    def params(self) -> dict[str, str]:
        """Params as they were when the run was read, shortened ones as they are in the store."""
        return self._stored.params

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics as they were when the run was read."""
        return self._stored.metrics

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

    def load_object(self, name: str, unpickler: object = None) -> Any:
        """What was saved under ``name``."""
        return self._artifacts.load(name)

    def load_folder(self, name: str) -> Path:
        """A local folder with everything below ``name``, all of it checked."""
        return self._artifacts.folder(name)

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Save a file under its own name, or what is in a folder."""
        self._check_process()
        self._artifacts.save_files(Path(local_path), artifact_path)

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of all artifacts, or of those in a folder."""
        return self._artifacts.names(artifact_path)

    def checksums(self) -> dict[str, str]:
        """SHA-256 (hex) of each artifact."""
        return self._artifacts.checksums()

    def download_artifact(self, path: str, dst_path: str | Path | None = None) -> str:
        """A local copy, checked."""
        return str(self._artifacts.folder(path) if dst_path is None else self._artifacts.copy(path, Path(dst_path)))

    @property
    def storage(self) -> Storage:
        """Where its artifacts lie: for files that have another manifest than the run's."""
        return self._artifacts.storage

    def get_artifact_uri(self) -> str:
        """Where the artifacts lie."""
        return self.artifact_uri

    def get_local_dir(self) -> str:
        """The folder of the run, which holds ``artifacts``."""
        local = self._artifacts.storage.local
        if local is None:
            raise StateError(f"The artifacts of {self.id} are not on this machine.", "Use download_artifact().")
        return str(local.parent)

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

    def _written(self) -> RollqError | None:
        """Write everything; what could not be, as an error."""
        failed: RollqError | None = None
        try:
            # The long texts are an artifact, so they are kept before the artifacts are written; the writer comes last,
            # because its thread works meanwhile.
            self._long.save()
            self._artifacts.write()
        except RollqError as error:
            failed = error
        self._writer.flush()
        return self._not_logged() or failed

    def _not_logged(self) -> NotLogged | None:
        failed = self._writer.take_failures()
        return not_logged(self.id, failed) if failed else None

    def _terminate(self, status: RecorderStatus) -> None:
        # One that is given back, or goes on, has no end.
        ended = status in (RecorderStatus.FINISHED, RecorderStatus.FAILED)
        try:
            self._stored.end(str(status)) if ended else self._stored.begin(str(status))
        finally:
            self._writer.close()
            self._artifacts.share()
        self.status, self.end_time = status, time_of(now()) if ended else None

    def _whole_texts(self) -> Long:
        """The long texts in the store, once what this process has logged is there."""
        if self._pid == os.getpid():
            self.flush()
        return self._long.saved()

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

"""``R``: the recorder that is meant when none is named, as in the reference.

    with R.start(experiment_name="daily"):
        R.log_params(learning_rate=0.05)
        R.log_metrics(ic=0.04)
        R.save_objects(pred=frame)

One recorder is active in a process at a time. A child process has its own ``R`` and never writes into its parent's run.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd

from rollq.tasks.components.record import Metrics
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import Settings, load_settings
from rollq.tasks.definition import MODULE
from rollq.tasks.errors import BadInput, RollqError, StateError
from rollq.tasks.runtime import find_running
from rollq.tasks.tracking.manager import ExpManager, MLflowExpManager, checked_uri
from rollq.tasks.tracking.mlflow.store import local_tracking_uri
from rollq.tasks.tracking.runs.experiment import Experiment
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.recorder import Recorder

log = logging.getLogger(__name__)

TRACEBACK = "traceback.txt"
OF_QLIB = "qlib.workflow.expm"  # the module that holds MLflowExpManager there


class Workflow:
    """The face of the experiment manager of this process."""

    def __init__(self) -> None:
        self._manager: ExpManager | None = None
        # Threads share one `R`; the lock is held by a method that calls another one, so it must let its holder in
        # again.
        self._lock = threading.RLock()

    def setup(self, exp_manager: ExpManager | Mapping[str, object]) -> None:
        """Use this experiment manager from now on.

        Args:
            exp_manager: one, or ``{"class": "MLflowExpManager", "module_path": ..., "kwargs": {"uri":
                ..., "default_exp_name": ...}}``; Qlib's module is known, too.

        Raises:
            BadInput: the class is not registered, or is no experiment manager.
            StateError: a recorder is active, which would be lost.
        """
        made = exp_manager if isinstance(exp_manager, ExpManager) else build(ours(exp_manager), "exp_manager")
        if not isinstance(made, ExpManager):
            raise BadInput(f"{type(made).__name__} is no experiment manager.", "Use MLflowExpManager.")
        with self._lock:
            if self._manager is not None and (active := self._manager.active_experiment):
                raise StateError(f"A recorder of experiment {active.name!r} is active.", "End it first: R.end_exp().")
            self._manager = made

    @property
    def exp_manager(self) -> ExpManager:
        """The experiment manager; by default at the settings' MLflow, or that of the stack in the state folder."""
        with self._lock:
            if self._manager is None:
                self._manager = _default_manager()
            return self._manager

    # -- life ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def start(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        uri: str | None = None,
        resume: bool = False,
    ) -> Iterator[Recorder]:
        """Record what the block does. It ends FINISHED, or FAILED with its traceback as an artifact.

        SIGTERM ends the block as an exception does, if no other handler is set.

        Raises:
            StateError: another recorder is active.
            NotLogged: something could not be written.
        """
        experiment = self.start_exp(
            experiment_id=experiment_id,
            experiment_name=experiment_name,
            recorder_id=recorder_id,
            recorder_name=recorder_name,
            uri=uri,
            resume=resume,
        )
        recorder = _begun(experiment)
        try:
            with _sigterm_raises():
                yield recorder
        except BaseException as error:
            self._fail(recorder, error)
            raise
        self.end_exp(RecorderStatus.FINISHED)

    def start_exp(self, **names: Any) -> Experiment:
        """Begin a recorder without a block; end it with ``end_exp``. Arguments and errors as for ``start``."""
        with self._lock:
            return self.exp_manager.start_exp(**names)

    def end_exp(self, recorder_status: str = RecorderStatus.FINISHED) -> None:
        """End the active recorder, with any status as ``Recorder.end_run``; nothing happens if there is none."""
        with self._lock:
            self.exp_manager.end_exp(recorder_status)

    def _fail(self, recorder: Recorder, error: BaseException) -> None:
        """The block's own error is what the caller must see: what fails now is only logged."""
        try:
            # Before the run ends, as one of its artifacts.
            recorder.save_objects(**{TRACEBACK: "".join(traceback.format_exception(error))})
        except RollqError as second:
            log.warning("the traceback could not be saved: %s", second)
        try:
            self.end_exp(RecorderStatus.FAILED)
        except RollqError as second:
            log.warning("the recorder %s could not be ended: %s", recorder.id, second)

    # -- experiments and recorders ------------------------------------------------------------------------------------

    def get_exp(self, **names: Any) -> Experiment:
        """As ``ExpManager.get_exp``."""
        with self._lock:
            return self.exp_manager.get_exp(**names)

    def delete_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> None:
        """As ``ExpManager.delete_exp``."""
        self.exp_manager.delete_exp(experiment_id, experiment_name)

    def list_experiments(self) -> dict[str, Experiment]:
        """All experiments by name."""
        return self.exp_manager.list_experiments()

    def get_recorder(
        self,
        *,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
    ) -> Recorder:
        """The recorder that is named, else the active one; none is made. An id is enough, whatever its experiment.

        Raises:
            NotFound: there is none.
        """
        if recorder_id is not None and experiment_id is None and experiment_name is None:
            return self.exp_manager.get_recorder(recorder_id)
        experiment = self.get_exp(experiment_id=experiment_id, experiment_name=experiment_name, create=False)
        return experiment.get_recorder(recorder_id, recorder_name, create=False)

    def list_recorders(
        self, experiment_id: str | None = None, experiment_name: str | None = None, **filters: Any
    ) -> dict[str, Recorder] | list[Recorder]:
        """As ``Experiment.list_recorders``, of the experiment that is named; one that is not there is made."""
        experiment = self.get_exp(experiment_id=experiment_id, experiment_name=experiment_name)
        return experiment.list_recorders(**filters)

    def search_records(self, experiment_ids: Sequence[str] | None = None, **kwargs: object) -> pd.DataFrame:
        """As ``ExpManager.search_records``."""
        return self.exp_manager.search_records(experiment_ids, **kwargs)

    def delete_recorder(self, recorder_id: str | None = None, recorder_name: str | None = None) -> None:
        """Delete a recorder of the active or the default experiment."""
        self.get_exp(create=False).delete_recorder(recorder_id, recorder_name)

    def get_uri(self) -> str:
        """The tracking URI that is used now."""
        return self.exp_manager.uri

    @property
    def uri(self) -> str:
        """The same as ``get_uri``."""
        return self.get_uri()

    def set_uri(self, uri: str | None) -> None:
        """Use another tracking URI by default; None: that of the settings again."""
        self.exp_manager.default_uri = checked_uri(uri) if uri else _default_uri(load_settings())

    def uri_context(self, uri: str) -> AbstractContextManager[None]:
        """Use another tracking URI inside a ``with`` block."""
        return self.exp_manager.uri_context(uri)

    # -- the active recorder ------------------------------------------------------------------------------------------

    def log_params(self, params: Mapping[str, object] | None = None, /, **more: object) -> None:
        """As ``Recorder.log_params``, into the active recorder; one is started if there is none."""
        self._active().log_params(params, **more)

    def log_metrics(self, *given: Metrics, step: int | None = None, **more: float) -> None:
        """As ``Recorder.log_metrics``."""
        self._active().log_metrics(*given, step=step, **more)

    def set_tags(self, tags: Mapping[str, object] | None = None, /, **more: object) -> None:
        """As ``Recorder.set_tags``."""
        self._active().set_tags(tags, **more)

    def save_objects(
        self, local_path: str | Path | None = None, artifact_path: str | None = None, **objects: object
    ) -> None:
        """As ``Recorder.save_objects``."""
        self._active().save_objects(local_path, artifact_path, **objects)

    def load_object(self, name: str, unpickler: object = None) -> Any:
        """As ``Recorder.load_object``."""
        return self._active().load_object(name, unpickler)

    def set_recorder_name(self, rname: str) -> None:
        """As ``Recorder.set_recorder_name``."""
        self._active().set_recorder_name(rname)

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """As ``Recorder.log_artifact``."""
        self._active().log_artifact(local_path, artifact_path)

    def download_artifact(self, path: str, dst_path: str | Path | None = None) -> str:
        """As ``Recorder.download_artifact``."""
        return self._active().download_artifact(path, dst_path)

    def _active(self) -> Recorder:
        with self._lock:
            experiment = self.exp_manager.get_exp(start=True)
            return experiment.active_recorder or experiment.get_recorder(start=True)


R = Workflow()


def ours(config: object) -> object:
    """``config`` with rollq's class where it names Qlib's."""
    if not isinstance(config, Mapping) or config.get(MODULE) != OF_QLIB:
        return config
    return {name: value for name, value in config.items() if name != MODULE}


def _default_manager() -> ExpManager:
    settings = load_settings()
    return MLflowExpManager(_default_uri(settings), **settings.artifact_options)


def _default_uri(settings: Settings) -> str:
    """Where the settings have MLflow, else the stack that runs in the state folder; else a store there."""
    running = None if settings.mlflow_uri else find_running(settings.state_dir)
    return settings.mlflow_uri or (running.mlflow_uri if running else local_tracking_uri(settings.state_dir))


def _begun(experiment: Experiment) -> Recorder:
    assert experiment.active_recorder  # noqa: S101 - it was just started
    return experiment.active_recorder


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into ``SystemExit`` inside the block, unless a handler is set already."""
    main = threading.current_thread() is threading.main_thread()
    # Python lets only the main thread set handlers; and a worker's own handler must stay.
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

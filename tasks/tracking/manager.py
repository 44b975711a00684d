"""The experiment manager: experiments by name at a tracking URI, of which one is active in this process at a time."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rollq.tasks.config.settings import ArtifactOptions
from rollq.tasks.config.tracking_uri import usable_uri
from rollq.tasks.errors import BadInput, NotFound, StateError
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, away
from rollq.tasks.tracking.mlflow.store import as_mlflow_reads, prepare_tracking
from rollq.tasks.tracking.runs.experiment import Experiment
from rollq.tasks.tracking.runs.hands_off import check_deletion
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.recorder import Recorder

T = TypeVar("T")
DEFAULT_EXPERIMENT = "Experiment"


def checked_uri(uri: str) -> str:
    """``uri`` as settings would have it: absolute, and a database where it names a plain folder.

    Raises:
        BadInput: no runs can be kept there.
    """
    try:
        return usable_uri(uri)
    except ValueError as error:
        raise BadInput(f"The tracking URI {uri!r} cannot be used: {error}.", "Name another one.") from None


class ExpManager(ABC):
    """Experiments at a tracking URI.

    Args:
        uri: the default tracking URI; a plain folder stands for the SQLite store inside it.
        default_exp_name: the experiment that is meant when none is named.
    """

    def __init__(self, uri: str, default_exp_name: str = DEFAULT_EXPERIMENT) -> None:
        self.default_uri = checked_uri(uri)
        self.default_exp_name = default_exp_name
        self._uri: str | None = None
        self._active: tuple[int, Experiment] | None = None  # with the process that it is active in

    @property
    def uri(self) -> str:
        """The tracking URI that is used now."""
        return self._uri or self.default_uri

    @property
    def active_experiment(self) -> Experiment | None:
        """The one that runs in this process. A forked child has none."""
        return self._active[1] if self._active and self._active[0] == os.getpid() else None

    @contextmanager
    def uri_context(self, uri: str) -> Iterator[None]:
        """Use another tracking URI inside the block."""
        before, self._uri = self._uri, checked_uri(uri)
        try:
            yield
        finally:
            self._uri = before

    def start_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        uri: str | None = None,
        resume: bool = False,
    ) -> Experiment:
        """Begin a recorder in an experiment and make both active.

        Raises:
            StateError: another experiment is active.
        """
        if self.active_experiment is not None:
            active = self.active_experiment.active_recorder
            raise StateError(
                f"Experiment {self.active_experiment.name!r} is active (recorder {active.id if active else '-'}).",
                "End it first: R.start() cannot be nested, nor used by two threads at once.",
            )
        self._uri = checked_uri(uri) if uri else self._uri
        experiment = self.get_exp(experiment_id=experiment_id, experiment_name=experiment_name)
        experiment.start(recorder_id=recorder_id, recorder_name=recorder_name, resume=resume)
        self._active = (os.getpid(), experiment)
        return experiment

    def end_exp(self, recorder_status: str = RecorderStatus.FINISHED) -> None:
        """End the active experiment with its recorder; nothing happens if there is none.

        Raises:
            InvalidTransition, NotLogged: as ``Recorder.end_run``.
        """
        experiment, self._active = self.active_experiment, None
        self._uri = None
        if experiment is not None:
            experiment.end(recorder_status)

    def get_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> Experiment:
        """The experiment that is named; else the active one; else the default one.

        Args:
            experiment_id: MLflow's id.
            experiment_name: its name, if no id is given.
            create: make it if there is none; one that is asked for by id cannot be made.
            start: begin a recorder in it and make it active, if none is.

        Raises:
            NotFound: there is none, and it was not to be made.
        """
        if experiment_id is None and experiment_name is None and self.active_experiment is not None:
            return self.active_experiment
        found = self._find(experiment_id, experiment_name or self.default_exp_name)
        if found is None:
            if not create or experiment_id is not None:
                asked = experiment_id or experiment_name or self.default_exp_name
                raise NotFound(f"There is no experiment {asked!r}.", "See list_experiments().")
            found = self.create_exp(experiment_name)
        # An experiment that is active stays so: one may look at another one in between.
        if start and self.active_experiment is None:
            found.start()
            self._active = (os.getpid(), found)
        return found

    @abstractmethod
    def get_recorder(self, recorder_id: str) -> Recorder:
        """The recorder of an id, whatever its experiment.

        Raises:
            NotFound: there is none.
        """

    @abstractmethod
    def create_exp(self, experiment_name: str | None = None) -> Experiment:
        """The experiment of this name; made once, however many processes try."""

    @abstractmethod
    def delete_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> None:
        """Delete an experiment.

        Raises:
            NotFound: there is none.
        """

    @abstractmethod
    def list_experiments(self) -> dict[str, Experiment]:
        """All experiments by name."""

    @abstractmethod
    def search_records(self, experiment_ids: Sequence[str] | None = None, **kwargs: object) -> pd.DataFrame:
        """Recorders of several experiments, as ``Experiment.search_records``."""

    @abstractmethod
    def _find(self, experiment_id: str | None, experiment_name: str) -> Experiment | None:
        """The experiment that is named (by id, if there is one), if it is there."""


class MLflowExpManager(ExpManager):
    """Experiments on MLflow.

    Args:
        uri: of the tracking store.
        default_exp_name: the experiment that is meant where none is named.
        components, pickle_classes: what may be loaded from its runs, as in the settings.
    """

    def __init__(
        self,
        uri: str,
        default_exp_name: str = DEFAULT_EXPERIMENT,
        components: Sequence[str] = (),
        pickle_classes: Sequence[str] = (),
    ) -> None:
        """Each keyword has its name, so that a misspelt one is refused here, and not by the first experiment."""
        super().__init__(uri, default_exp_name)
        self._options: ArtifactOptions = {"components": tuple(components), "pickle_classes": tuple(pickle_classes)}

    def create_exp(self, experiment_name: str | None = None) -> MLflowExperiment:
        """The experiment of this name."""
        prepare_tracking(self.uri)
        return MLflowExperiment.open(experiment_name or self.default_exp_name, self.uri, **self._options)

    def delete_exp(self, experiment_id: str | None = None, experiment_name: str | None = None) -> None:
        """Delete an experiment, as MLflow does: it can be restored.

        Raises:
            StateError: an online set, signals, predictions or an open round needs one of its recorders.
        """
        if experiment_id is None and experiment_name is None:
            raise BadInput("Which experiment?", "Give its id or its name.")
        found = self._find(experiment_id, experiment_name or "")
        if found is None:
            raise NotFound(f"There is no experiment {experiment_id or experiment_name!r}.", "See list_experiments().")
        check_deletion(found.iter_recorders(), "deleted with its experiment")
        try:
            MlflowClient(as_mlflow_reads(self.uri)).delete_experiment(found.id)
        except MlflowException as error:
            raise away(error) from error

    def get_recorder(self, recorder_id: str) -> Recorder:
        """The recorder of an id."""
        prepare_tracking(self.uri)
        run = _found(lambda: MlflowClient(as_mlflow_reads(self.uri)).get_run(recorder_id))
        if run is None:
            raise NotFound(f"There is no recorder {recorder_id!r}.", "See list_recorders().")
        return self.get_exp(experiment_id=run.info.experiment_id, create=False).get_recorder(recorder_id)

    def list_experiments(self) -> dict[str, Experiment]:
        """All experiments by name."""
        prepare_tracking(self.uri)
        return {one.name: one for one in MLflowExperiment.all(self.uri, **self._options)}

    def search_records(self, experiment_ids: Sequence[str] | None = None, **kwargs: Any) -> pd.DataFrame:
        """Recorders of several experiments; by default of the active or the default one."""
        if experiment_ids is None:
            return self.get_exp(create=False).search_records(**kwargs)
        frames = [self.get_exp(experiment_id=ident, create=False).search_records(**kwargs) for ident in experiment_ids]
        # pandas warns, and will decide otherwise one day, about the types of empty frames that are joined.
        filled = [frame for frame in frames if not frame.empty] or frames[:1]
        return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()

    def _find(self, experiment_id: str | None, experiment_name: str) -> MLflowExperiment | None:
        """The experiment of an id, or else of a name; None if there is none, or it was deleted."""
        prepare_tracking(self.uri)
        if experiment_id is None:
            return MLflowExperiment.find(experiment_name, self.uri, **self._options)
        client = MlflowClient(as_mlflow_reads(self.uri))
        found = _found(lambda: client.get_experiment(experiment_id))
        if found is None or found.lifecycle_stage == "deleted":
            return None
        return MLflowExperiment(client, found.experiment_id, found.name, **self._options)


def _found(ask: Callable[[], T]) -> T | None:
    """What MLflow says of an id; None if it knows none such."""
    try:
        return ask()
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise away(error) from error

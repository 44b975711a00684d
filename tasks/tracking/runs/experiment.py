"""What an experiment is: recorders under a name, of which one is active in this process at a time."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import pandas as pd

from rollq.tasks.errors import NotFound, StateError
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.recorder import Recorder


class Experiment(ABC):
    """Recorders under a name. Names and meanings are those of the reference."""

    RT_D: Literal["dict"] = "dict"
    RT_L: Literal["list"] = "list"

    def __init__(self, ident: str, name: str) -> None:
        self.id = ident
        self.name = name
        self._active: tuple[int, Recorder] | None = None  # with the process that it is active in

    @property
    def active_recorder(self) -> Recorder | None:
        """The one that runs in this process. A forked child has none."""
        return self._active[1] if self._active and self._active[0] == os.getpid() else None

    @active_recorder.setter
    def active_recorder(self, recorder: Recorder | None) -> None:
        self._active = (os.getpid(), recorder) if recorder else None

    @property
    def info(self) -> dict[str, object]:
        """The facts in one mapping, JSON-able."""
        active = self.active_recorder
        return {
            "class": "Experiment",
            "id": self.id,
            "name": self.name,
            "active_recorder": active.id if active else None,
            "recorders": [recorder.id for recorder in self.iter_recorders()],
        }

    def __repr__(self) -> str:
        """Id and name."""
        return f"{type(self).__name__}(id={self.id!r}, name={self.name!r})"

    def start(
        self, *, recorder_id: str | None = None, recorder_name: str | None = None, resume: bool = False
    ) -> Recorder:
        """Begin a new recorder, or with ``resume`` the one that is named, and make it the active one.

        Raises:
            StateError: another one is active.
        """
        self._check_idle()
        if resume and (recorder_id or recorder_name):
            recorder = self.get_recorder(recorder_id=recorder_id, recorder_name=recorder_name, create=True)
            if recorder.status is not RecorderStatus.RUNNING:
                recorder.start_run()
        else:
            recorder = self.create_recorder(recorder_name, start=True)
        self.active_recorder = recorder
        return recorder

    def end(self, recorder_status: str = RecorderStatus.FINISHED) -> None:
        """End the active recorder; nothing happens if there is none.

        Raises:
            InvalidTransition, NotLogged: as ``Recorder.end_run``.
        """
        # Given up before it is ended: if that fails, the next recorder can start all the same.
        recorder, self.active_recorder = self.active_recorder, None
        if recorder is not None:
            recorder.end_run(recorder_status)

    def get_recorder(
        self,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> Recorder:
        """The recorder that is named; else the active one; else, with ``create``, a new one.

        Args:
            recorder_id: MLflow's id.
            recorder_name: if several have this name, the newest.
            create: make it if there is none; one that is asked for by id cannot be made.
            start: begin one that was made, and make it the active one.

        Raises:
            NotFound: there is none, and it was not to be made.
            StateError: it was to be started, and another one is active.
        """
        # Without a name the active one is meant, as in Qlib.
        if recorder_id is None and recorder_name is None and self.active_recorder is not None:
            return self.active_recorder
        found = self._find(recorder_id, recorder_name)
        if found is not None:
            return found
        if not create or recorder_id is not None:
            asked = recorder_id or recorder_name
            what = f"recorder {asked!r}" if asked else "active recorder"
            fix = "Start one with R.start(), or name one." if not asked else "See list_recorders()."
            raise NotFound(f"There is no {what} in experiment {self.name!r}.", fix)
        if start:
            self._check_idle()
        recorder = self.create_recorder(recorder_name, start=start)
        if start:
            self.active_recorder = recorder
        return recorder

    @abstractmethod
    def create_recorder(
        self, recorder_name: str | None = None, tags: dict[str, str] | None = None, *, start: bool = False
    ) -> Recorder:
        """A new recorder: SCHEDULED until it is started."""

    @abstractmethod
    def list_recorders(
        self,
        rtype: Literal["dict", "list"] = RT_D,
        max_results: int | None = None,
        status: str | None = None,
        filter_string: str = "",
    ) -> dict[str, Recorder] | list[Recorder]:
        """Recorders, newest first, by id or as a list; all of them, however many, unless ``max_results`` is given."""

    @abstractmethod
    def iter_recorders(self, filter_string: str = "", status: str | None = None) -> Iterator[Recorder]:
        """Recorders one by one, newest first, fetched page by page."""

    @abstractmethod
    def search_records(
        self,
        filter_string: str = "",
        run_view_type: int = 1,
        max_results: int | None = None,
        order_by: list[str] | None = None,
    ) -> pd.DataFrame:
        """One row a recorder: ``run_id``, ``status``, ... and ``metrics.*``, ``params.*``, ``tags.*``."""

    @abstractmethod
    def delete_recorder(self, recorder_id: str | None = None, recorder_name: str | None = None) -> None:
        """Delete a recorder.

        Raises:
            NotFound: there is none.
        """

    @abstractmethod
    def _find(self, recorder_id: str | None, recorder_name: str | None) -> Recorder | None:
        """The recorder that is named, if there is one."""

    def _check_idle(self) -> None:
        if self.active_recorder is not None:
            raise StateError(
                f"The recorder {self.active_recorder.id} is active in this process.",
                "End it first: recorders are not nested.",
            )

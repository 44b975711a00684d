"""Qlib's records as rollq's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import ClassVar

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Record
from rollq.tasks.definition import TEST
from rollq.tasks.errors import ComponentError
from rollq.workers.qlib import natives
from rollq.workers.qlib.classes import check_names
from rollq.workers.qlib.datasets import QlibDataset
from rollq.workers.qlib.models import QlibModel
from rollq.workers.qlib.quiet import quietly
from rollq.workers.qlib.recorder import QlibRecorder, Run, placed
from rollq.workers.qlib.signatures import parameters_of, wrapped

GIVEN = ("recorder", "model", "dataset")  # by the worker
MODEL, DATASET = "<MODEL>", "<DATASET>"
CONFIG, BACKTEST, START, END = "config", "backtest", "start_time", "end_time"


class QlibRecord(Record):
    """A record of Qlib.

    Args:
        recorder, model, dataset: of the window.
        allow_constant: the model may give every row the same score.
        kwargs: those of Qlib's class.
    """

    wraps: ClassVar[Callable[..., natives.Record]]

    def __init__(
        self, recorder: Run, model: Model, dataset: Dataset, allow_constant: bool = False, **kwargs: object
    ) -> None:
        super().__init__(recorder, model, dataset)
        if not isinstance(dataset, QlibDataset):
            raise ComponentError("a record of Qlib needs a dataset of Qlib.", "Use one of rollq's.", "record")
        self.check_config(kwargs, "record.kwargs")
        self._kwargs, self._allow_constant = kwargs, allow_constant
        self._run, self._data = recorder, dataset

    @staticmethod
    def check_config(kwargs: Mapping[str, object], key: str) -> None:
        """Look at keywords before anything is enqueued.

        Raises:
            ComponentError: they name what is neither Qlib's nor registered.
        """
        check_names(kwargs, key)

    def generate(self) -> dict[str, float]:
        """Let Qlib's record write into the run; the metrics that it logged."""
        native = self.model.native if isinstance(self.model, QlibModel) else self.model
        facade = QlibRecorder(self._run, self._data, self._allow_constant)
        found = placed(self._of_window(), {MODEL: native, DATASET: self._data.native})
        kwargs = {**found, "recorder": facade} if isinstance(found, dict) else {"recorder": facade}
        self._data.make_ready()
        with quietly():
            try:
                record = self.wraps(**{"model": native, "dataset": self._data.native, **kwargs})
            except TypeError:  # most take neither
                record = self.wraps(**kwargs)
            record.generate()
        return facade.pooled

    def _of_window(self) -> dict[str, object]:
        """The keywords, in which a backtest has the days of this window: a file gives those of its whole range."""
        config = self._kwargs.get(CONFIG)
        backtest = config.get(BACKTEST) if isinstance(config, Mapping) else None
        if not isinstance(config, Mapping) or not isinstance(backtest, Mapping):
            return self._kwargs
        days = self._data.sessions
        start, end = (None if one is None else pd.Timestamp(str(one)) for one in self._data.segments[TEST])
        # Qlib trades on the day after; the calendar must have it.
        end = days[-2] if end is None else min(end, days[-2])
        bounds = {START: _bound(max, backtest.get(START), start), END: _bound(min, backtest.get(END), end)}
        return {**self._kwargs, CONFIG: {**config, BACKTEST: {**backtest, **bounds}}}


def record_of(cls: type[object]) -> type[QlibRecord]:
    """The class of rollq for one of Qlib's records."""
    given = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in GIVEN]
    return wrapped(QlibRecord, cls, [*given, *parameters_of(cls, ["allow_constant"], without=GIVEN)])


def _bound(choose: Callable[[list[pd.Timestamp]], pd.Timestamp], *bounds: object) -> str | None:
    """The stricter of some bounds, any of which may be open."""
    known = [pd.Timestamp(str(one)) for one in bounds if one is not None]
    return f"{choose(known):%Y-%m-%d}" if known else None

"""Qlib's objects as far as they are used here: Qlib itself carries no types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pandas as pd


class Loader(Protocol):
    """A data loader."""

    def load(self, instruments: object, start_time: object = None, end_time: object = None) -> object:
        """The frame of some instruments."""


class Handler(Protocol):
    """A handler."""

    instruments: object
    start_time: object
    end_time: object
    data_loader: Loader

    _data: pd.DataFrame
    _infer: pd.DataFrame
    _learn: pd.DataFrame

    def setup_data(self, init_type: str = "fit_seq") -> None:
        """Load, fit and process."""


class Dataset(Protocol):
    """A dataset; ``prepare`` gives samples of time series in some."""

    handler: Handler

    def prepare(self, segments: object, col_set: object = "__all", data_key: str = "infer") -> pd.DataFrame:
        """Rows of a segment."""


class Model(Protocol):
    """A model."""

    fit: Callable[..., object]
    predict: Callable[..., pd.Series]


class Record(Protocol):
    """A record."""

    def generate(self) -> object:
        """Write."""

"""Ensembles join predictions: of successive windows, of several models, or of a single key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import pandas as pd

from tasks.errors import EnsembleError


class Ensemble(ABC):
    """Makes one value of a mapping of values. Frames are indexed by (datetime, instrument)."""

    @abstractmethod
    def __call__(self, ensemble_dict: Mapping[Any, Any]) -> Any:
        """The joined value."""


class SingleKeyEnsemble(Ensemble):
    """The value of a mapping with one key, downwards as long as there is one key."""

    def __init__(self, recursion: bool = True) -> None:
        self._recursion = recursion

    def __call__(self, ensemble_dict: Mapping[Any, Any]) -> Any:
        """The value itself; a mapping with several keys comes back with its values unwrapped."""
        if not isinstance(ensemble_dict, Mapping):
            return ensemble_dict
        values = dict(ensemble_dict)
        if self._recursion:
            values = {key: self(value) for key, value in values.items()}
        return next(iter(values.values())) if len(values) == 1 else values


class RollingEnsemble(Ensemble):
    """Successive windows as one frame: ordered by first date; on duplicates the later window wins."""

    def __call__(self, ensemble_dict: Mapping[Any, Any]) -> Any:
        """The joined frame, unique and sorted by its index.

        Raises:
            EnsembleError: there is nothing to join.
        """
        frames = _frames(ensemble_dict)
        frames.sort(key=lambda frame: frame.index.get_level_values("datetime").min())
        joined = pd.concat(frames)
        return joined[~joined.index.duplicated(keep="last")].sort_index()


class AverageEnsemble(Ensemble):
    """The mean of several models' predictions after each was standardised per day.

    Standardised: (x - mean) / standard deviation over the instruments of a day, with one degree of freedom taken off. A
    day with a single instrument has no deviation: its value is NaN, and the mean leaves NaN out. Ties stay ties.
    """

    def __call__(self, ensemble_dict: Mapping[Any, Any]) -> Any:
        """A series, sorted by its index.

        Raises:
            EnsembleError: there is nothing to join.
        """
        flat = _flatten(ensemble_dict)
        joined = pd.concat(_frames(flat), axis=1).sort_index()
        days = joined.groupby("datetime", group_keys=False)
        return ((joined - days.transform("mean")) / days.transform("std")).mean(axis=1)


def _frames(values: Mapping[Any, Any]) -> list[Any]:
    frames = list(values.values())
    if not frames:
        raise EnsembleError("There is nothing to join.", "Train the windows first, or look for missing predictions.")
    for frame in frames:
        if not isinstance(frame, pd.DataFrame | pd.Series) or "datetime" not in frame.index.names:
            raise EnsembleError(
                "Only frames indexed by (datetime, instrument) can be joined.", "Name the index levels."
            )
    return frames


def _flatten(values: Mapping[Any, Any], prefix: tuple[Any, ...] = ()) -> dict[Any, Any]:
    flat: dict[Any, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, (*prefix, key)))
        else:
            flat[(*prefix, key)] = value
    return flat

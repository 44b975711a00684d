"""Ensembles join predictions: of successive windows, of several models, or of a single key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import pandas as pd
from pandas.errors import InvalidIndexError

from rollq.scheduler.collect.values import Collected, Frame, Values
from rollq.scheduler.collect.window_join import WindowJoin
from rollq.tasks.errors import EnsembleError

DAY = "datetime"


class Ensemble(ABC):
    """Makes one value of a mapping of values. Frames are indexed by (datetime, instrument)."""

    @abstractmethod
    def __call__(self, ensemble_dict: Values) -> object:
        """The joined value."""


class SingleKeyEnsemble(Ensemble):
    """The value of a mapping with one key, downwards as long as there is one key."""

    def __call__(self, ensemble_dict: object, recursion: bool = True) -> object:
        """The value itself; a mapping with several keys, or none, comes back with its values unwrapped.

        Args:
            ensemble_dict: a mapping; anything else comes back as it is.
            recursion: unwrap the values, too.
        """
        if not isinstance(ensemble_dict, Mapping):
            return ensemble_dict
        values = {key: self(value) if recursion else value for key, value in ensemble_dict.items()}
        return next(iter(values.values())) if len(values) == 1 else values


class RollingEnsemble(Ensemble):
    """Successive windows as one frame: ordered by first date; on duplicates the later window wins.

    Windows that start on the same date keep the order of the mapping. A NaN of the later window wins, too.
    """

    def __call__(self, ensemble_dict: Values) -> Frame:
        """The joined frame, unique and sorted by its index; a Series if every window is one.

        Raises:
            EnsembleError: there is nothing to join, or a value is no frame with the index level ``datetime``.
        """
        frames = _frames(ensemble_dict)
        filled = [frame for frame in frames if len(frame)] or frames[:1]  # an empty window has no first date
        filled.sort(key=_first_day)
        joined = _in_a_row(filled)
        if joined is not None:
            return joined
        joined = pd.concat(filled)
        return joined[~joined.index.duplicated(keep="last")].sort_index()


class AverageEnsemble(Ensemble):
    """The mean of several models' predictions after each was standardised per day.

    Standardised: (x - mean) / standard deviation over the instruments of a day, with one degree of freedom taken off. A
    day with a single instrument, or with equal values only, has no deviation: its values are NaN. The mean leaves NaN
    out. docs/concepts/ensembles.md has an example. Source: Qlib's ``AverageEnsemble``.
    """

    def __call__(self, ensemble_dict: Values) -> pd.Series:
        """A Series, sorted by its index: the union of the models' indexes.

        Args:
            ensemble_dict: frames or Series by any keys, nested to any depth.

        Raises:
            EnsembleError: there is nothing to join, a value is no frame with the index level ``datetime``, or rows that
                a model gives twice cannot be matched with those of another.
        """
        frames = _frames(_flatten(ensemble_dict))
        try:
            joined = pd.concat(frames, axis=1).sort_index()
        except (ValueError, InvalidIndexError) as error:
            raise EnsembleError(
                f"The models' rows cannot be matched: {error}.", "Give every model one row per day and instrument."
            ) from None
        days = joined.groupby(DAY, group_keys=False)
        # Equal values have a deviation that rounding may leave a little above 0: dividing by it would make scores out
        # of nothing.
        deviation = days.transform("std").where(days.transform("max") > days.transform("min"))
        averaged = ((joined - days.transform("mean")) / deviation).mean(axis=1)
        # Computed in double precision, and given back as the models gave it.
        return averaged.astype("float32") if (joined.dtypes == "float32").all() else averaged


def _frames(values: Values) -> list[Frame]:
    """The values, each a frame or a Series with the index level ``datetime``.

    Raises:
        EnsembleError: see the callers.
    """
    _refuse_no_mapping(values)
    frames = list(values.values())
    if not frames:
        raise EnsembleError("There is nothing to join.", "Train the windows first, or look for missing predictions.")
    for key, frame in values.items():
        if not isinstance(frame, pd.DataFrame | pd.Series) or DAY not in frame.index.names:
            raise EnsembleError(
                f"The value of {key!r} is no frame indexed by (datetime, instrument).",
                "Pass frames or Series, and name the index levels.",
            )
    # An empty frame has no zone. Of two zones the sessions of a row would be those of the first frame by chance.
    zones = {
        str(frame.index.get_level_values(DAY).dtype).partition(", ")[2].rstrip("]") for frame in frames if len(frame)
    }
    if len(zones) > 1:
        shown = ", ".join(sorted(zone or "no zone" for zone in zones))
        raise EnsembleError(
            f"The times of what is to be joined have different zones: {shown}.", "Give all of it one zone."
        )
    return frames


def _first_day(frame: Frame) -> pd.Timestamp:
    return frame.index.get_level_values(DAY).min()


def _in_a_row(frames: Sequence[Frame]) -> Frame | None:
    """The frames joined, where they are unique and sorted as they stand: that saves several copies. Else None."""
    join = WindowJoin(len(frames))
    return join.joined() if all(join.add(frame) for frame in frames) else None


def _flatten(values: Values, prefix: tuple[object, ...] = ()) -> Collected:
    _refuse_no_mapping(values)
    flat: Collected = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, (*prefix, key)))
        else:
            flat[(*prefix, key)] = value
    return flat


def _refuse_no_mapping(values: object) -> None:
    if not isinstance(values, Mapping):
        raise EnsembleError(f"Predictions are joined from a mapping, not {type(values).__name__}.", "Pass a dict.")

"""A look into the future: what lies after a day is scrambled in a copy of the data; what is known by then must stay.

It is done where the dataset reads Parquet or CSV files; ``docs/how-to/check-a-template.md`` says which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from rollq.checking.frames import difference
from rollq.checking.inspection import NotMade, Wrong
from rollq.checking.scrambled import TimedFiles, timed_files
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    DATASET,
    FITTED,
    PATH,
    SEGMENTS,
    TEST,
    TRAIN,
    Definition,
    dataset_kwargs,
    segments_of,
    with_dataset_kwargs,
    with_paths,
)
from rollq.tasks.errors import RollqError
from rollq.tasks.predictions.session_days import on_sessions, sessions_in
from rollq.workers.expressions.span import Span

KNOWN_AHEAD = "known_ahead"
FIX = "Let features use rows of their own time and earlier ones only; what is fitted is fitted on train."
NONE = "not looked at: the dataset reads no Parquet or CSV files that can be copied"


def look_ahead(definition: Definition, dataset: Dataset, settings: Settings, folder: Path) -> str:
    """Scramble what comes after a day of the test segment, and what comes after train; the features must stay.

    Args:
        dataset: of the window, on the data as they are.
        folder: for the copies.

    Raises:
        NotMade: the dataset reads no files that could be copied.
        Wrong: features change.
    """
    files = _files(dataset_kwargs(definition))
    test = dataset.prepare(TEST, "feature")
    days = sessions_in(test)
    day = days[len(days) // 2]
    later = _with_scrambled(definition, files, pd.Timestamp(day), settings, folder / "test")
    known = on_sessions(test, [one for one in days if one <= day])
    now = later.prepare(TEST, "feature")
    _check(test[known], now[on_sessions(now, [one for one in days if one <= day])], day, "the test segment")
    if TRAIN in dataset.segments:
        end = str(segments_of(definition)[TRAIN][1])[:10]
        after = _with_scrambled(definition, files, pd.Timestamp(end), settings, folder / "train")
        _check(dataset.prepare(TRAIN, "feature"), after.prepare(TRAIN, "feature"), end, "train")
    return f"features stay when all after {day} is scrambled, and those of train when all after it is"


def _files(kwargs: Mapping[str, object]) -> list[TimedFiles]:
    """What is read by a dataset with these keywords, whatever its class."""
    if not isinstance(kwargs.get(PATH), str):
        raise NotMade(NONE)
    try:
        return timed_files(kwargs)
    except NotMade:
        raise
    except RollqError as error:
        raise NotMade(f"{NONE}: {error.message}", error.fix) from error


def _check(before: pd.DataFrame, after: pd.DataFrame, day: str, what: str) -> None:
    if found := difference(before, after):
        raise Wrong(f"features of {what} change when rows after {day} are scrambled: {found}.", FIX)


def _with_scrambled(
    definition: Definition, files: Sequence[TimedFiles], day: pd.Timestamp, settings: Settings, folder: Path
) -> Dataset:
    """The dataset of a window, made anew from copies of its files in which all rows after a day are others."""
    kwargs = dataset_kwargs(definition)
    known = known_until(kwargs.get(KNOWN_AHEAD), files[0].sessions, day)
    paths = {one.key: one.copy(day, known, folder / str(number)) for number, one in enumerate(files)}
    moved = with_paths(kwargs, lambda path, key: paths.get(key, path))
    copied = with_dataset_kwargs(definition, **{**moved, FITTED: None, SEGMENTS: dict(segments_of(definition))})
    made: Dataset = build(copied[DATASET], DATASET, settings.components)
    return made


def known_until(ahead: object, sessions: pd.DatetimeIndex, day: pd.Timestamp) -> dict[str, pd.Timestamp]:
    """The last session up to which each column is known on a day that the template says is known in advance."""
    days = sessions[sessions > day].unique().sort_values()
    found: dict[str, pd.Timestamp] = {}
    for name, written in ahead.items() if isinstance(ahead, Mapping) else ():
        span = Span.of(written)
        # From the last row of the day on; so many rows are at most so many sessions.
        until = day + pd.Timedelta(days=span.days) + pd.Timedelta(span.time).ceil("D")
        found[name] = max(until, days[min(span.steps, len(days)) - 1]) if span.steps and len(days) else until
    return found

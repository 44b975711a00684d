"""A look into the future: what lies after a day is scrambled in a copy of the data; what is known by then must stay.

It is done where the dataset reads one file with a column of times; ``docs/how-to/check-a-template.md`` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rollq.checking.frames import difference
from rollq.checking.inspection import Wrong
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    DATASET,
    FITTED,
    KWARGS,
    PATH,
    SEGMENTS,
    TEST,
    TRAIN,
    Definition,
    dataset_kwargs,
    segments_of,
    with_dataset_kwargs,
)
from rollq.tasks.predictions.session_days import on_sessions, session_days, sessions_in
from rollq.workers.expressions.span import Span

SEED = 14
KNOWN_AHEAD = "known_ahead"
CLOCK = len("2024-01-31T00:00:00")
READERS = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
FIX = "Let features use rows of their own time and earlier ones only; what is fitted is fitted on train."
NONE = "not looked at: the dataset reads no single Parquet or CSV file with a column of times"


def look_ahead(definition: Definition, dataset: Dataset, settings: Settings, folder: Path) -> str:
    """Scramble what comes after a day of the test segment, and what comes after train; the features must stay.

    Args:
        dataset: of the window, on the data as they are.
        folder: for the copies.
    """
    path = dataset_kwargs(definition).get(PATH)
    if not isinstance(path, str) or Path(path).suffix not in READERS or not Path(path).is_file():
        return NONE
    table = READERS[Path(path).suffix](path)
    kwargs = dataset_kwargs(definition)
    sessions = _sessions(table, kwargs.get("time"), kwargs.get("zone"))
    if sessions is None:
        return NONE
    test = dataset.prepare(TEST, "feature")
    days = sessions_in(test)
    day = days[len(days) // 2]
    later = _with_scrambled(definition, table, sessions, pd.Timestamp(day), settings, folder / "test")
    known = on_sessions(test, [one for one in days if one <= day])
    now = later.prepare(TEST, "feature")
    _check(test[known], now[on_sessions(now, [one for one in days if one <= day])], day, "the test segment")
    if TRAIN in dataset.segments:
        end = str(segments_of(definition)[TRAIN][1])[:10]
        after = _with_scrambled(definition, table, sessions, pd.Timestamp(end), settings, folder / "train")
        _check(dataset.prepare(TRAIN, "feature"), after.prepare(TRAIN, "feature"), end, "train")
    return f"features stay when all after {day} is scrambled, and those of train when all after it is"


def _check(before: pd.DataFrame, after: pd.DataFrame, day: str, what: str) -> None:
    if found := difference(before, after):
        raise Wrong(f"features of {what} change when rows after {day} are scrambled: {found}.", FIX)


def _with_scrambled(
    definition: Definition,
    table: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    day: pd.Timestamp,
    settings: Settings,
    folder: Path,
) -> Dataset:
    """The dataset of a window, made anew from a copy of its file in which all rows after a day are others."""
    source = Path(str(dataset_kwargs(definition)[PATH]))
    folder.mkdir(parents=True)
    copy = folder / source.name
    ahead = dataset_kwargs(definition).get(KNOWN_AHEAD)
    scrambled = _scrambled(table, sessions, day, known_until(ahead, sessions, day))
    if source.suffix == ".csv":
        scrambled.to_csv(copy, index=False)
    else:
        scrambled.to_parquet(copy)
    moved = with_dataset_kwargs(definition, **{PATH: str(copy), FITTED: None})
    kwargs = moved[DATASET][KWARGS]
    kwargs[SEGMENTS] = dict(segments_of(definition))
    made: Dataset = build(moved[DATASET], DATASET, settings.components)
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


def _scrambled(
    table: pd.DataFrame, sessions: pd.DatetimeIndex, day: pd.Timestamp, known: Mapping[str, pd.Timestamp]
) -> pd.DataFrame:
    """A copy in which the numbers of the rows after a day are those of others, times a factor; times and names stay.

    Args:
        known: the later days up to which some columns are known on that day.
    """
    draw = np.random.default_rng(SEED)
    made = table.copy()
    for name in table.columns:
        after = sessions > known.get(str(name), day)
        kind = table[name].dtype.kind
        if kind == "f":
            values = table.loc[after, name].to_numpy()
            other = draw.permutation(values) * draw.uniform(0.8, 1.25, len(values))
            made.loc[after, name] = other.astype(values.dtype)
        elif kind in "iu" and not _names_rows(table, name, sessions):
            made.loc[after, name] = draw.permutation(table.loc[after, name].to_numpy())
    return made


def _names_rows(table: pd.DataFrame, name: str, sessions: pd.DatetimeIndex) -> bool:
    """Whether a column of whole numbers tells the rows of a session apart, as that of the instruments does."""
    return not pd.DataFrame({"session": sessions, "name": table[name].to_numpy()}).duplicated().any()


def _sessions(table: pd.DataFrame, named: object, zone: object) -> pd.DatetimeIndex | None:
    """The session of each row, or an earlier one where it is not known in which zone the times are; None: no times.

    By the column that the dataset names, or one that is called or typed so.
    """
    names = [named] if isinstance(named, str) else [name for name in ("datetime", "date", "time") if name in table]
    names += [name for name in table.columns if isinstance(table[name].dtype, pd.DatetimeTZDtype)]
    names += [name for name in table.columns if table[name].dtype.kind == "M"]
    for name in names:
        if name in table:
            try:
                return _days(table[name], zone)
            except (ValueError, TypeError):
                return None
    return None


def _days(column: pd.Series, zone: object) -> pd.DatetimeIndex:
    """The sessions of a column of times. Raises ValueError, TypeError: it holds something else."""
    if pd.api.types.is_string_dtype(column.dtype):
        # Of times with offsets the clock: whose zone it is, the file does not say.
        column = column.str.slice(0, CLOCK)
    times = pd.DatetimeIndex(pd.to_datetime(column))
    if times.tz is not None and isinstance(zone, str):
        return session_days(times.tz_convert(zone))
    days = session_days(times)
    # In another zone it may be the day before.
    elsewhere = isinstance(zone, str) and not (times == times.normalize()).all()
    return days - pd.Timedelta(days=1) if elsewhere else days

"""Hourly load of three places in a zone with daylight saving, as a dataset of a user's own reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from rollq import Dataset, RollingStrategy, frame_hashes
from rollq.tasks.definition import Definition
from rollq.tasks.errors import DataError
from rollq.tasks.predictions.session_days import on_sessions, session_days
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.tasks.rolling.online_options import OnlineOptions
from rollq.tasks.rolling.template import Template

ZONE = "Europe/Berlin"
PLACES = ("north", "south", "west")
BEGIN, END = "2024-02-26", "2024-04-10"  # 2024-03-31 has 23 hours
COMPONENTS = ("tests.rows.hourly:HourlyDataset",)
SEED = 5


def load(begin: str = BEGIN, end: str = END, zone: str = ZONE) -> pd.DataFrame:
    """A row for each hour and place: datetime (in the zone), instrument, temperature, load; seeded."""
    first = pd.Timestamp(begin, tz=zone)
    times = pd.date_range(first, pd.Timestamp(end, tz=zone) + pd.DateOffset(days=1), freq="h", inclusive="left")
    chance = np.random.default_rng(SEED)
    index = pd.MultiIndex.from_product([times, PLACES], names=["datetime", "instrument"])
    hour = np.repeat(times.hour.to_numpy(), len(PLACES))
    temperature = 8 + 6 * np.sin((hour - 9) / 24 * 2 * np.pi) + chance.normal(0, 1, len(index))
    place = np.tile(np.arange(len(PLACES)), len(times))
    used = 50 + 5 * place + 10 * np.cos((hour - 18) / 24 * 2 * np.pi) - (1 + 0.2 * place) * temperature
    return pd.DataFrame({"temperature": temperature, "load": used + chance.normal(0, 1, len(index))}, index)


def write(table: pd.DataFrame, path: Path) -> Path:
    """Put the table in the place of a file at once."""
    table.reset_index().to_parquet(path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    return path


def until(table: pd.DataFrame, time: str) -> pd.DataFrame:
    """What is known before a local time."""
    return table[table.index.get_level_values(0) < pd.Timestamp(time, tz=ZONE)]


class HourlyDataset(Dataset):
    """The load of an hour, from the temperature of it, which is known in advance, and the load two days before.

    Args:
        path: of the table.
        segments: dates.
        data_checks: as in a template.
    """

    def __init__(self, path: str, segments: Mapping[str, Sequence[object]], data_checks: object = None) -> None:
        self._path, self.segments, self._checks = path, dict(segments), data_checks
        DataChecks.of(data_checks)

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        """Rows of a segment, times in the zone."""
        table = self._table()
        start, end = (None if bound is None else str(bound)[:10] for bound in self.segments[segment])
        days = [day for day in self._days(table) if (start or "") <= day and (end is None or day <= end)]
        rows = table[on_sessions(table, days)]
        if rows.empty:
            raise DataError(f"{segment}: it has no rows.", "Give other dates.")
        chosen = ["temperature", "before"] if columns == "feature" else ["load"]
        return rows[chosen] if columns == "feature" else rows[chosen].set_axis(["label"], axis=1)

    def config(self, segments: Mapping[str, Sequence[object]]) -> Self:
        """A copy with other segments."""
        return type(self)(self._path, segments, self._checks)

    def to_config(self) -> dict[str, object]:
        """The arguments."""
        segments = {name: [None if one is None else str(one)[:10] for one in s] for name, s in self.segments.items()}
        return {"path": self._path, "segments": segments, "data_checks": self._checks}

    def check(self) -> None:
        """It can be read."""
        self._table()

    def fingerprint(self) -> dict[str, str]:
        """All sessions."""
        return dict(self.session_hashes())

    def session_hashes(self) -> dict[str, str]:
        """Of what the table has on each session."""
        return frame_hashes(self._table())

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """The dates of the rows."""
        return session_days(self._table()).unique()

    @property
    def label_lookahead(self) -> int:
        """The load is known at the end of its hour."""
        return 0

    @property
    def label_kind(self) -> str:
        """A number, no return."""
        return "value"

    def _table(self) -> pd.DataFrame:
        table = pd.read_parquet(self._path).set_index(["datetime", "instrument"]).sort_index()
        before = table["load"].copy()
        before.index = before.index.set_levels(before.index.levels[0] + pd.Timedelta(hours=48), level=0)
        return table.assign(before=before.reindex(table.index))

    @staticmethod
    def _days(table: pd.DataFrame) -> list[str]:
        return [f"{day:%Y-%m-%d}" for day in session_days(table).unique()]


def template(path: Path, name: str, checks: object = None, **online: Any) -> Template:
    """Windows of a week, trained on what is known two days before, kept online from 2024-03-29 on."""
    options = OnlineOptions.of({"begin": "2024-03-29", **online})
    kwargs = {"path": str(path), "segments": {"train": ["2024-02-28", "2024-03-24"], "test": ["2024-03-25", None]}}
    dataset = {"class": "HourlyDataset", "kwargs": {**kwargs, "data_checks": checks}}
    model = {"class": "RidgeModel", "kwargs": {"alpha": 1.0}}
    records = [{"class": "SignalRecord"}, {"class": "SigAnaRecord"}]
    definition: Definition = {"model": model, "dataset": dataset, "record": records}
    rolling = {"class": "RollingGen", "kwargs": {"step": "1w", "rtype": "expanding", "purge": "24h"}}
    challengers = {one.name: {**definition, **one.parts} for one in options.challengers}
    return Template(name, definition, rolling, {}, options, challengers)


def strategy(path: Path, name: str, settings: Any, checks: object = None, **online: Any) -> RollingStrategy:
    """The strategy of the template."""
    return RollingStrategy.of_template(template(path, name, checks, **online), settings)

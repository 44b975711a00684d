"""Sessions after today: as many are meant as columns are known ahead; today is where the rows are."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from rollq.workers.datasets.table.dataset import TableDataset
from tests.rows.hourly import load, until, write


class Clock(dt.datetime):
    """In Berlin it is 01:30 of 28 March, elsewhere the day before still, or the day after already."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Clock:
        return cls(2024, 3, 28, 0, 30, tzinfo=dt.UTC).astimezone(tz)


def dataset(path: Path, known_ahead: dict[str, str] | None, **checks: object) -> TableDataset:
    return TableDataset(
        path=str(path),
        zone="Europe/Berlin",
        known_ahead=known_ahead,
        features=["lag(temperature, 24h)"],
        label={"column": "load", "lookahead": 0},
        segments={"train": ["2024-03-05", "2024-03-20"], "test": ["2024-03-21", None]},
        cache_dir=str(path.parent / "cache"),
        data_checks=checks or None,
    )


@pytest.mark.parametrize(
    ("known_ahead", "checks", "last"),
    [
        (None, {}, "2024-03-28"),
        ({"temperature": "24h"}, {}, "2024-03-29"),
        (None, {"future": 2}, "2024-03-30"),
        (None, {"future": "1d"}, "2024-03-29"),
        (None, {"future": False}, "2024-04-01"),
        (None, {"timezone": "America/New_York"}, "2024-03-27"),
    ],
)
def test_the_last_session_that_is_meant(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    known_ahead: dict[str, str] | None,
    checks: dict[str, object],
    last: str,
) -> None:
    monkeypatch.setattr("rollq.tasks.rolling.data_checks.datetime", Clock)
    path = write(until(load(begin="2024-03-01"), "2024-04-02"), tmp_path / "load.parquet")
    made = dataset(path, known_ahead, **checks)
    days = [f"{day:%Y-%m-%d}" for day in made.sessions]
    out = {one.session for one in made.findings() if one.left_out}
    assert max(day for day in ["2024-03-01", *days] if day not in out) == last
    assert made.sessions_ahead == (1 if known_ahead else 0)

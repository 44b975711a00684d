"""When a value of a column has a model: labels in train, rows in the other segments, and no look at later days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq.tasks.rolling.members.per import Per
from rollq.tasks.rolling.members.presence import Presence
from tests.online_strategies import DAYS, closes, template, write_prices
from tests.zoned import ZonedDataset, prices


def window(train: tuple[int, int], test: tuple[int, int]) -> dict[str, Any]:
    segments = {name: [DAYS[a], DAYS[b]] for name, (a, b) in {"train": train, "test": test}.items()}
    return {"dataset": {"kwargs": {"segments": segments}}}


@pytest.fixture
def presence(tmp_path: Path) -> Presence:
    """Of a value with rows on the days 30 to 70, but not on day 50; the label looks two sessions ahead."""
    path = prices(closes(), {"A": (DAYS[0], DAYS[-1]), "B": (DAYS[30], DAYS[70])}, tmp_path)
    table = pd.read_parquet(path)
    write_prices(path, table[(table["datetime"] != DAYS[50]) | (table["instrument"].str[0] != "B")])
    kwargs = template(path).definition["dataset"]["kwargs"]
    return Presence(ZonedDataset(**kwargs, only={"zone": "B"}, cache_dir=str(tmp_path / "cache")))


def test_it_has_rows_on_its_own_days(presence: Presence) -> None:
    assert presence.on(DAYS[28:33]) == tuple(DAYS[30:33])
    assert presence.on([DAYS[49], DAYS[50], DAYS[51]]) == (DAYS[49], DAYS[51])
    assert [presence.last(day) for day in (DAYS[29], DAYS[50], DAYS[90])] == ["", DAYS[49], DAYS[70]]
    assert presence.rows == 2 * 40


def test_enough_sessions_of_train_must_have_a_label(presence: Presence) -> None:
    ten = window((20, 39), (45, 49))
    assert presence.learned(ten) == (10, 20)
    assert presence.fits(ten, Per("zone", 10))
    assert not presence.fits(ten, Per("zone", 11))
    assert presence.fits(window((35, 39), (45, 49)), Per("zone", 11)), "a shorter train segment is asked for less"
    assert not presence.fits(window((5, 25), (45, 49)), Per("zone", 1))


def test_rows_of_test_count_as_far_as_they_are_known(presence: Presence) -> None:
    begins_without = window((30, 45), (50, 54))
    assert presence.fits(begins_without, Per("zone", 5))
    assert not presence.fits(begins_without, Per("zone", 5), DAYS[50])
    assert presence.fits(begins_without, Per("zone", 5), DAYS[51])
    assert not presence.fits(window((30, 60), (75, 80)), Per("zone", 5))

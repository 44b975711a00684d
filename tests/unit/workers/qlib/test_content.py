"""The hash of a session: what the data folder holds there, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from rollq.workers.qlib.data.content import Reads, calendar_of, day_contents, folder_state
from tests import qlib_data

NAMES = ("SH600000", "SH600001")
DAYS = qlib_data.days(40)


def reads(*names: str, until: str = DAYS[-1], back: int = 0, ahead: int = 0, fields: tuple[str, ...] = ()) -> Reads:
    return Reads({name: [(DAYS[0], until)] for name in names or NAMES}, frozenset(fields) or None, back, ahead)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return qlib_data.write_folder(tmp_path / "cn", sessions=40, instruments=3)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def change(folder: Path, name: str, field: str, at: int, value: float) -> None:
    path = folder / "features" / name.lower() / f"{field}.day.bin"
    content = np.fromfile(path, dtype="<f4")
    content[at + 1] = value
    content.tofile(path)


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [day for day in sorted(before | after) if before.get(day) != after.get(day)]


def test_every_session_with_a_value_has_a_hash(folder: Path, cache: Path) -> None:
    found = day_contents(folder, reads(), cache)
    assert list(found) == calendar_of(folder) == DAYS
    assert len(set(found.values())) == len(DAYS)


def test_a_value_changes_its_own_session(folder: Path, cache: Path) -> None:
    before = day_contents(folder, reads(), cache)
    change(folder, "SH600001", "close", 7, 3.5)
    assert changed(before, day_contents(folder, reads(), cache)) == [DAYS[7]]
    change(folder, "SH600001", "close", 7, float("nan"))
    assert changed(before, day_contents(folder, reads(), cache)) == [DAYS[7]]


def test_two_values_that_change_places_are_another_session(folder: Path, cache: Path) -> None:
    for name, value in (("SH600000", 1.0), ("SH600001", 2.0)):
        change(folder, name, "close", 7, value)
    before = day_contents(folder, reads(), cache)
    for name, value in (("SH600000", 2.0), ("SH600001", 1.0)):
        change(folder, name, "close", 7, value)
    assert changed(before, day_contents(folder, reads(), cache)) == [DAYS[7]]


def test_what_is_not_read_does_not_count(folder: Path, cache: Path) -> None:
    before = day_contents(folder, reads(fields=("close", "open")), cache)
    change(folder, "SH600000", "volume", 7, 1.0)
    change(folder, "SH600002", "close", 7, 1.0)
    assert day_contents(folder, reads(fields=("close", "open")), cache) == before


def test_new_sessions_leave_those_before_as_they_are(folder: Path, cache: Path) -> None:
    before = day_contents(folder, reads(), cache)
    qlib_data.write_folder(folder, sessions=43, instruments=3)
    longer = {name: [(DAYS[0], qlib_data.days(43)[-1])] for name in NAMES}
    after = day_contents(folder, Reads(longer, None, 0, 0), cache)
    assert changed(before, after) == qlib_data.days(43)[40:]


def test_an_instrument_counts_on_its_days_and_where_it_is_looked_at(folder: Path, cache: Path) -> None:
    alone = day_contents(folder, reads(NAMES[0]), cache)
    spans = {NAMES[0]: [(DAYS[0], DAYS[-1])], NAMES[1]: [(DAYS[10], DAYS[19])]}
    both = day_contents(folder, Reads(spans, None, 2, 1), cache)
    assert changed(alone, both) == DAYS[8:21]


def test_the_folder_may_lie_anywhere(folder: Path, cache: Path, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
    assert day_contents(elsewhere, reads(), tmp_path / "other") == day_contents(folder, reads(), cache)


def test_hashes_are_kept_until_a_file_changes(folder: Path, cache: Path) -> None:
    state = folder_state(folder, reads())
    found = day_contents(folder, reads(), cache)
    (kept,) = cache.glob("qlib-days-*.json")
    kept.write_text('{"kept": "x"}')
    assert day_contents(folder, reads(), cache) == {"kept": "x"}
    change(folder, "SH600000", "close", 3, 9.0)
    assert folder_state(folder, reads()) != state
    assert changed(found, day_contents(folder, reads(), cache)) == [DAYS[3]]


def test_a_damaged_cache_is_made_anew(folder: Path, cache: Path) -> None:
    found = day_contents(folder, reads(), cache)
    (kept,) = cache.glob("qlib-days-*.json")
    kept.write_text("{")
    assert day_contents(folder, reads(), cache) == found

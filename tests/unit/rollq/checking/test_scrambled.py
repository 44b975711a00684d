"""Copies whose later numbers are others: of each kind of file, nothing before the day changes, and much after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollq.checking.inspection import NotMade
from rollq.checking.lookahead import known_until
from rollq.checking.scrambled import timed_files
from rollq.tasks.definition import with_paths
from rollq.workers.tables.table import read_table
from rollq.workers.tables.table_spec import TableSpec

DAYS = pd.bdate_range("2024-01-01", periods=30)
DAY = pd.Timestamp("2024-01-24")


def rows() -> pd.DataFrame:
    draw = np.random.default_rng(3)
    index = pd.MultiIndex.from_product([DAYS, ["A", "B", "C"]], names=["day", "name"])
    frame = pd.DataFrame({"close": draw.normal(10, 1, 90), "shares": draw.integers(0, 99, 90)}, index)
    return frame.reset_index().assign(sector="x;y", store=[7, 8, 9] * 30)


def parquet_dates(folder: Path) -> dict[str, object]:
    frame = rows()
    frame.assign(day=frame["day"].dt.date).to_parquet(folder / "t.parquet")
    return {"path": str(folder / "t.parquet")}


def semicolons(folder: Path) -> dict[str, object]:
    rows().to_csv(folder / "t.csv", sep=";", decimal=",", index=False)
    return {"path": str(folder / "t.csv"), "decimal": ","}


def day_first(folder: Path) -> dict[str, object]:
    frame = rows()
    frame.assign(day=frame["day"].dt.strftime("%d.%m.%Y")).to_csv(folder / "t.csv.gz", index=False)
    return {"path": str(folder / "t.csv.gz"), "time_format": "%d.%m.%Y"}


def hive(folder: Path) -> dict[str, object]:
    for name, part in rows().groupby("name"):
        (folder / f"name={name}").mkdir()
        part.drop(columns="name").to_parquet(folder / f"name={name}" / "part.parquet")
    return {"path": str(folder)}


def pattern(folder: Path) -> dict[str, object]:
    for name, part in rows().groupby("name"):
        part.drop(columns="name").to_csv(folder / f"{name}.csv", index=False)
    return {"path": str(folder / "*.csv")}


def zoned(folder: Path) -> dict[str, object]:
    frame = rows()
    # In Manila it is the next day already.
    late = (frame["day"] + pd.Timedelta(hours=9)).dt.tz_localize("Asia/Manila").dt.tz_convert("America/Los_Angeles")
    frame.assign(day=late).to_parquet(folder / "t.parquet")
    return {"path": str(folder / "t.parquet"), "zone": "Asia/Manila"}


@pytest.mark.parametrize("made", [parquet_dates, semicolons, day_first, hive, pattern, zoned])
def test_numbers_after_a_day_are_others(tmp_path: Path, made) -> None:
    (tmp_path / "data").mkdir()
    kwargs = {"time": "day", "instrument": "name", **made(tmp_path / "data")}
    if "*" in kwargs["path"] or made is hive:
        kwargs.pop("instrument")
    (files,) = timed_files(kwargs)
    copied = {**kwargs, "path": files.copy(DAY, {}, tmp_path / "copy")}
    before, after = (read_table(TableSpec.of(one)).frame(["close", "shares", "sector"]) for one in (kwargs, copied))
    pd.testing.assert_index_equal(before.index, after.index)
    late = np.repeat(DAYS > DAY, 3)
    pd.testing.assert_frame_equal(before[~late], after[~late])
    assert (before["sector"] == after["sector"]).all()
    assert (before["close"] != after["close"])[late].all()
    assert (before["shares"] != after["shares"])[late].mean() > 0.5
    assert sorted(before["shares"]) == sorted(after["shares"]), "whole numbers stay such as there are"


def test_joined_files_change_when_they_are_published_and_keys_stay(tmp_path: Path) -> None:
    rows().to_parquet(tmp_path / "t.parquet")
    days = DAYS.strftime("%Y-%m-%d")
    facts = pd.DataFrame({"store": 7, "quarter": "2023-12-31", "out": days, "eps": np.arange(30) + 0.5})
    facts.to_csv(tmp_path / "facts.csv", index=False)
    promo = pd.DataFrame({"day": days, "promo": np.arange(30) + 0.5})
    promo.to_csv(tmp_path / "promo.csv", sep=";", index=False)
    pd.DataFrame({"name": ["A", "B", "C"], "size": [1.5, 2.5, 3.5]}).to_csv(tmp_path / "static.csv", index=False)
    join = [
        {"path": str(tmp_path / "facts.csv"), "known": "out", "time": "quarter", "on": ["store"]},
        {"path": str(tmp_path / "promo.csv"), "prefix": "p_"},
        {"path": str(tmp_path / "static.csv"), "instrument": "name"},
    ]
    kwargs = {"path": str(tmp_path / "t.parquet"), "time": "day", "instrument": "name", "join": join}
    found = timed_files(kwargs)
    assert [one.key for one in found] == ["path", "join[0].path", "join[1].path"]
    known = known_until({"p_promo": 2}, found[0].sessions, DAY)
    paths = {one.key: one.copy(DAY, known, tmp_path / str(number)) for number, one in enumerate(found)}
    copied = with_paths(kwargs, lambda path, key: paths.get(key, path))
    names = ["close", "store", "eps", "p_promo", "size"]
    before, after = (read_table(TableSpec.of(one)).frame(names) for one in (kwargs, copied))
    same = (before == after) | (before.isna() & after.isna())
    late = np.repeat(DAYS > DAY, 3)
    assert same[~late].all().all()
    assert same[["store", "size"]].all().all()
    assert same["p_promo"][np.repeat(DAY + pd.offsets.BDay(2) >= DAYS, 3)].all()
    assert not same["p_promo"][np.repeat(DAY + pd.offsets.BDay(2) < DAYS, 3)].any()
    assert not same["close"][late].any()
    # Published on a day, a figure is known from the next one on.
    assert same["eps"][np.repeat(DAY + pd.offsets.BDay(1) >= DAYS, 3)].all()
    assert not same["eps"].xs("A", level="instrument")[DAY + pd.offsets.BDay(1) < DAYS].any()


def test_another_library_s_folder_is_not_copied(tmp_path: Path) -> None:
    from tests.qlib_data import write_folder

    with pytest.raises(NotMade, match="Qlib"):
        timed_files({"path": str(write_folder(tmp_path, 20, 2))})

"""The files of docs/how-to/bring-your-own-data.md, made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.tables import bars, hours, months


def make_bars(folder: Path) -> None:
    bars().drop(columns="sector").to_parquet(folder / "bars.parquet")


def make_folder(folder: Path) -> None:
    frame = bars()
    (folder / "bars").mkdir()
    for name, rows in frame.groupby("symbol"):
        rows[["date", "close", "volume"]].to_csv(folder / "bars" / f"{name}.csv", index=False)
    names = frame["symbol"].unique()
    frame[["symbol", "sector"]].drop_duplicates().to_csv(folder / "sectors.csv", index=False)
    rows = [
        (f"2020-{month:02}-{10 + number}", f"{2019 + (month > 3)}Q{(month // 3 - 2) % 4 + 1}", name, month + number / 7)
        for month in (1, 4, 7, 10)
        for number, name in enumerate(names)
    ]
    pd.DataFrame(rows, columns=["published", "period", "symbol", "eps"]).to_csv(folder / "reports.csv", index=False)


def make_load(folder: Path) -> None:
    frame = hours()
    frame["time"] = frame["time"].dt.tz_localize(None)
    frame[["time", "zone", "load"]].to_csv(folder / "load.csv", index=False)
    frame[["time", "zone", "temperature"]].to_csv(folder / "weather.csv", index=False)


def make_demand(folder: Path) -> None:
    rng = np.random.default_rng(4)
    days = [f"{day:%d.%m.%Y}" for day in pd.date_range("2021-01-01", periods=360)]
    rows = pd.MultiIndex.from_product([days, [f"p{number}" for number in range(8)]], names=["day", "product"])
    frame = pd.DataFrame({"quantity": rng.poisson(1, len(rows)) * 1.0, "promo": rng.integers(0, 2, len(rows))}, rows)
    frame.to_csv(folder / "demand.csv", sep=";", decimal=",")


def make_sales(folder: Path) -> None:
    frame = months()
    frame.assign(month=frame["month"].dt.strftime("%Y-%m")).to_csv(folder / "sales.csv", index=False)


FILES: dict[str, Callable[[Path], None]] = {
    "bars": make_bars,
    "folder": make_folder,
    "load": make_load,
    "demand": make_demand,
    "sales": make_sales,
}

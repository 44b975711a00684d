"""Tables of other forms through all of it: enqueued, trained, kept online day by day, revised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rollq import Backend
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.updates.revisions import find_revised, revise
from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.rolling.template import load_template
from rollq.trainers import TrainerR
from tests.online_strategies import LGB, manager
from tests.tables import bars, hours, months

HOURS: dict[str, Any] = {
    "table": {"time": "time", "instrument": "zone", "known_ahead": {"temperature": "24h"}},
    "features": ["lag(load, 24h)", "lag(load, 7d)", "temperature", "hour"],
    "label": "load",
    "segments": {"train": ["2021-02-20", "2021-03-20"], "test": ["2021-03-22", None]},
    "step": 7,
}
BARS: dict[str, Any] = {
    "table": {
        "time": "date",
        "join": [{"path": "factors.parquet", "columns": ["f*"]}, {"path": "sectors.csv", "columns": ["sector"]}],
        "universe": {"rule": "rank(mean(volume, 20), descending=True) <= 0.5"},
        "categorical": ["sector"],
        "weight": {"age": 60},
        "normalize": "rank",
    },
    "features": ["f*", "mean(close, 20) / close - 1", "group_rank(volume, sector)"],
    "label": {"op": "forward_return", "horizon": 1, "start": 1},
    "segments": {"train": ["2020-03-02", "2020-06-30"], "test": ["2020-07-06", None]},
    "step": 10,
}
MONTHS: dict[str, Any] = {
    "table": {"time": "month"},
    "features": ["lag(sales, 1)", "lag(sales, 12)", "month"],
    "label": "sales",
    "segments": {"train": ["2012-01-01", "2016-12-01"], "test": ["2017-02-01", None]},
    "step": 6,
}


def daily() -> pd.DataFrame:
    return bars(sessions=180).drop(columns="sector")


def written(folder: Path, name: str, case: dict[str, Any], begin: str) -> Path:
    """A template of a case, with the files that it joins."""
    frame = bars(sessions=180)
    keys = frame[["date", "symbol"]]
    random = np.random.default_rng(5)
    factors = keys.assign(**{f"f{number}": random.normal(size=len(keys)) for number in range(3)})
    factors.to_parquet(folder / "factors.parquet")
    frame[["symbol", "sector"]].drop_duplicates().to_csv(folder / "sectors.csv", index=False)
    kwargs = {
        "path": "table.parquet",
        **{part: case[part] for part in ("features", "label", "segments")},
        **case["table"],
    }
    content = {
        "name": name,
        "model": LGB,
        "dataset": {"class": "TableDataset", "kwargs": kwargs},
        "rolling": {"kwargs": {"step": case["step"], "rtype": "sliding"}},
        "online": {"begin": begin},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def cut(frame: pd.DataFrame, column: str, last: str) -> pd.DataFrame:
    """The rows up to the end of a session; of hours, those of the next day too, of which the weather alone is known."""
    days, end = session_days(pd.DatetimeIndex(frame[column])), pd.Timestamp(last)
    if "temperature" not in frame:
        return frame[days <= end].copy()
    found = frame[days <= end + pd.Timedelta(days=1)].copy()
    found.loc[days[days <= end + pd.Timedelta(days=1)] > end, "load"] = np.nan
    return found


@pytest.mark.parametrize(
    ("name", "case", "frame", "value"),
    [("hours", HOURS, hours(), "load"), ("bars", BARS, daily(), "close"), ("months", MONTHS, months(), "sales")],
    ids=["hours of zones", "bars with factors", "one series of months"],
)
def test_a_table_is_kept_online(
    backend: Backend, tmp_path: Path, name: str, case: dict[str, Any], frame: pd.DataFrame, value: str
) -> None:
    column = case["table"]["time"]
    sessions = [f"{day:%Y-%m-%d}" for day in session_days(pd.DatetimeIndex(frame[column])).unique()]
    start = next(place for place, day in enumerate(sessions) if day >= case["segments"]["test"][0])
    begin = start + case["step"] - 2  # a window begins on the second session after it
    begin, later = sessions[begin], sessions[begin + 1 : begin + 4]
    cut(frame, column, begin).to_parquet(tmp_path / "table.parquet")
    made = manager(backend, load_template(written(tmp_path, name, case, begin), backend.settings))
    made.first_train(timeout=120)
    for session in later:
        cut(frame, column, session).to_parquet(tmp_path / "table.parquet")
        made.routine(session, timeout=120)
    signals = SignalLedger(backend).read(name)
    assert {f"{day:%Y-%m-%d}" for day in session_days(signals).unique()} >= set(later)
    assert signals["score"].notna().all()
    assert signals.index.get_level_values(0).tz == pd.DatetimeIndex(frame[column]).tz

    strategy, trainer = made.strategies[0], TrainerR(name, backend=backend)
    assert find_revised(backend, strategy) == []
    changed = cut(frame, column, later[-1])
    rows = np.flatnonzero(session_days(pd.DatetimeIndex(changed[column])) == pd.Timestamp(later[1]))
    changed.iloc[rows, changed.columns.get_loc(value)] *= np.linspace(0.9, 1.1, len(rows) + 1)[1:]
    changed.to_parquet(tmp_path / "table.parquet")
    found = revise(backend, strategy, trainer, "me", timeout=120)
    assert found.sessions
    assert min(found.sessions) >= later[1]

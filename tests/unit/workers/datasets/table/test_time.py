"""Nothing sees the future: whatever comes after a window's train end, or after a predicted day, changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.predictions.day_hashes import day_hashes
from rollq.workers.datasets.table.dataset import TableDataset
from tests.tables import bars, hours, table

END, LATER = "2020-10-30", "2021-01-15"  # of train, and a day of test
SEGMENTS = {"train": ["2020-03-02", END], "test": ["2020-11-16", "2021-01-29"]}


def scrambled(frame: pd.DataFrame, column: str, after: str, seed: int = 9) -> pd.DataFrame:
    """The frame with all that comes after the end of a day changed: values, categories, which rows there are, names."""
    random, changed = np.random.default_rng(seed), frame.copy()
    later = np.flatnonzero(
        pd.DatetimeIndex(frame[column]).tz_localize(None) >= pd.Timestamp(after) + pd.Timedelta(days=1)
    )
    for name in changed.columns.difference([column, "symbol", "zone"]):
        values = changed[name].to_numpy(copy=True)
        if values.dtype.kind == "f":
            values[later] = random.uniform(1, 2_000, len(later))
        elif values.dtype.kind == "O":
            values[later] = random.choice(np.array(["aaa", "oil", "zzz"], dtype=object), len(later))
        changed[name] = values
    gone = random.choice(later, len(later) // 50, replace=False)
    new = changed.iloc[later[-40:]].copy()
    key = "symbol" if "symbol" in changed else "zone"
    new[key] = "AAA new"
    return pd.concat([changed.drop(index=changed.index[gone]), new.drop_duplicates([column, key])], ignore_index=True)


def reports() -> pd.DataFrame:
    """Earnings of quarters, that are published some weeks after their end."""
    random = np.random.default_rng(4)
    ends = pd.date_range("2019-12-31", "2020-12-31", freq="QE")
    rows = [(f"S{number:02d}", end) for number in range(12) for end in ends]
    found = pd.DataFrame(rows, columns=["symbol", "quarter"])
    found["published"] = found["quarter"] + pd.to_timedelta(random.integers(10, 60, len(found)), unit="D")
    return found.assign(eps=random.normal(size=len(found)))


CASES: dict[str, dict[str, Any]] = {
    "joined as of its publication": {
        "features": ["eps", "eps / close"],
        "join": [{"path": "reports.csv", "known": "published", "time": "quarter", "columns": ["eps"]}],
    },
    "a universe by a rule": {
        "features": ["rank(close)", "mean(rank(volume), 5)"],
        "universe": {"rule": "rank(mean(volume, 20), descending=True) <= 0.5"},
        "normalize": "rank",
    },
    "ranks in groups": {"features": ["group_rank(volume, sector)", "neutralize(close / lag(close, 5), sector)"]},
    "weights by age": {"weight": {"by": "volume", "age": 30}},
    "categories": {"categorical": ["sector"]},
    "processors": {"processors": [{"op": "zscore"}, {"op": "robust_zscore"}]},
}


def made(folder: Path, frame: pd.DataFrame, reported: pd.DataFrame, case: dict[str, Any]) -> TableDataset:
    folder.mkdir()
    reported.to_csv(folder / "reports.csv", index=False)
    joins = [{**join, "path": str(folder / join["path"])} for join in case.get("join", ())]
    return table(folder, frame, segments=SEGMENTS, data_checks=False, **{**case, **({"join": joins} if joins else {})})


def train(dataset: TableDataset) -> list[bytes]:
    """What a model is fitted on, but for the labels, bit by bit."""
    parts = ["feature", *(["weight"] if dataset.weighted else [])]
    frames = [dataset.prepare("train", part) for part in parts]
    return [str(list(frames[0].index)).encode(), *(frame.to_numpy().tobytes() for frame in frames)]


def inputs(dataset: TableDataset) -> dict[str, str]:
    """What is predicted from, by day."""
    return {day: found for day, found in day_hashes(dataset, "test").items() if day <= LATER}


@pytest.mark.parametrize("name", CASES)
def test_what_comes_later_changes_nothing(tmp_path: Path, name: str) -> None:
    before = made(tmp_path / "before", bars(), reports(), CASES[name])
    after_train = scrambled(reports(), "published", END)
    fitted = made(tmp_path / "fitted", scrambled(bars(), "date", END), after_train, CASES[name])
    assert train(fitted) == train(before)
    assert fitted.to_config().get("fitted") == before.to_config().get("fitted")
    assert inputs(fitted) != inputs(before), "the scrambling did something"
    predicted = made(
        tmp_path / "later", scrambled(bars(), "date", LATER), scrambled(reports(), "published", LATER), CASES[name]
    )
    assert inputs(predicted) == inputs(before)
    assert len(inputs(before)) > 30


def test_labels_of_train_see_as_far_as_they_say(tmp_path: Path) -> None:
    before = made(tmp_path / "before", bars(), reports(), {})
    ahead = before.sessions[before.sessions.searchsorted(pd.Timestamp(END)) + before.label_lookahead]
    after = made(tmp_path / "after", scrambled(bars(), "date", f"{ahead:%Y-%m-%d}"), reports(), {})
    labels = [one.prepare("train", "label").to_numpy().tobytes() for one in (before, after)]
    assert labels[0] == labels[1]
    early = made(
        tmp_path / "early", scrambled(bars(), "date", f"{ahead - pd.tseries.offsets.BDay():%Y-%m-%d}"), reports(), {}
    )
    assert early.prepare("train", "label").to_numpy().tobytes() != labels[0]


LEAKS: dict[str, dict[str, Any]] = {
    "joined by its period": {
        "features": ["eps"],
        "join": [{"path": "reports.csv", "known": "quarter", "columns": ["eps"]}],
    },
    "known ahead, which it is not": {"features": ["lead(close, 3)"], "known_ahead": {"close": 3}},
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_caught(tmp_path: Path, name: str) -> None:
    before = made(tmp_path / "before", bars(), reports(), LEAKS[name])
    reported = reports()
    reported.loc[reported["published"] > END, "eps"] *= 3  # it is known by the end of its quarter, as it were
    after = made(tmp_path / "after", scrambled(bars(), "date", END), reported, LEAKS[name])
    assert train(after) != train(before)


def test_what_is_known_in_advance_is_seen_so_far_and_no_further(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "features": ["lag(load, 24h)", "lead(temperature, 24h)"],
        "label": "load",
        "known_ahead": {"temperature": "24h"},
        "segments": {"train": ["2021-02-01", "2021-03-26"], "test": ["2021-03-27", "2021-04-20"]},
        "data_checks": False,
    }
    frame = hours()
    keys = ["time", "zone"]

    def with_scrambled(column: str, after: str) -> pd.DataFrame:
        return frame.drop(columns=column).merge(scrambled(frame, "time", after)[[*keys, column]], on=keys, how="left")

    # The weather is known a day ahead, the load is not: each is scrambled from where it is unknown.
    parts = {
        "before": frame,
        "load": with_scrambled("load", "2021-03-26"),
        "weather": with_scrambled("temperature", "2021-03-27"),
    }
    found = {name: train(table(tmp_path / name, part, **options)) for name, part in parts.items()}
    assert found["load"] == found["weather"] == found["before"]
    assert table(tmp_path / "before", frame, **options).feature_lookahead in (1, 2)
    sooner = table(tmp_path / "sooner", with_scrambled("temperature", "2021-03-26"), **options)
    assert train(sooner) != found["before"]

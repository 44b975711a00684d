"""Codes of categories depend on what the window sees, and on nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import DataError
from rollq.workers.datasets.table.dataset import TableDataset
from tests.tables import bars, table

LATE = {"train": ["2020-06-01", "2020-10-30"], "test": ["2020-11-16", "2021-01-29"]}


def kinds() -> pd.DataFrame:
    """Bars with a category that changes from row to row."""
    frame = bars()
    return frame.assign(kind=np.random.default_rng(4).choice(list("abcd"), len(frame)))


def pair(folder: Path, seen: str, first: tuple[str, str], **changes: Any) -> list[TableDataset]:
    """Two datasets whose tables differ on the first session alone, in the kinds of the rows that are not ``seen``."""
    frame = kinds()
    begin = frame["date"] == frame["date"].min()
    made = []
    for kind in first:
        one = frame.copy()
        one.loc[begin & (frame["sector"] == seen), "kind"] = "c"
        one.loc[begin & (frame["sector"] != seen), "kind"] = kind
        options = {"features": ["close"], "categorical": ["kind"], "data_checks": False, **changes}
        made.append(table(folder / kind, one, **options))
    return made


@pytest.mark.parametrize("processors", [(), [{"op": "zscore"}]])
def test_another_group_changes_no_code(tmp_path: Path, processors: list[dict[str, object]]) -> None:
    one, other = pair(tmp_path, "tech", ("d", "a"), only={"sector": "tech"}, processors=processors)
    assert one.session_hashes() == other.session_hashes()
    for segment in ("train", "test"):
        pd.testing.assert_frame_equal(one.prepare(segment), other.prepare(segment), check_exact=True)
    assert one.to_config()["fitted"] == other.to_config()["fitted"]


def test_a_session_before_the_window_changes_no_code(tmp_path: Path) -> None:
    one, other = pair(tmp_path, "none", ("d", "a"), segments=LATE)
    differ = {day for day, found in one.session_hashes().items() if other.session_hashes()[day] != found}
    assert differ == {"2020-01-01"}
    pd.testing.assert_frame_equal(one.prepare("train"), other.prepare("train"), check_exact=True)
    assert one.to_config()["fitted"] == other.to_config()["fitted"]
    assert set(one.prepare("train")["kind"]) == {0, 1, 2, 3}


def test_later_predictions_keep_the_codes_of_train(tmp_path: Path) -> None:
    early, late = pair(tmp_path, "none", ("d", "a"), segments=LATE)
    config = early.to_config()
    served = TableDataset(**{**late.to_config(), "fitted": config["fitted"], "cache_dir": str(tmp_path / "cache")})
    pd.testing.assert_frame_equal(served.prepare("test"), early.prepare("test"), check_exact=True)
    alone = served.config({"test": ["2020-12-01", "2020-12-31"]})
    expected = early.prepare("test").loc["2020-12-01":"2020-12-31"]
    pd.testing.assert_frame_equal(alone.prepare("test"), expected, check_exact=True)


def test_a_window_that_starts_from_another_goes_on_with_its_codes(tmp_path: Path) -> None:
    frame = kinds().assign(kind=lambda rows: rows["kind"].where(rows["date"] < "2020-11-02", "new"))
    options = {"features": ["close"], "categorical": ["kind"], "data_checks": False}
    first = table(tmp_path / "first", frame, **options, segments={"train": ["2020-01-01", "2020-03-31"]})
    last = ["2020-11-02", "2020-12-31"]
    alone, after = (table(tmp_path / name, frame, **options, segments={"train": last}) for name in ("alone", "after"))
    after.start_from(first.to_config())
    known = {
        name: dict(one.to_config()["fitted"]["categories"]["kind"])
        for name, one in (("first", first), ("after", after))
    }
    assert known["after"] == {**known["first"], "new": 4}
    pairs = pd.DataFrame(
        {"name": after.prepare("train", "info:kind").iloc[:, 0], "code": after.prepare("train")["kind"]}
    )
    assert dict(pairs.drop_duplicates().itertuples(index=False)) == {"new": 4}
    assert not alone.prepare("train").equals(after.prepare("train")), "alone it has codes of its own"


def test_numbers_are_categories_as_long_as_they_are_told_apart(tmp_path: Path) -> None:
    frame = bars()
    exact = table(tmp_path / "exact", frame.assign(k=2**52 + frame.index % 2), features=["close"], categorical=["k"])
    assert set(exact.prepare("train")["k"]) == {0, 1}
    great = table(tmp_path / "great", frame.assign(k=2**53 + frame.index % 2), features=["close"], categorical=["k"])
    with pytest.raises(DataError, match=r"categorical.*2\^53"):
        great.check()


@pytest.mark.parametrize("huge", [np.inf, -np.inf, 1e39, 1e300])
def test_what_is_infinite_as_float32_is_missing(tmp_path: Path, huge: float) -> None:
    frame = bars()
    odd = frame.index % 7 == 3
    frame["x"] = np.where(odd, huge, frame["volume"])
    dataset = table(tmp_path, frame, features=["x"], label="x * 1", weight="abs(lag(x, 1))", data_checks=False)
    missing = frame.assign(odd=odd).set_index(["date", "symbol"])["odd"].loc["2020-03-02":"2020-10-30"].to_numpy()
    for part in ("feature", "label", "raw"):
        assert np.array_equal(dataset.prepare("train", part).isna().to_numpy().ravel(), missing), part
    weight = dataset.prepare("train", "weight")["weight"]
    assert weight.isna().any()
    assert np.isfinite(weight.dropna()).all()

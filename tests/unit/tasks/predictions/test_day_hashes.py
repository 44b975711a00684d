"""Hashes of days: each revised day is found, and no other."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.tasks.errors import DataError, SegmentError
from rollq.tasks.predictions.day_hashes import changed_days, day_hashes, frame_hashes
from rollq.workers.datasets.panel import PanelDataset
from tests.synthetic import closes, long, panel, write

DAYS, NAMES = 60, 4
PRICES = closes(DAYS, NAMES)
WHOLE = {"test": ["2020-01-01", None]}
SMALL = [{"op": "momentum", "windows": [1, 5]}, {"op": "high_distance", "windows": [10]}]


def small(folder: Path, prices: pd.DataFrame = PRICES, normalize: str = "rank") -> PanelDataset:
    made = panel(folder, prices, features=SMALL, segments=WHOLE, normalize=normalize)
    _ = made.sessions  # the file is read now
    return made


def features(*rows: tuple[str, str, float], column: str = "f", dtype: str = "float32") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["datetime", "instrument", column])
    frame["datetime"] = pd.to_datetime(frame["datetime"])
    return frame.set_index(["datetime", "instrument"]).astype(dtype)


ONE = features(("2020-01-02", "A", 1.0), ("2020-01-02", "B", float("nan")), ("2020-01-03", "A", 0.0))


def test_hours_are_told_apart_and_a_day_is_that_of_their_zone() -> None:
    times = pd.date_range("2024-10-26", "2024-10-29", freq="h", tz="Europe/Berlin", inclusive="left")
    frame = pd.DataFrame({"f": 1.0}, pd.MultiIndex.from_product([times, ["A", "B"]], names=ONE.index.names))
    whole = frame_hashes(frame)
    assert list(whole) == ["2024-10-26", "2024-10-27", "2024-10-28"]
    assert len(set(whole.values())) == 3, "25 equal hours are not 24, and those of another day are others"
    for hour in (frame.index[100], frame.index[101]):
        changed = frame_hashes(frame.drop(hour))
        assert {day for day in whole if changed[day] != whole[day]} == {"2024-10-28"}
    assert frame_hashes(frame.drop(frame.index[100])) != frame_hashes(frame.drop(frame.index[102])), "another hour"
    assert frame_hashes(frame.loc["2024-10-27"]) == {"2024-10-27": whole["2024-10-27"]}
    assert frame_hashes(frame.iloc[::-1]) == whole
    naive = frame.set_axis(frame.index.set_levels(times.tz_localize(None), level=0, verify_integrity=False)).iloc[:48]
    late = naive.set_axis(
        naive.index.set_levels(times.tz_localize(None) + pd.Timedelta("30min"), level=0, verify_integrity=False)
    )
    assert frame_hashes(naive) != frame_hashes(late)


def test_the_hash_of_dates_is_what_it_ever_was() -> None:
    assert frame_hashes(ONE) == {"2020-01-02": "19e965a34723a995", "2020-01-03": "8bbdfe4fa2c45377"}


def test_a_day_has_the_same_hash_however_many_days_are_asked_for(tmp_path: Path) -> None:
    dataset = small(tmp_path)
    found = day_hashes(dataset)
    assert list(found) == [f"{day:%Y-%m-%d}" for day in PRICES.index]
    assert {len(one) for one in found.values()} == {16}
    few = day_hashes(dataset.config(segments={"test": ["2020-02-03", "2020-02-07"]}))
    assert len(few) == 5
    assert few.items() <= found.items()
    assert len(set(found.values())) > DAYS / 2, "two days may have the same ranks"


def test_an_instrument_that_is_new_on_another_day_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    more = PRICES.assign(A=np.nan)  # sorted before all others
    more.loc["2020-03-20", "A"] = 7.0
    before, after = day_hashes(small(tmp_path)), day_hashes(small(tmp_path / "b", more))
    assert [day for day in before if before[day] != after[day]] == ["2020-03-20"]


@pytest.mark.parametrize(
    ("changed", "days"),
    [
        (features(("2020-01-02", "A", 1.0), ("2020-01-02", "B", 2.0), ("2020-01-03", "A", 0.0)), ["2020-01-02"]),
        (features(("2020-01-02", "A", 1.0), ("2020-01-02", "C", np.nan), ("2020-01-03", "A", 0.0)), ["2020-01-02"]),
        (features(("2020-01-02", "A", 1.0), ("2020-01-03", "A", 0.0)), ["2020-01-02"]),
        (features(("2020-01-02", "A", 1.0), ("2020-01-02", "B", np.nan)), ["2020-01-03"]),
        (ONE.rename(columns={"f": "g"}), ["2020-01-02", "2020-01-03"]),
        (ONE.astype("float64"), ["2020-01-02", "2020-01-03"]),
        (ONE.astype("object"), ["2020-01-02", "2020-01-03"]),
        (ONE.iloc[[2, 0, 1]], []),
        (ONE.where(ONE != 0, -0.0), []),
    ],
)
def test_what_a_hash_sees(changed: pd.DataFrame, days: list[str]) -> None:
    before, after = frame_hashes(ONE), frame_hashes(changed)
    assert [day for day in before if before[day] != after.get(day)] == days


def test_there_is_one_nan() -> None:
    bits = ONE.to_numpy(copy=True).view(np.uint32)
    bits[1] = 0x7FC00123
    other = pd.DataFrame(bits.view(np.float32), index=ONE.index, columns=ONE.columns)
    assert other.to_numpy().tobytes() != ONE.to_numpy().tobytes()
    assert frame_hashes(other) == frame_hashes(ONE)
    assert frame_hashes(ONE.iloc[:0]) == {}


def test_text_among_the_features() -> None:
    text = features(("2020-01-02", "A", 1.0), ("2020-01-03", "A", 2.0)).assign(sector=["x", "y"])
    before, after = frame_hashes(text), frame_hashes(text.assign(sector=["x", "z"]))
    assert [before[day] == after[day] for day in before] == [True, False]


REVISIONS = st.lists(
    st.tuples(
        st.integers(0, DAYS - 1), st.integers(0, NAMES - 1), st.sampled_from([None, 1.0 + 1e-4, 1.01, 0.5, 3.0, 1.0])
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, str], pd.DataFrame]]:
    """What was predicted from, by ``normalize``: the hashes, and the features themselves."""
    made = {how: small(tmp_path_factory.mktemp(how), normalize=how) for how in ("rank", "none")}
    return {how: (day_hashes(dataset), dataset.prepare("test")) for how, dataset in made.items()}


@pytest.mark.parametrize("normalize", ["rank", "none"])
@settings(max_examples=15, deadline=None)
@given(revisions=REVISIONS)
def test_each_day_whose_features_changed_is_found_and_no_other(
    predicted: dict[str, tuple[dict[str, str], pd.DataFrame]],
    normalize: str,
    revisions: list[tuple[int, int, float | None]],
) -> None:
    prices = PRICES.copy()
    for day, name, factor in revisions:
        prices.iloc[day, name] *= np.nan if factor is None else factor
    hashes, before = predicted[normalize]
    with tempfile.TemporaryDirectory() as folder:
        dataset = small(Path(folder), prices, normalize)
        after = dataset.prepare("test")
        days = before.index.get_level_values("datetime").unique()
        truth = [f"{day:%Y-%m-%d}" for day in days if not _same(before, after, day)]
        assert changed_days(dataset, hashes) == changed_days(dataset, hashes, "test") == truth


def _same(before: pd.DataFrame, after: pd.DataFrame, day: pd.Timestamp) -> bool:
    kept = [frame[frame.index.get_level_values("datetime") == day] for frame in (before, after)]
    return kept[0].equals(kept[1])


def test_days_that_are_gone_from_the_data_are_found(tmp_path: Path) -> None:
    predicted = day_hashes(small(tmp_path))
    (tmp_path / "b").mkdir()
    last = f"{PRICES.index[-1]:%Y-%m-%d}"
    shorter = small(tmp_path / "b", PRICES.iloc[:-1])
    assert changed_days(shorter, predicted) == [last]
    assert changed_days(shorter, {last: predicted[last]}) == [last], "not one row is left"
    assert changed_days(shorter, {}) == []


def test_data_that_cannot_be_read_are_no_revision(tmp_path: Path) -> None:
    predicted = day_hashes(small(tmp_path))
    gone = panel(tmp_path, PRICES, features=SMALL, segments=WHOLE)
    Path(write(long(PRICES), tmp_path)).unlink()
    with pytest.raises(DataError):
        changed_days(gone, predicted)
    with pytest.raises(SegmentError):
        changed_days(small(tmp_path), predicted, "nonsense")

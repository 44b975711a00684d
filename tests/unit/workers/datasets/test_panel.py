"""The panel: rows, segments, the cache that is computed once, and bad data that is refused by name."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import DataError, NotYet, SegmentError, TemplateError, Unavailable
from rollq.workers.datasets import panel_cache, price_panel
from rollq.workers.datasets.panel import PanelDataset
from tests.synthetic import FEATURES, SEGMENTS, closes, long, panel, write


def cached(folder: Path) -> Path:
    """The one panel in a test's cache."""
    (found,) = (folder / "cache").glob("panel-*/")
    return found


def test_rows_are_the_segment_both_ends_included(tmp_path: Path) -> None:
    found = panel(tmp_path).prepare("test")
    days = found.index.get_level_values("datetime").unique()
    assert (str(days[0].date()), str(days[-1].date())) == ("2021-01-04", "2021-03-31")
    assert found.index.is_unique
    assert found.index.is_monotonic_increasing
    assert found.index.names == ["datetime", "instrument"]
    assert (found.dtypes == np.float32).all()
    assert list(found.columns) == [f"{spec['op']}_{window}" for spec in FEATURES for window in spec["windows"]]


def test_an_open_end_is_the_last_session(tmp_path: Path) -> None:
    dataset = panel(tmp_path, segments={"test": ["2021-01-04", None]})
    assert dataset.prepare("test").index.get_level_values(0).max() == dataset.sessions[-1]


@pytest.mark.parametrize("as_rows", [True, False], ids=["NaN in the file", "no row in the file"])
def test_a_gap_has_no_row_and_does_not_move_the_calendar(tmp_path: Path, as_rows: bool) -> None:
    prices = closes()
    prices.iloc[50, :2] = np.nan  # nothing of the universe
    prices.iloc[60:, 1] = np.nan  # delisted
    rows = long(prices) if as_rows else long(prices).dropna()
    dataset = panel(tmp_path, rows, universe=["S00", "S01"], normalize="none")
    assert list(dataset.sessions) == list(prices.index)
    rows = dataset.config({"all": [None, None]}).prepare("all")
    expected = long(prices[["S00", "S01"]]).dropna().set_index(["datetime", "instrument"]).index
    assert list(rows.index) == list(expected)
    assert np.isnan(rows.loc[(prices.index[51], "S00"), "momentum_1"])
    assert not np.isnan(rows.loc[(prices.index[52], "S00"), "momentum_1"])


def test_features_and_label_are_ranks_of_the_day(tmp_path: Path) -> None:
    ranked, plain = panel(tmp_path), panel(tmp_path, normalize="none")
    for columns, raw in (("feature", "feature"), ("label", "raw")):
        expected = plain.prepare("train", raw).groupby(level="datetime").rank(pct=True) - 0.5
        pd.testing.assert_frame_equal(ranked.prepare("train", columns), expected.astype(np.float32), atol=1e-6)
    pd.testing.assert_frame_equal(ranked.prepare("train", "raw"), plain.prepare("train", "label"))


def test_unsorted_rows_make_the_same_panel(tmp_path: Path) -> None:
    expected = panel(tmp_path).prepare("train")
    (tmp_path / "two").mkdir()
    shuffled = panel(tmp_path / "two", long(closes()).sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(shuffled.prepare("train"), expected, check_exact=True)


def test_it_comes_back_from_its_config(tmp_path: Path) -> None:
    dataset = panel(tmp_path)
    config = json.loads(json.dumps(dataset.to_config()))
    assert "cache_dir" not in config
    again = PanelDataset(**config, cache_dir=str(tmp_path / "cache"))
    pd.testing.assert_frame_equal(again.prepare("train"), dataset.prepare("train"), check_exact=True)


def test_lookahead_and_lookback(tmp_path: Path) -> None:
    dataset = panel(tmp_path)
    assert (dataset.label_lookahead, dataset.feature_lookback) == (6, 20)


# -- the cache --------------------------------------------------------------------------------------------------------


def test_it_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = panel(tmp_path).prepare("train")
    monkeypatch.setattr(price_panel, "read_closes", None)
    pd.testing.assert_frame_equal(panel(tmp_path).prepare("train"), expected, check_exact=True)


_gate: Any = None


def _wait_at(gate: Any) -> None:
    global _gate
    _gate = gate


def _build(folder: str) -> int:
    """In another process: how many times it computed the panel. All start at once, and computing takes a while."""
    count = 0
    read = price_panel.read_closes

    def counted(*arguments: Any) -> pd.DataFrame:
        nonlocal count
        count += 1
        time.sleep(0.3)
        return read(*arguments)

    price_panel.read_closes = counted
    _gate.wait()
    PanelDataset(
        f"{folder}/prices.parquet", FEATURES, {"op": "forward_return"}, SEGMENTS, cache_dir=f"{folder}/c"
    ).check()
    return count


def test_of_many_processes_one_computes_it(tmp_path: Path) -> None:
    write(closes(), tmp_path)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, context, _wait_at, (context.Barrier(3),)) as pool:
        assert sum(pool.map(_build, [str(tmp_path)] * 3)) == 1
    assert [path.name for path in (tmp_path / "c").iterdir() if path.name.startswith(".")] == []


def content(folder: Path) -> list[bytes]:
    whole = panel(folder).config({"whole": [None, None]})
    return [whole.prepare("whole", columns).to_numpy().tobytes() for columns in ("feature", "label", "raw")]


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def garble(file: Path) -> None:
    file.write_text("[1, 2")


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("features.npy", truncate),
        ("features.npy", flip),
        ("label.npy", flip),
        ("raw.npy", Path.unlink),
        ("meta.json", Path.unlink),
        ("meta.json", garble),
    ],
)
def test_a_broken_cache_is_computed_again(tmp_path: Path, name: str, harm: Callable[[Path], Any]) -> None:
    expected = content(tmp_path)
    harm(cached(tmp_path) / name)
    panel_cache._verified.clear()  # as in a new process
    assert content(tmp_path) == expected


def test_what_a_killed_builder_left_is_removed(tmp_path: Path) -> None:
    panel(tmp_path).check()
    whole = cached(tmp_path)
    left = whole.parent / f".{whole.name}-left"
    left.mkdir()
    (whole / "meta.json").unlink()
    panel(tmp_path).check()
    assert not left.exists()


def test_other_data_features_label_or_universe_have_other_panels(tmp_path: Path) -> None:
    panel(tmp_path).check()
    panel(tmp_path, features=FEATURES[:1]).check()
    panel(tmp_path, label={"op": "realized_volatility"}).check()
    panel(tmp_path, universe=["S00", "S01"]).check()
    panel(tmp_path, closes(seed=9)).check()
    assert len(list((tmp_path / "cache").glob("panel-*/"))) == 5


def test_the_fingerprint_is_of_the_data_not_of_its_place(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    one, two = panel(tmp_path).fingerprint(), panel(tmp_path / "two").fingerprint()
    assert one == two
    assert panel(tmp_path, closes(seed=9)).fingerprint() != one


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="ROLLQ_STATE_DIR"):
        panel(tmp_path, cache_dir=str(tmp_path / "file" / "cache")).check()


def test_a_panel_of_another_user_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o022)
    try:
        panel(tmp_path).check()
    finally:
        os.umask(before)
    (folder,) = (tmp_path / "cache").glob("panel-*/")
    assert folder.stat().st_mode & 0o777 == 0o755
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in folder.iterdir())
    (odd,) = folder.parent.glob("odd-*.json")
    assert odd.stat().st_mode & 0o777 == 0o644

    def not_mine(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("rollq.workers.datasets.panel_cache.os.utime", not_mine)
    monkeypatch.setattr("rollq.workers.datasets.panel_cache.one_at_a_time", not_mine)
    panel(tmp_path).check()


# -- bad data ---------------------------------------------------------------------------------------------------------


def with_column(name: str, change: Callable[[pd.Series], Any]) -> pd.DataFrame:
    prices = long(closes())
    return prices.assign(**{name: change(prices[name])})


@pytest.mark.parametrize(
    ("prices", "says"),
    [
        (with_column("close", lambda close: close * np.nan), "no close at all"),
        (with_column("close", lambda close: close.astype(str)), "not numeric"),
        (with_column("datetime", lambda days: days.dt.tz_localize("UTC")), "time zone"),
        (with_column("datetime", lambda days: days + pd.Timedelta(hours=16)), "times of day"),
        (with_column("datetime", lambda days: days.dt.strftime("day %d")), "no dates"),
        (with_column("datetime", lambda days: days.dt.strftime("%Y%m%d").astype(int)), "holds numbers"),
        (with_column("datetime", lambda days: days.where(days.index != 3)), "without a date"),
        (with_column("instrument", lambda names: names.where(names.index != 3)), "without an instrument"),
        (long(closes()).rename(columns={"instrument": "symbol"}), "no column 'instrument'"),
    ],
)
def test_bad_prices_are_refused(tmp_path: Path, prices: pd.DataFrame, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        panel(tmp_path, prices).check()
    assert "dataset.kwargs.path" in caught.value.message
    assert caught.value.fix


def test_a_file_that_is_missing_or_not_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset\.kwargs\.path.*does not exist"):
        panel(tmp_path, path=str(tmp_path / "nowhere.parquet")).check()
    (tmp_path / "text.parquet").write_text("datetime,instrument,close\n")
    with pytest.raises(DataError, match=r"dataset\.kwargs\.path.*not a Parquet file"):
        panel(tmp_path, path=str(tmp_path / "text.parquet")).check()


@pytest.mark.parametrize("change", [lambda days: days.dt.date, lambda days: days.dt.strftime("%Y-%m-%d")])
def test_dates_of_other_kinds_are_taken(tmp_path: Path, change: Callable[[pd.Series], Any]) -> None:
    expected = panel(tmp_path).prepare("train")
    (tmp_path / "two").mkdir()
    dates = panel(tmp_path / "two", with_column("datetime", change))
    pd.testing.assert_frame_equal(dates.prepare("train"), expected, check_exact=True)


def test_an_index_in_the_file_is_read(tmp_path: Path) -> None:
    panel(tmp_path, long(closes()).set_index(["datetime", "instrument"])).check()


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"universe": []}, DataError, r"dataset\.kwargs\.universe: the universe is empty"),
        ({"universe": ["S00", "S99"]}, DataError, r"dataset\.kwargs\.universe: 'S99'"),
        ({"universe": "S00"}, TemplateError, r"dataset\.kwargs\.universe: .* list"),
        ({"normalize": "ranks"}, TemplateError, r"dataset\.kwargs\.normalize"),
        ({"features": [{"op": "momentum", "windows": [5, 900]}]}, DataError, "momentum_900 is NaN in the whole file"),
        (
            {"features": [{"op": "momentum", "windows": [300]}]},
            DataError,
            r"dataset\.kwargs\.features: momentum_300 is NaN in the whole train segment",
        ),
        ({"label": {"op": "forward_return", "horizon": 900}}, DataError, r"dataset\.kwargs\.label: it is NaN"),
        ({"segments": {"train": ["2020-10-30", "2020-03-02"]}}, SegmentError, r"segments\.train: it ends"),
        (
            {"segments": {"train": ["2019-03-02", "2020-10-30"]}},
            SegmentError,
            r"segments\.train: 2019-03-02 is outside",
        ),
        ({"segments": {"test": ["2021-01-04", "2031-01-01"]}}, SegmentError, r"segments\.test: 2031-01-01 is outside"),
        ({"segments": {"valid": ["2020-03-07", "2020-03-08"]}}, SegmentError, r"segments\.valid: .* no rows"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, changes: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        panel(tmp_path, **changes).check()


def test_an_unknown_segment_or_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(SegmentError, match="'tset'"):
        panel(tmp_path).prepare("tset")
    with pytest.raises(DataError, match="'labels'"):
        panel(tmp_path).prepare("train", "labels")


def test_a_file_that_is_replaced_while_it_is_read_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, look = panel(tmp_path), price_panel.findings_of

    def slowly(*arguments: Any) -> Any:
        found = look(*arguments)
        write(closes(seed=2), tmp_path)
        return found

    monkeypatch.setattr(price_panel, "findings_of", slowly)
    with pytest.raises(NotYet, match="changed while it was read"):
        _ = dataset.sessions
    assert list((tmp_path / "cache").glob("panel-*/")) == []  # nothing is kept under the name of the other file
    monkeypatch.undo()
    expected = long(closes(seed=2)).set_index(["datetime", "instrument"]).index
    assert list(dataset.config({"all": [None, None]}).prepare("all").index) == list(expected)

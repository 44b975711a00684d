"""A dataset of any table: rows, values, labels, weights, categories, the universe, and what it says of its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import DataError, SegmentError, TemplateError
from rollq.workers.datasets.table.dataset import TableDataset
from tests.tables import SEGMENTS, bars, hours, months, table, write

HOURLY = {"train": ["2021-01-10", "2021-03-20"], "test": ["2021-03-22", "2021-04-20"]}
LOAD: dict[str, Any] = {
    "features": ["lag(load, 24h)", "lag(load, 7d)", "temperature"],
    "label": "load",
    "segments": HOURLY,
    "known_ahead": {"temperature": "24h"},
}


def wide(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.pivot(index="date", columns="symbol", values=column)


def test_features_and_label_are_those_of_the_expressions(tmp_path: Path) -> None:
    dataset, close = table(tmp_path), wide(bars(), "close")
    dataset.check()
    train, label = dataset.prepare("train"), dataset.prepare("train", "label")["label"]
    assert train.index.names == ["datetime", "instrument"]
    assert train.index.is_monotonic_increasing
    assert train.index.equals(label.index)
    assert (train.dtypes == np.float32).all()
    momentum, ahead = (close / close.shift(5) - 1).stack(), (close.shift(-6) / close.shift(-1) - 1).stack()
    np.testing.assert_allclose(train.iloc[:, 0], momentum.loc["2020-03-02":"2020-10-30"], rtol=1e-6)
    np.testing.assert_allclose(label, ahead.loc["2020-03-02":"2020-10-30"], rtol=1e-5, atol=1e-7)
    assert list(train.columns) == ["close / lag(close, 5) - 1", "turnover", "mean(close, 20) / close - 1"]
    assert (dataset.label_lookahead, dataset.feature_lookback, dataset.label_kind) == (6, 19, "return")


def test_it_comes_back_from_its_config(tmp_path: Path) -> None:
    dataset = table(tmp_path, categorical=["sector"], processors=[{"op": "zscore"}], weight={"by": "volume", "age": 60})
    config = json.loads(json.dumps(dataset.to_config()))
    again = TableDataset(**config, cache_dir=str(tmp_path / "cache"))
    for columns in ("feature", "label", "raw", "weight"):
        pd.testing.assert_frame_equal(
            again.prepare("test", columns), dataset.prepare("test", columns), check_exact=True
        )
    later = again.config({"test": ["2021-01-04", None]})
    assert not later.prepare("test").isna().all().any()


@pytest.mark.parametrize("normalize", ["rank", "none"])
def test_ranks_are_among_the_members_of_the_day(tmp_path: Path, normalize: str) -> None:
    frame = bars().assign(in_index=lambda rows: rows["volume"] > 300)
    dataset = table(tmp_path, frame, universe={"column": "in_index"}, normalize=normalize)
    found = dataset.prepare("train")
    there = frame.set_index(["date", "symbol"])["in_index"].loc["2020-03-02":"2020-10-30"]
    assert list(found.index) == list(there[there].index)
    if normalize == "rank":
        expected = table(tmp_path, frame, universe={"column": "in_index"}).prepare("train")
        expected = expected.groupby(level="datetime").rank(pct=True) - 0.5
        pd.testing.assert_frame_equal(found, expected.astype(np.float32), atol=1e-6)


def test_what_looks_across_sees_members_alone(tmp_path: Path) -> None:
    frame = bars().assign(in_index=lambda rows: rows["volume"] > 300)
    found = table(tmp_path, frame, universe={"column": "in_index"}, features=["rank(close)"]).prepare("train")
    members = wide(frame, "close").where(wide(frame, "in_index"))
    expected = members.rank(axis=1, pct=True).loc["2020-03-02":"2020-10-30"]
    np.testing.assert_allclose(found["rank(close)"].unstack(), expected, rtol=1e-6)


def test_codes_are_those_of_categories_that_train_has(tmp_path: Path) -> None:
    frame = bars()
    frame.loc[(frame["symbol"] == "S05") & (frame["date"] >= "2020-12-01"), "sector"] = "air"
    frame.loc[frame["symbol"] == "S06", "sector"] = None
    dataset = table(tmp_path, frame, features=["close / lag(close, 5) - 1"], categorical=["sector"])
    codes = dataset.prepare("test")["sector"].unstack()
    assert dataset.categorical == ("sector",)
    assert set(dataset.prepare("train")["sector"].dropna()) == {0, 1, 2}
    assert codes.loc["2021-01-04", "S05"] == -1
    assert np.isnan(codes["S06"]).all()
    assert [codes.loc["2021-01-04", name] for name in ("S00", "S01", "S02")] == [2, 1, 0]


def test_weights_by_age_are_seen_from_the_end_of_train(tmp_path: Path) -> None:
    dataset = table(tmp_path, weight={"age": 20})
    weight = dataset.prepare("train", "weight")["weight"].groupby(level="datetime").first()
    assert weight.iloc[-1] == 1
    assert weight.iloc[-21] == 0.5
    assert (dataset.prepare("test", "weight") == 1).all(axis=None)


def test_only_takes_the_rows_of_one_value_from_the_same_panel(tmp_path: Path) -> None:
    whole = table(tmp_path)
    parts = [table(tmp_path, only={"sector": sector}).prepare("test") for sector in whole.groups("sector")]
    assert whole.groups("sector") == ["bank", "oil", "tech"]
    assert whole.groups("symbol")[:2] == ["S00", "S01"]
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), whole.prepare("test"))
    one = table(tmp_path, only={"symbol": "S03"})
    assert set(one.prepare("test").index.get_level_values(1)) == {"S03"}
    assert len(list((tmp_path / "cache").glob("panel-*/"))) == 1
    info = whole.prepare("test", "info:sector")["sector"]
    assert info.loc["2021-01-04", "S00"] == "tech"


@pytest.mark.parametrize(
    ("label", "kind", "ahead"),
    [
        ({"op": "forward_return", "horizon": 3, "start": 2}, "return", 5),
        ({"op": "forward_return", "horizon": 3, "quantiles": 5}, "class", 4),
        ("lead(close, 5) > close", "binary", 5),
        ({"expression": "lead(volume, 1)", "kind": "count"}, "count", 1),
        ("lead(volume, 2)", "value", 2),
        ({"op": "forward_return", "residual": {"to": "S00"}}, "return", 6),
        ({"op": "forward_return", "horizon": 1, "residual": {"to": "open"}}, "return", 2),
    ],
)
def test_labels_say_their_kind_and_how_far_they_look(tmp_path: Path, label: object, kind: str, ahead: int) -> None:
    dataset = table(tmp_path, label=label)
    dataset.check()
    assert (dataset.label_kind, dataset.label_lookahead, dataset.label_span) == (kind, ahead, str(ahead))
    assert not dataset.prepare("train", "raw").isna().any(axis=None)


def test_classes_are_as_large_as_each_other_on_each_day(tmp_path: Path) -> None:
    plain = table(tmp_path, label={"op": "forward_return"}).prepare("train", "raw")["label"]
    found = table(tmp_path, label={"op": "forward_return", "quantiles": 4}).prepare("train", "label")["label"]
    assert (found.groupby(level=0).value_counts() == 3).all()
    order = plain.groupby(level=0).rank()
    assert ((order - 1) // 3 == found).all()


def test_a_residual_is_the_label_less_that_of_the_benchmark(tmp_path: Path) -> None:
    plain = table(tmp_path).prepare("train", "raw")["label"].unstack()
    found = table(tmp_path, label={"expression": "lead(close, 6) / lead(close, 1) - 1", "residual": {"to": "S01"}})
    expected = plain.sub(plain["S01"], axis=0)
    np.testing.assert_allclose(found.prepare("train", "raw")["label"].unstack(), expected, atol=1e-6)


def test_hours_of_a_zone_are_one_session_a_day(tmp_path: Path) -> None:
    dataset = table(tmp_path, hours(), **LOAD)
    dataset.check()
    rows = dataset.prepare("test").xs("north", level="instrument")
    assert str(rows.index.tz) == "Europe/Berlin"
    counts = rows.groupby(rows.index.strftime("%Y-%m-%d")).size()
    assert counts["2021-03-27":"2021-03-29"].tolist() == [24, 23, 24]  # type: ignore[misc]
    load = hours().set_index(["time", "zone"])["load"].unstack()["north"]
    at = pd.Timestamp("2021-03-29 10:00", tz="Europe/Berlin")
    assert rows.loc[at, "lag(load, 24h)"] == np.float32(load[at - pd.Timedelta(hours=24)])
    assert rows.loc[at, "lag(load, 7d)"] == np.float32(load[pd.Timestamp("2021-03-22 10:00", tz="Europe/Berlin")])
    assert dataset.sessions.tz is None
    assert (dataset.label_lookahead, dataset.feature_lookback) == (0, 7)


def test_times_that_are_read_otherwise_make_another_panel(tmp_path: Path) -> None:
    frame = hours()
    frame["time"] = frame["time"].dt.tz_localize(None)
    naive = table(tmp_path, frame, **LOAD)
    zoned = table(tmp_path, frame, **LOAD, zone="Europe/Berlin")
    for dataset, zone in ((naive, "None"), (zoned, "Europe/Berlin")):
        dataset.check()
        assert str(dataset.prepare("test").index.levels[0].tz) == zone


def test_a_monthly_series_has_zeros_and_needs_no_instrument(tmp_path: Path) -> None:
    segments = {"train": ["2012-01-01", "2016-12-01"], "test": ["2017-02-01", None]}
    dataset = table(
        tmp_path, months(), time="month", features=["lag(sales, 1)", "lag(sales, 12)"], label="sales", segments=segments
    )
    dataset.check()
    assert (dataset.prepare("train", "raw")["label"] <= 0).any()
    assert dataset.prepare("test").index.nlevels == 2
    assert dataset.findings() == ()


def test_a_row_without_a_label_can_be_predicted(tmp_path: Path) -> None:
    frame = hours(days=100).iloc[
        lambda rows: np.flatnonzero(rows["time"] < pd.Timestamp("2021-04-11", tz="Europe/Berlin"))
    ]
    tomorrow = frame["time"] >= pd.Timestamp("2021-04-10", tz="Europe/Berlin")
    frame.loc[tomorrow, "load"] = np.nan
    dataset = table(tmp_path, frame, **{**LOAD, "segments": {**HOURLY, "test": ["2021-03-22", None]}})
    dataset.check()
    last = dataset.config({"test": ["2021-04-10", None]})
    assert last.prepare("test").notna().all(axis=None)
    assert last.prepare("test", "raw").isna().all(axis=None)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"features": ["lag(load, 1h)"]}, TemplateError, r"features\[0\].*no column 'load'"),
        ({"features": ["lead(close, 1)"]}, TemplateError, r"features\[0\].*ahead"),
        ({"features": ["g*"]}, TemplateError, r"features\[0\].*no column fits"),
        ({"features": ["close", "close"]}, TemplateError, "close is there twice"),
        ({"features": ["mean(close", "20) / close"]}, TemplateError, r"features\[0\].*not closed.*"),
        ({"universe": {"rule": "rank(mean(close", "20)) < 1": None}}, TemplateError, "not closed"),
        ({"label": "lead(close, 900)"}, DataError, r"label: it is NaN"),
        ({"label": {"op": "forward_retrun"}}, TemplateError, "Did you mean 'forward_return'"),
        ({"label": {"column": "volume"}}, TemplateError, r"label\.lookahead"),
        (
            {"label": {"column": "volume", "lookahead": 5}, "features": ["close"]},
            DataError,
            r"lookahead: .*would be known 5 later.*: 0",
        ),
        ({"label": "volume", "features": ["volume / close"]}, DataError, "volume of its own row"),
        ({"weight": "sector"}, DataError, r"weight: sector: the column 'sector' of .* holds text"),
        ({"label": "sector"}, DataError, r"label: sector: the column 'sector' of .* holds text"),
        ({"weight": "volume - 500"}, DataError, "negative weights"),
        ({"universe": []}, TemplateError, "the universe is empty"),
        ({"universe": ["S00", "X"]}, DataError, "'X' has no row"),
        ({"universe": {"rule": "volume > 5000"}}, DataError, "no instrument ever"),
        (
            {"universe": {"rule": "year < 2018 or month > 12 or month == 3 and day < 3"}},
            SegmentError,
            "no rows.*belongs to the universe",
        ),
        ({"universe": {"rull": "volume > 5"}}, TemplateError, "Did you mean 'rule'"),
        ({"features": ["log(sector)"]}, DataError, "sector.*holds text"),
        ({"universe": {"column": "sector"}}, DataError, "sector.*holds text"),
        ({"features": ["group(sector)"]}, DataError, "sector.*holds text"),
        ({"known_ahead": {"volum": 5}}, TemplateError, r"known_ahead\.volum.*Did you mean 'volume'"),
        ({"categorical": ["sectr"]}, TemplateError, r"categorical.*'sectr'"),
        ({"features": ["sector"]}, DataError, r"features: sector: the column 'sector'.* holds text"),
        ({"segments": {"train": ["2020-03-02", "2031-01-01"]}}, SegmentError, "outside the calendar"),
        ({"price": "close"}, TemplateError, r"data_checks: \{price: close\}"),
        ({"tiem": "date"}, TemplateError, "Did you mean 'time'"),
        ({"only": {"sector": "gas"}}, DataError, "no row where sector is gas"),
        ({"data_checks": {"price": "clos"}}, TemplateError, "no column of prices 'clos'"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        table(tmp_path, **changes).check()
    assert getattr(caught.value, "fix", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ["mean(extra, 5)"]},
        {"features": ["lead(extra, 1)"], "known_ahead": {"extra": 1}},
        {"features": ["volume", "extra > 3"]},
        {"features": ["extra == sector"]},
        {"features": ["rank(extra)"]},
        {"features": ["group_mean(extra, sector)"]},
        {"features": [{"a": "neutralize(volume, sector, log(extra))"}]},
        {"categorical": ["extra"], "features": ["extra", "extra * 2"]},
        {"weight": "extra"},
        {"label": "lead(extra, 5)"},
        {"label": {"expression": "lead(close, 5)", "residual": {"to": "extra"}}},
        {"universe": {"column": "extra"}},
        {"universe": {"rule": "extra > 1"}},
        {"data_checks": {"price": "extra"}},
    ],
)
def test_one_text_among_numbers_is_named_wherever_they_are_computed_with(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    frame = bars()
    frame["extra"] = frame["volume"].round().astype(int).astype(str)
    frame.loc[41, "extra"] = "x"
    with pytest.raises(DataError, match=rf"'extra' of .* 'x' \(row 42; 1 of {len(frame)} values\)") as caught:
        table(tmp_path, frame, **changes).check()
    assert "Correct it" in caught.value.fix
    table(tmp_path, frame, features=["group_mean(volume, extra)", "neutralize(volume, extra)"]).check()


def test_a_column_that_is_known_later_than_it_says_is_named(tmp_path: Path) -> None:
    frame = bars()
    frame["y"] = frame.groupby("symbol")["close"].shift(-8)
    with pytest.raises(DataError, match=r"8 rows before the end: later than 5.*|looks further ahead"):
        table(tmp_path, frame, label={"column": "y", "lookahead": 5}).check()
    dataset = table(tmp_path, frame, label={"column": "y", "lookahead": 8})
    dataset.check()
    assert dataset.label_lookahead == 8


def test_prices_are_checked_where_a_column_is_one(tmp_path: Path) -> None:
    frame = bars()
    day = pd.Timestamp("2020-06-10")
    frame.loc[frame["date"] == day, "close"] *= 9
    dataset = table(tmp_path, frame, label="lead(volume, 1)", features=["volume"])
    assert dataset.findings() == ()
    priced = table(tmp_path, frame)
    assert {one.session for one in priced.findings() if one.left_out} == {"2020-06-10"}
    assert day not in priced.sessions
    assert day in dataset.sessions


def test_rows_that_are_there_twice_and_differ_do_not_count(tmp_path: Path) -> None:
    frame = hours()
    twice = pd.concat([frame, frame.iloc[[500, 900]].assign(load=[frame["load"][500], 1.0])], ignore_index=True)
    dataset = table(tmp_path, twice, **LOAD)
    found = dataset.findings()
    assert [(one.check, one.left_out) for one in found] == [("duplicate", True)]
    assert found[0].session == f"{frame['time'][900]:%Y-%m-%d}"
    accepted = table(tmp_path, twice, **LOAD, data_checks={"accept": [found[0].session]})
    assert pd.Timestamp(found[0].session) in accepted.sessions


def test_the_hash_of_a_session_is_of_every_column_that_is_used(tmp_path: Path) -> None:
    before = table(tmp_path).session_hashes()
    frame = bars()
    frame.loc[(frame["date"] == "2020-06-10") & (frame["symbol"] == "S03"), "volume"] += 1
    after = table(tmp_path, frame).session_hashes()
    assert {day for day in before if before[day] != after[day]} == {"2020-06-10"}
    frame.loc[(frame["date"] == "2020-06-11"), "sector"] = "gas"  # not used
    assert table(tmp_path, frame).session_hashes() == after
    sectors = table(tmp_path, frame, categorical=["sector"]).session_hashes()
    frame.loc[(frame["date"] == "2020-06-12"), "sector"] = "gas"
    later = table(tmp_path, frame, categorical=["sector"]).session_hashes()
    assert {day for day in later if later[day] != sectors[day]} == {"2020-06-12"}


@pytest.mark.parametrize(
    ("features", "known", "ahead"),
    [
        (["lag(load, 24h)", "temperature", "hour"], {"temperature": "24h"}, 1),
        (["lag(load, 24h)", "temperature"], {"temperature": "72h"}, 1),  # the load is not known further
        (["lag(load, 72h)", "temperature", "price"], {"temperature": "72h", "price": "365d"}, 3),
        (["lag(load, 2d)", "lead(temperature, 24h)"], {"temperature": "48h"}, 1),
        (["load", "lead(temperature, 24h)"], {"temperature": "24h"}, 0),  # a row is made when its load is known
        (["lag(load, 1h)", "temperature"], {"temperature": "24h"}, 0),
        (["lag(load, 24h)", "temperature"], None, 0),
    ],
)
def test_rows_are_meant_ahead_as_far_as_all_that_they_are_made_of_is_known(
    tmp_path: Path, features: list[str], known: dict[str, str] | None, ahead: int
) -> None:
    frame = hours().assign(price=1.0)
    assert table(tmp_path, frame, **{**LOAD, "features": features, "known_ahead": known}).sessions_ahead == ahead


def test_a_revision_of_one_group_changes_no_other(tmp_path: Path) -> None:
    frame, day = hours(), pd.Timestamp("2021-03-10 05:00", tz="Europe/Berlin")
    changed = frame.copy()
    changed.loc[(frame["time"] == day) & (frame["zone"] == "south"), "load"] += 1
    for only, differ in (({"zone": "south"}, {"2021-03-10"}), ({"zone": "north"}, set()), (None, {"2021-03-10"})):
        before, after = (table(tmp_path, one, **LOAD, only=only).session_hashes() for one in (frame, changed))
        assert list(before) == [f"{at:%Y-%m-%d}" for at in table(tmp_path, frame, **LOAD).sessions]
        assert {at for at in before if before[at] != after[at]} == differ
    options = {**LOAD, "features": [*LOAD["features"], "rank(temperature)"], "only": {"zone": "north"}}
    ranked = [table(tmp_path, one, **options).session_hashes() for one in (frame, changed)]
    assert ranked[0] != ranked[1], "a rank depends on all of them"


def test_a_dataset_is_made_before_there_are_data(tmp_path: Path) -> None:
    dataset = table(tmp_path)
    Path(write(bars(), tmp_path)).unlink()
    again = TableDataset(**{**dataset.to_config(), "path": str(tmp_path / "nowhere.parquet"), "segments": SEGMENTS})
    assert again.label_kind == "return"
    with pytest.raises(DataError, match="nowhere"):
        again.check()

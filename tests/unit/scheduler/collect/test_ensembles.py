"""Ensembles against the reference's cases."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq import AverageEnsemble, EnsembleError, RollingEnsemble, SingleKeyEnsemble
from rollq.scheduler.collect.window_join import WindowJoin
from tests.golden_cases import assert_joined, cases, frame, frames, key

KINDS = {kind.__name__: kind for kind in (RollingEnsemble, AverageEnsemble, SingleKeyEnsemble)}
DEFECTS = {"re_empty_dict"}  # nothing to join: ValueError in the reference, EnsembleError (a ValueError) here
CASES = [case for case in cases("ensemble_group") if case.values[0]["class"] in KINDS]


@pytest.mark.parametrize("case", CASES)
def test_reference(case: dict[str, Any]) -> None:
    given = {key(name): frames(rows, case["columns"]) for name, rows in case["input"]}
    ensemble = KINDS[case["class"]]()
    assert case["reference_defect"] == (case["id"] in DEFECTS)
    if case["id"] in DEFECTS:
        with pytest.raises(EnsembleError) as raised:
            ensemble(given)
        assert raised.value.fix
        return
    assert_joined(ensemble(given), case["output"])


def scores(*rows: list[Any]) -> pd.DataFrame:
    return frame(list(rows), ["score"])


EARLY = scores(["2020-01-01", "A", 1.0], ["2020-01-01", "B", 3.0], ["2020-01-02", "A", 5.0])
LATE = scores(["2020-01-02", "A", 7.0], ["2020-01-02", "B", 9.0])


@pytest.mark.parametrize("kind", [RollingEnsemble, AverageEnsemble])
def test_series_are_taken_like_frames(kind: Any) -> None:
    from_frames = kind()({"e": EARLY, "l": LATE})
    from_series = kind()({"e": EARLY["score"], "l": LATE["score"]})
    expected = from_frames["score"] if kind is RollingEnsemble else from_frames
    pd.testing.assert_series_equal(from_series, expected)


def test_series_and_frames_mixed() -> None:
    pd.testing.assert_frame_equal(
        RollingEnsemble()({1: EARLY["score"], 2: LATE}), RollingEnsemble()({1: EARLY, 2: LATE})
    )


def test_values_by_day_alone_can_be_joined() -> None:
    days = [pd.Series([1.0], pd.Index(pd.to_datetime([day]), name="datetime")) for day in ("2020-01-02", "2020-01-01")]
    assert list(RollingEnsemble()(dict(enumerate(days))).index) == [
        pd.Timestamp("2020-01-01"),
        pd.Timestamp("2020-01-02"),
    ]


def test_an_empty_window_changes_nothing() -> None:
    pd.testing.assert_frame_equal(RollingEnsemble()({0: EARLY.iloc[:0], 1: EARLY}), EARLY)
    pd.testing.assert_frame_equal(
        RollingEnsemble()({0: LATE, 1: EARLY.iloc[:0], 2: EARLY}), RollingEnsemble()({0: EARLY, 1: LATE})
    )
    assert RollingEnsemble()({0: EARLY.iloc[:0]}).empty


def test_equal_values_have_no_deviation() -> None:
    # 0.1 three times has a mean of 0.10000000000000002: without care, rounding would be blown up to a score.
    flat = scores(*(["2020-01-01", name, 0.1] for name in "ABC"))
    assert AverageEnsemble()({"m": flat}).isna().all()
    spread = scores(["2020-01-01", "A", 1.0], ["2020-01-01", "B", 2.0], ["2020-01-01", "C", 3.0])
    assert AverageEnsemble()({"m": flat, "n": spread}).tolist() == [-1.0, 0.0, 1.0]


def test_nested_models_are_averaged_flat() -> None:
    nested = AverageEnsemble()({"a": {"b": EARLY, "c": {"d": LATE}}})
    pd.testing.assert_series_equal(nested, AverageEnsemble()({"x": EARLY, "y": LATE}))


def test_rows_that_cannot_be_matched_are_refused() -> None:
    doubled = pd.concat([EARLY, LATE])
    other = doubled.iloc[::-1]
    with pytest.raises(EnsembleError, match="matched") as raised:
        AverageEnsemble()({"m": doubled, "n": other})
    assert raised.value.fix


@pytest.mark.parametrize("kind", [RollingEnsemble, AverageEnsemble])
@pytest.mark.parametrize("given", [{}, {"m": 3}, {"m": EARLY.reset_index()}, None, [EARLY]])
def test_what_cannot_be_joined(kind: Any, given: Any) -> None:
    with pytest.raises(EnsembleError) as raised:
        kind()(given)
    assert raised.value.fix


def test_inputs_stay_as_they_are() -> None:
    given = {"l": LATE.copy(), "e": EARLY.copy()}
    for kind in KINDS.values():
        kind()(given)
    assert list(given) == ["l", "e"]
    pd.testing.assert_frame_equal(given["l"], LATE)
    pd.testing.assert_frame_equal(given["e"], EARLY)


@pytest.mark.parametrize(
    ("given", "deep", "flat"),
    [
        ({"a": {"b": 1}}, 1, {"b": 1}),
        ({"a": {"b": 1}, "c": {"d": 2}}, {"a": 1, "c": 2}, {"a": {"b": 1}, "c": {"d": 2}}),
        ({"a": {"b": 1, "c": 2}}, {"b": 1, "c": 2}, {"b": 1, "c": 2}),
        ({}, {}, {}),
        (5, 5, 5),
    ],
)
def test_single_keys(given: Any, deep: Any, flat: Any) -> None:
    assert SingleKeyEnsemble()(given) == deep
    assert SingleKeyEnsemble()(given, recursion=False) == flat


# -- windows joined without copies ------------------------------------------------------------------------------------

DAYS = pd.bdate_range("2020-01-01", periods=400)


def by_pandas(windows: list[Any]) -> Any:
    """What joining means, in pandas' own words."""
    joined = pd.concat(sorted(windows, key=lambda window: window.index.get_level_values("datetime").min()))
    return joined[~joined.index.duplicated(keep="last")].sort_index()


def window(start: int, days: int, universe: Any, seed: int, **form: Any) -> Any:
    """Random values of ``days`` sessions from ``start``."""
    random = np.random.default_rng(seed)
    dates = DAYS[start : start + days].as_unit(form.get("unit", "ns"))
    index = pd.MultiIndex.from_product([dates, list(universe)], names=["datetime", "instrument"])
    if form.get("names") == "object":  # pandas guesses text unless it is told
        index = index.set_levels(index.levels[1].astype(object), level=1)
    columns = form.get("columns", ["score"])
    values = random.normal(size=(len(index), len(columns))).astype(form.get("dtype", "float64"))
    made = pd.DataFrame(np.where(random.random(values.shape) < 0.1, np.nan, values), index, columns, copy=True)
    made = made.astype(form.get("dtype", "float64"))
    if form.get("holes"):
        made = made[random.random(len(made)) < 0.7]
    if form.get("order"):
        made = made.sample(frac=1, random_state=seed)
    return made[columns[0]].rename(form.get("name")) if "name" in form else made


FORMS = st.fixed_dictionaries(
    {"names": st.sampled_from(["str", "object"]), "unit": st.sampled_from(["ns", "us"])},
    optional={
        "columns": st.just(["a", "b"]),
        "dtype": st.just("float32"),
        "holes": st.just(True),
        "order": st.just(True),
        "name": st.sampled_from(["score", None]),
    },
)


@given(
    form=FORMS,
    gaps=st.lists(st.integers(-3, 4), min_size=1, max_size=5),
    universes=st.lists(st.sets(st.sampled_from("ABCDEFG"), min_size=1), min_size=5, max_size=5),
    random=st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_it_is_what_pandas_makes_of_it(form: Any, gaps: list[int], universes: list[set[str]], random: Any) -> None:
    windows, start = {}, 0
    for number, gap in enumerate(gaps):
        start = max(start + gap, 0)
        made = window(start, 4, sorted(universes[number]), number, **form)
        windows[number] = made if len(made) else window(start, 4, "A", number, **{**form, "holes": False})
        start += 4
    order = list(windows)
    random.shuffle(order)
    given_ones = [windows[number] for number in order]
    before = [one.copy() for one in given_ones]
    found, expected = RollingEnsemble()(dict(enumerate(given_ones))), by_pandas(given_ones)
    check = pd.testing.assert_series_equal if isinstance(found, pd.Series) else pd.testing.assert_frame_equal
    check(found, expected, check_freq=False)
    assert list(found.index.dtypes) == list(expected.index.dtypes)
    for one, copied in zip(given_ones, before, strict=True):
        check(one, copied)


def test_windows_cut_from_a_long_frame() -> None:
    whole = window(0, 60, "ABC", 1)
    parts = [whole[whole.index.get_level_values("datetime") == day] for day in DAYS[10:20]]
    found = RollingEnsemble()(dict(enumerate(reversed(parts))))
    pd.testing.assert_frame_equal(found, whole.loc[DAYS[10] : DAYS[19]], check_freq=False)
    assert len(found.index.levels[0]) == 10  # not the sessions of the whole


@pytest.mark.parametrize("names", ["str", "object"])
def test_an_instrument_that_comes_later_and_sorts_first(names: str) -> None:
    parts = [
        window(0, 4, "BD", 1, names=names),
        window(4, 4, "ABCD", 2, names=names),
        window(8, 4, "AE", 3, names=names),
    ]
    found, expected = RollingEnsemble()(dict(enumerate(parts))), by_pandas(parts)
    pd.testing.assert_frame_equal(found, expected, check_freq=False)
    assert list(found.index.dtypes) == list(expected.index.dtypes)


def test_more_values_of_a_level_than_two_bytes_can_count() -> None:
    names = [f"S{number:06}" for number in range(40_000)]
    parts = [window(day, 1, names[20_000 * day : 20_000 * (day + 1)], day) for day in (0, 1)]
    pd.testing.assert_frame_equal(RollingEnsemble()(dict(enumerate(parts))), by_pandas(parts), check_freq=False)


def test_a_window_longer_than_the_ones_before() -> None:
    parts = [window(0, 1, "A", 1), window(1, 100, "ABC", 2), window(101, 299, "ABCD", 3)]
    pd.testing.assert_frame_equal(RollingEnsemble()(dict(enumerate(parts))), by_pandas(parts), check_freq=False)


@pytest.mark.parametrize(
    "second",
    [
        window(3, 4, "AB", 2),  # overlaps
        window(4, 4, "AB", 2, order=True),
        window(4, 4, "AB", 2, dtype="float32"),
        window(4, 4, "AB", 2, columns=["other"]),
        window(4, 4, "AB", 2, names="object"),
        window(4, 4, "AB", 2, unit="us"),
        window(4, 4, "AB", 2, name="score"),
        window(4, 4, "AB", 2).rename_axis(["datetime", "name"]),
        window(4, 4, "AB", 2).assign(text="a"),
        window(4, 4, "AA", 2),  # a row twice
        3,
    ],
)
def test_windows_that_cannot_be_joined_in_a_row(second: Any) -> None:
    join = WindowJoin(2)
    assert join.add(window(0, 4, "AB", 1))
    assert not join.add(second)


def test_joining_takes_little_more_memory_than_the_result() -> None:
    names = [f"S{number:03}" for number in range(200)]
    windows = {number: window(20 * number, 20, names, number) for number in range(20)}
    tracemalloc.start()
    joined = RollingEnsemble()(windows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.75 * joined.memory_usage(deep=True, index=True).sum()


# -- what the standardisation does (docs/concepts/ensembles.md) -------------------------------------------------------


def test_the_example_of_the_documentation() -> None:
    one = scores(["2020-01-01", "A", 1.0], ["2020-01-01", "B", 2.0], ["2020-01-01", "C", 3.0])
    two = scores(["2020-01-01", "A", 10.0], ["2020-01-01", "B", 40.0], ["2020-01-01", "D", 10.0])
    found = AverageEnsemble()({"one": one, "two": two})
    assert found.index.get_level_values("instrument").tolist() == list("ABCD")
    assert found.round(3).tolist() == [-0.789, 0.577, 1.0, -0.577]


def test_ties_stay_ties() -> None:
    tied = scores(["2020-01-01", "A", 1.0], ["2020-01-01", "B", 1.0], ["2020-01-01", "C", 4.0])
    assert AverageEnsemble()({"m": tied}).round(3).tolist() == [-0.577, -0.577, 1.155]


def test_a_single_instrument_has_no_score() -> None:
    alone = scores(["2020-01-01", "A", 5.0])
    both = scores(["2020-01-01", "A", 1.0], ["2020-01-01", "B", 2.0])
    assert AverageEnsemble()({"m": alone}).isna().all()
    assert AverageEnsemble()({"m": alone, "n": both}).round(3).tolist() == [-0.707, 0.707]


def test_nan_is_left_out_of_mean_deviation_and_average() -> None:
    one = scores(["2020-01-01", "A", 1.0], ["2020-01-01", "B", float("nan")], ["2020-01-01", "C", 3.0])
    two = scores(["2020-01-01", "A", 1.0], ["2020-01-01", "B", 2.0], ["2020-01-01", "C", float("nan")])
    assert AverageEnsemble()({"m": one, "n": two}).round(3).tolist() == [-0.707, 0.707, 0.707]
    assert AverageEnsemble()({"m": one}).round(3).fillna(9.0).tolist() == [-0.707, 9.0, 0.707]


def test_single_precision_stays_so() -> None:
    small = LATE.astype("float32")
    assert AverageEnsemble()({"m": small, "n": small}).dtype == "float32"
    assert AverageEnsemble()({"m": small, "n": LATE}).dtype == "float64"

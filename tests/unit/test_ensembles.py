"""Ensembles against the reference's cases."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rollq import AverageEnsemble, EnsembleError, RollingEnsemble, SingleKeyEnsemble
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

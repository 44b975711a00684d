"""Groups against the reference's cases."""

from __future__ import annotations

from typing import Any

import pytest

from rollq import AverageEnsemble, EnsembleError, Group, RollingGroup
from tests.golden_cases import assert_joined, cases, frames, key

# Where the reference raises TypeError or NotImplementedError, rollq raises EnsembleError.
DEFECTS = {"rg_key_not_tuple", "g_no_ens"}
CASES = [case for case in cases("ensemble_group") if case.values[0]["class"] in ("Group", "RollingGroup")]


def by_first(values: dict[Any, Any]) -> dict[Any, Any]:
    grouped: dict[Any, Any] = {}
    for name, item in values.items():
        grouped.setdefault(name[0], {})[name[1:]] = item
    return grouped


MADE = {
    "g_custom": lambda: Group(by_first, AverageEnsemble()),
    "g_no_ens": lambda: Group(by_first),
    "rg_avg": lambda: RollingGroup(AverageEnsemble()),
}


@pytest.mark.parametrize("case", CASES)
def test_reference(case: dict[str, Any]) -> None:
    given = {key(name): frames(rows, case["columns"]) for name, rows in case["input"]}
    group = MADE.get(case["id"], RollingGroup)()
    assert case["reference_defect"] == (case["id"] in DEFECTS)
    if case["id"] in DEFECTS:
        with pytest.raises(EnsembleError) as raised:
            group(given)
        assert raised.value.fix
        return
    assert_joined(group(given), case["output"])


def test_group_and_reduce_are_the_two_halves() -> None:
    group = Group(by_first, sum)
    grouped = group.group({("A", 1): 10, ("A", 2): 20, ("B", 1): 5})
    assert grouped == {"A": {(1,): 10, (2,): 20}, "B": {(1,): 5}}
    joined = Group(by_first, lambda values: sum(values.values()))
    assert joined.reduce(grouped["A"]) == 30
    assert joined({("A", 1): 10, ("A", 2): 20, ("B", 1): 5}) == {"A": 30, "B": 5}


def test_calls_of_the_reference_are_taken() -> None:
    """How many processes join makes no difference to the result; what else is given goes to the group function."""

    def by(values: dict[Any, Any], place: int, *, last: bool = False) -> dict[Any, Any]:
        return {key[-1 if last else place]: {key: item} for key, item in values.items()}

    group = Group(by, lambda values: sum(values.values()))
    given = {("A", 1): 10, ("B", 2): 5}
    assert group(given, 2, 1, 0) == {"A": 10, "B": 5}
    assert group(given, n_jobs=-1, verbose=0, place=0, last=True) == {1: 10, 2: 5}
    assert RollingGroup(lambda values: len(values)).group(rolling_dict=given) == {("A",): {1: 10}, ("B",): {2: 5}}


def test_nothing_in_nothing_out() -> None:
    assert RollingGroup()({}) == {}


@pytest.mark.parametrize("name", ["LGB", (), 3, None])
def test_keys_that_name_no_window(name: Any) -> None:
    with pytest.raises(EnsembleError) as raised:
        RollingGroup().group({name: 1})
    assert raised.value.fix


def test_a_group_without_a_function() -> None:
    with pytest.raises(EnsembleError, match="function"):
        Group(ens=AverageEnsemble())({("A", 1): 1})

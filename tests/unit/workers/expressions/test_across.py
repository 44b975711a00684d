"""Functions across instruments give what their slow twins give, and see the members alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.workers.expressions.evaluation import evaluate
from rollq.workers.expressions.expression import parse
from rollq.workers.expressions.functions.across import FUNCTIONS
from rollq.workers.expressions.grid import Grid, Values
from tests.unit.workers.expressions.grids import values
from tests.unit.workers.expressions.twins import NAN, place_of, quantile

Row = Sequence[float]
SHAPES = st.tuples(st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.8]), st.booleans(), st.sampled_from([1, 2, 9]))


def made(seed: int, missing: float, ties: bool, width: int) -> Grid:
    """Values, a factor, and groups; some of each missing, some rows no members."""
    random = np.random.default_rng(seed)
    shape = (12, width)
    fields = {name: random.normal(size=shape) for name in ("x", "z")}
    fields["g"] = random.integers(0, 3, shape).astype(np.float64)
    fields["h"] = random.integers(0, 2, shape).astype(np.float64)
    if ties:
        fields["x"] = np.round(fields["x"])
    for one in fields.values():
        one[random.uniform(size=shape) < missing] = np.nan
    member = random.uniform(size=shape) < 0.8
    names = pd.Index([f"I{number}" for number in range(width)])
    return Grid(pd.date_range("2024-01-01", periods=12), names, fields, member)


def ratio(one: float, two: float) -> float:
    return one / two if two else NAN


def zscores(row: Row) -> list[float]:
    if len(row) < 2:
        return [NAN] * len(row)
    mean, spread = statistics.fmean(row), statistics.stdev(row)
    return [ratio(one - mean, spread) for one in row]


def clipped(row: Row) -> list[float]:
    low, high = quantile(row, 0.1), quantile(row, 0.9)
    return [min(max(one, low), high) for one in row]


TWINS: Mapping[str, tuple[str, Callable[[Row], Sequence[float]]]] = {
    "rank": ("rank(x)", lambda row: [place_of(one, row) / len(row) for one in row]),
    "descending": (
        "rank(x, descending=True)",
        lambda row: [place_of(-one, [-two for two in row]) / len(row) for one in row],
    ),
    "place": ("rank(x, pct=False)", lambda row: [place_of(one, row) for one in row]),
    "demean": ("demean(x)", lambda row: [one - statistics.fmean(row) for one in row]),
    "zscore": ("zscore(x)", zscores),
    "cross_mean": ("cross_mean(x)", lambda row: [statistics.fmean(row)] * len(row)),
    "scale": ("scale(x, to=2)", lambda row: [ratio(2 * one, sum(abs(two) for two in row)) for one in row]),
    "winsorize": ("winsorize(x, 0.1)", clipped),
}
GROUPS: Mapping[str, Callable[[Row], Sequence[float]]] = {
    "group_rank": TWINS["rank"][1],
    "group_demean": TWINS["demean"][1],
    "group_zscore": zscores,
}


def by_row(grid: Grid, function: Callable[[Row], Sequence[float]], groups: Values | None = None) -> Values:
    """A twin, for each row and group on its own."""
    result = np.full(grid.shape, np.nan)
    x, member = grid.fields["x"], grid.member
    assert member is not None
    for row in range(grid.shape[0]):
        seen = [place for place in range(grid.shape[1]) if member[row, place] and math.isfinite(x[row, place])]
        keys = [0.0 if groups is None else float(groups[row, place]) for place in seen]
        for key in {one for one in keys if math.isfinite(one)}:
            chosen = [place for place, one in zip(seen, keys, strict=True) if one == key]
            for place, one in zip(chosen, function([float(x[row, place]) for place in chosen]), strict=True):
                result[row, place] = one
    return result


def close(found: Values, wanted: Values) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=10, deadline=None)
@given(shape=SHAPES)
def test_a_row_gives_what_its_twin_gives(name: str, shape: tuple[int, float, bool, int]) -> None:
    grid = made(*shape)
    text, twin = TWINS[name]
    close(values(text, grid), by_row(grid, twin))


@pytest.mark.parametrize("name", GROUPS)
@settings(max_examples=10, deadline=None)
@given(shape=SHAPES)
def test_a_group_gives_what_its_twin_gives(name: str, shape: tuple[int, float, bool, int]) -> None:
    grid = made(*shape)
    close(values(f"{name}(x, g)", grid), by_row(grid, GROUPS[name], grid.fields["g"]))


@settings(max_examples=10, deadline=None)
@given(shape=SHAPES)
def test_the_mean_of_a_group_is_known_to_all_of_it(shape: tuple[int, float, bool, int]) -> None:
    grid = made(*shape)
    found, apart = values("group_mean(x, g)", grid), values("group_demean(x, g)", grid)
    close(np.where(np.isnan(apart), np.nan, found), by_row(grid, TWINS["cross_mean"][1], grid.fields["g"]))
    member = grid.member
    assert member is not None
    assert np.isnan(found[~(member & np.isfinite(grid.fields["g"]))]).all()


@pytest.mark.parametrize(
    "factors", ["group(g)", "z", "group(g), z", "group(g), group(h), z, z * z", "group(g), z, 2 * z"]
)
@settings(max_examples=10, deadline=None)
@given(shape=SHAPES)
def test_what_is_neutral_is_what_least_squares_leaves(factors: str, shape: tuple[int, float, bool, int]) -> None:
    grid = made(*shape)
    found = values(f"neutralize(x, {factors})", grid)
    member, fields = grid.member, grid.fields
    assert member is not None
    for row in range(grid.shape[0]):
        used = [one for one in ("x", "g", "h", "z") if one in factors.replace("group", "") or one == "x"]
        seen = member[row] & np.all([np.isfinite(fields[one][row]) for one in used], axis=0)
        z = fields["z"][row, seen]
        columns = [np.ones(seen.sum())] + ([z, 2 * z, z * z] if "z * z" in factors else [z] if "z" in factors else [])
        for one in used:
            if one in "gh":
                columns += [fields[one][row, seen] == code for code in range(3)]
        y = fields["x"][row, seen]
        matrix = np.column_stack(columns).astype(np.float64)
        wanted = y - matrix @ np.linalg.lstsq(matrix, y, rcond=1e-10)[0] if seen.any() else y
        np.testing.assert_allclose(found[row, seen], wanted, atol=1e-7)
        assert np.isnan(found[row, ~seen]).all()


def test_a_column_is_a_group_unless_it_is_known_to_hold_numbers() -> None:
    kinds = {"x": "number", "sector": "category", "code": "number", "size": "number"}
    found = parse("neutralize(x, size, sector, group(code), log(size))", columns=kinds, lead=None)
    assert found.text == "neutralize(x, group(sector), group(code), size, log(size))"
    assert parse(found.text, columns=None, lead=None).text != found.text  # there size is a group, too
    assert parse("neutralize(x, sector)", columns=None, lead=None).text == "neutralize(x, group(sector))"
    assert found.across
    assert not parse("x", columns=kinds, lead=None).across


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("rank(x) <= 200", "rank(x, pct=False) <= 200"),
        ("3 > rank(x, descending=True)", "3 > rank(x, descending=True, pct=False)"),
        ("rank(x) <= 0.2", "rank(x) <= 0.2"),
        ("rank(x) <= z", "rank(x) <= z"),
    ],
)
def test_a_rank_is_a_place_where_it_is_compared_with_one(text: str, canonical: str) -> None:
    assert parse(text, columns=["x", "z"], lead=None).text == canonical


def test_the_highest_two_by_rule() -> None:
    grid = Grid(pd.date_range("2024", periods=1), pd.Index(list("abcd")), {"x": np.array([[3.0, 9.0, np.nan, 5.0]])})
    rule = parse("rank(x, descending=True) <= 2", columns=None, lead=None)
    found = dict(evaluate({"rule": rule}, grid))["rule"]
    np.testing.assert_array_equal(found, [[0, 1, np.nan, 1]])


def test_every_function_has_a_twin() -> None:
    named = {*TWINS, *GROUPS, "group_mean", "neutralize", "group"} - {"descending", "place"}
    assert {one.name for one in FUNCTIONS} == named

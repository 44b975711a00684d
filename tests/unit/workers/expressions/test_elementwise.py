"""Arithmetic, comparisons and conditions give what Python gives, value by value; NaN where something is missing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rollq.workers.expressions.functions.elementwise import FUNCTIONS
from rollq.workers.expressions.grid import Grid
from tests.unit.workers.expressions.grids import values

NAN, INF = math.nan, math.inf
NUMBERS = [-2.5, -1.0, 0.0, 0.5, 1.0, 3.0, NAN]


def divided(x: float, y: float) -> float:
    return x / y if y else NAN if x == 0 else math.copysign(INF, x)


def powered(x: float, y: float) -> float:
    try:
        found = x**y
    except ZeroDivisionError:
        return INF
    return NAN if isinstance(found, complex) else found


PAIRS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "add": ("x + y", lambda x, y: x + y),
    "subtract": ("x - y", lambda x, y: x - y),
    "multiply": ("x * y", lambda x, y: x * y),
    "divide": ("x / y", divided),
    "floor_divide": ("x // y", lambda x, y: math.floor(x / y) if y else divided(x, y)),
    "remainder": ("x % y", lambda x, y: x % y if y else NAN),
    "power": ("x ** y", powered),
    "greater": ("greater(x, y)", max),
    "less": ("less(x, y)", min),
    "gt": ("x > y", lambda x, y: x > y),
    "ge": ("x >= y", lambda x, y: x >= y),
    "lt": ("x < y", lambda x, y: x < y),
    "le": ("x <= y", lambda x, y: x <= y),
    "eq": ("x == y", lambda x, y: x == y),
    "ne": ("x != y", lambda x, y: x != y),
    "both": ("x and y", lambda x, y: bool(x) and bool(y)),
    "either": ("x or y", lambda x, y: bool(x) or bool(y)),
}
ALONE: dict[str, tuple[str, Callable[[float], float]]] = {
    "negative": ("-x", lambda x: -x),
    "abs": ("abs(x)", abs),
    "sign": ("sign(x)", lambda x: (x > 0) - (x < 0)),
    "log": ("log(x)", lambda x: math.log(x) if x > 0 else NAN if x else -INF),
    "exp": ("exp(x)", math.exp),
    "sqrt": ("sqrt(x)", lambda x: math.sqrt(x) if x >= 0 else NAN),
    "negated": ("not x", lambda x: not x),
    "clip": ("clip(x, -1, 0.75)", lambda x: min(max(x, -1), 0.75)),
}
OTHER: dict[str, tuple[str, list[float]]] = {  # of NUMBERS
    "where": ("where(x, x + 1, -9)", [-1.5, 0.0, -9.0, 1.5, 2.0, 4.0, NAN]),
    "isnan": ("isnan(x)", [0.0] * 6 + [1.0]),
    "fillna": ("fillna(x, 7)", [*NUMBERS[:6], 7.0]),
}


def grid_of(*columns: list[float]) -> Grid:
    fields = {name: np.array([one]).T for name, one in zip("xy", columns, strict=False)}
    return Grid(pd.date_range("2024", periods=len(columns[0])), pd.Index(["a"]), fields)


@pytest.mark.parametrize("name", PAIRS)
def test_two_values(name: str) -> None:
    text, twin = PAIRS[name]
    pairs = [(x, y) for x in NUMBERS for y in NUMBERS]
    found = values(text, grid_of([x for x, _ in pairs], [y for _, y in pairs]))[:, 0]
    wanted = [NAN if math.isnan(x) or math.isnan(y) else float(twin(x, y)) for x, y in pairs]
    if name == "power":  # anything to the power of 0 is 1, and so is 1 to any power
        wanted = [1.0 if y == 0 or x == 1 else one for (x, y), one in zip(pairs, wanted, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-15)


@pytest.mark.parametrize("name", ALONE)
def test_one_value(name: str) -> None:
    text, twin = ALONE[name]
    wanted = [NAN if math.isnan(x) else float(twin(x)) for x in NUMBERS]
    np.testing.assert_allclose(values(text, grid_of(NUMBERS))[:, 0], wanted, rtol=1e-15)


@pytest.mark.parametrize("name", OTHER)
def test_conditions_and_what_is_missing(name: str) -> None:
    text, wanted = OTHER[name]
    np.testing.assert_array_equal(values(text, grid_of(NUMBERS))[:, 0], wanted)


def test_a_chain_of_comparisons_is_one_condition() -> None:
    np.testing.assert_array_equal(values("-1 <= x < 1", grid_of(NUMBERS))[:, 0], [0, 1, 1, 1, 0, 0, NAN])


def test_every_function_has_a_twin() -> None:
    assert {one.name for one in FUNCTIONS} == {*PAIRS, *ALONE, *OTHER}

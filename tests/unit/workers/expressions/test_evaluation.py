"""Nothing sees the future, and nothing looks back further than it says: to the last bit, whatever the expression.

What expressions have in common is computed once.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions import evaluation
from rollq.workers.expressions.evaluation import KEPT, evaluate
from rollq.workers.expressions.expression import LABEL, Expression, parse
from rollq.workers.expressions.functions.catalog import FUNCTIONS
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.kernels import across, ordered, window
from rollq.workers.expressions.sets.named import named_set
from tests.unit.workers.expressions.grids import made_grid, several
from tests.unit.workers.expressions.random_texts import AHEAD, texts

ROWS, WIDTH = 60, 3


def hourly(seed: int) -> Grid:
    """Hours over a change of the clock, with gaps; some values missing, some rows no members."""
    grid = made_grid(ROWS, WIDTH, seed=seed, missing=0.1)
    random = np.random.default_rng(seed)
    every = pd.date_range("2024-03-30 01:00", periods=ROWS + 15, freq="h", tz="Europe/Berlin")
    times = every[np.sort(random.choice(len(every), ROWS, replace=False))]
    fields = {**grid.fields, "net sales": random.normal(size=(ROWS, WIDTH))}
    return Grid(times, grid.instruments, fields, random.uniform(size=(ROWS, WIDTH)) < 0.9)


def scrambled_after(grid: Grid, row: int, seed: int) -> Grid:
    """Other values and members after a row."""
    other = hourly(seed + 1)
    assert grid.member is not None
    assert other.member is not None
    later = np.arange(ROWS)[:, None] > row
    fields = {name: np.where(later, -3 * other.fields[name], one) for name, one in grid.fields.items()}
    return Grid(grid.times, grid.instruments, fields, np.where(later, other.member, grid.member))


def from_row(grid: Grid, row: int) -> Grid:
    """The grid without what lies before a row."""
    assert grid.member is not None
    fields = {name: one[row:] for name, one in grid.fields.items()}
    return Grid(grid.times[row:], grid.instruments, fields, grid.member[row:])


def parsed(text: str) -> Expression:
    kinds = dict.fromkeys(("open", "high", "low", "close", "volume", "net sales"), "number")
    return parse(text, columns=kinds | {"sector": "category"}, lead=LABEL)


def values(expression: Expression, grid: Grid) -> Values:
    return next(evaluate({"it": expression}, grid))[1]


def alike(one: Values, two: Values) -> bool:
    """Whether they have the same bits; any NaN is as good as another."""
    same = np.ascontiguousarray(one).view(np.int64) == np.ascontiguousarray(two).view(np.int64)
    return bool((same | (np.isnan(one) & np.isnan(two))).all())


def sees_the_future(expression: Expression, seed: int, row: int) -> bool:
    grid = hourly(seed)
    found = values(expression, grid), values(expression, scrambled_after(grid, row, seed))
    return not alike(*(one[: row + 1] for one in found))


@settings(max_examples=120, deadline=None)
@given(text=texts(), seed=st.integers(0, 1000), row=st.integers(0, ROWS - 2))
def test_what_comes_later_changes_nothing(text: str, seed: int, row: int) -> None:
    assert not sees_the_future(parsed(text), seed, row)


def test_an_expression_that_looks_ahead_is_caught() -> None:
    assert sees_the_future(parsed("mean(lead(close, 1), 3)"), seed=1, row=30)
    assert sees_the_future(parsed("Ref($close, -1)"), seed=1, row=30)


@settings(max_examples=120, deadline=None)
@given(text=texts(), seed=st.integers(0, 1000), row=st.integers(5, ROWS - 1))
def test_what_lies_before_the_look_back_changes_nothing(text: str, seed: int, row: int) -> None:
    expression, grid = parsed(text), hourly(seed)
    first = int(expression.first_seen(grid.times)[row:].min())
    if first <= 0:
        return
    assert alike(values(expression, grid)[row:], values(expression, from_row(grid, first))[row - first :])


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in AHEAD])
def test_each_function_sees_its_look_back_alone(name: str) -> None:
    """The two properties above, for each function at least once, and not only by chance."""
    function = FUNCTIONS[name]
    expression = parse(function.example, columns=None, lead=LABEL) if name != "Ref" else parsed("Ref($close, 5)")
    grid = made_grid(150, WIDTH, seed=3, missing=0.03)
    extra = {one: np.abs(grid.fields["close"]) for one in ("value", "x")}
    names = pd.Index(["SPY", "SH000300", "I2"])
    whole = Grid(grid.times, names, {**grid.fields, **extra})
    first = int(expression.first_seen(whole.times)[149])
    if not expression.lookback.is_steps or first < 1:
        return
    assert expression.lookback.steps == 149 - first
    cut = Grid(whole.times[first:], names, {key: one[first:] for key, one in whole.fields.items()})
    assert alike(values(expression, whole)[149:], values(expression, cut)[149 - first :])


def test_the_look_back_is_not_longer_than_needed() -> None:
    for text in ("mean(close, 20)", "lag(close, 5)", "volatility(close, 9)", "slope(close, 7)", "Resi($close, 11)"):
        expression, grid = parsed(text), made_grid(60, 2, missing=0.0)
        first = int(expression.first_seen(grid.times)[59])
        changed = {name: one.copy() for name, one in grid.fields.items()}
        changed["close"][first] *= 3
        other = Grid(grid.times, grid.instruments, changed)
        assert not alike(values(expression, grid)[59:], values(expression, other)[59:]), text


def test_common_parts_are_computed_once_and_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    whole = evaluation._Machine._computed

    def noted(machine: evaluation._Machine, node: evaluation.Column | evaluation.Call) -> Values:
        computed.append(node.text)
        return whole(machine, node)

    monkeypatch.setattr(evaluation._Machine, "_computed", noted)
    texts = {"a": "mean(close, 5) / close", "b": "mean(close, 5) - mean(open, 5)", "c": "mean(close, 5)", "d": "open"}
    machine_texts = {name: parse(text, columns=None, lead=None) for name, text in texts.items()}
    found = dict(evaluate(machine_texts, made_grid()))
    assert computed.count("mean(close, 5)") == 1
    assert len(computed) == len(set(computed))
    np.testing.assert_array_equal(found["a"], found["c"] / made_grid().fields["close"])


class Read(Mapping[str, Values]):
    """Columns that are made when they are asked for."""

    def __init__(self, fields: Mapping[str, Values]) -> None:
        self.fields = fields
        self.read: list[str] = []

    def __getitem__(self, name: str) -> Values:
        self.read.append(name)
        return self.fields[name].copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


def test_a_set_is_computed_in_little_memory_and_columns_are_seldom_read(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = made_grid(150, 120, missing=0.0)
    fields = Read({**plain.fields, "vwap": plain.fields["close"]})
    grid = Grid(plain.times, plain.instruments, fields)
    expressions = {
        name: parse(text, columns=list(fields), lead=None) for name, text in named_set("alpha158", fields).items()
    }
    one = plain.fields["close"].nbytes
    panel = 158 * one / 2  # in single precision
    for module in (window, across):
        monkeypatch.setattr(module, "AT_ONCE", 2**14)  # blocks, that are small beside a panel as large as it may be
    monkeypatch.setattr(ordered, "WINDOWS_AT_ONCE", 2**14)
    tracemalloc.start()
    for _, _ in evaluate(expressions, grid):
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most <= 0.25 * panel
    assert {"close", "high", "low", "open", "volume", "vwap"} == set(fields.read)
    assert max(Counter(fields.read).values()) <= 3
    assert KEPT * one < 0.2 * panel


def test_what_is_alike_for_all_is_given_for_each() -> None:
    grid = made_grid(10, 3)
    found = several({"one": "1 + 2", "hour": "hour", "of": "of(close, 'I1')"}, grid)
    assert {one.shape for one in found.values()} == {grid.shape}


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (1, 1), (2, 1), (3, 0)])
def test_every_function_takes_what_is_hardly_there(shape: tuple[int, int]) -> None:
    times = pd.date_range("2024-03-30 23:00", periods=shape[0], freq="h", tz="Europe/Berlin")
    names = ("open", "high", "low", "close", "volume", "value", "sector")
    grid = Grid(times, pd.Index([f"I{one}" for one in range(shape[1])]), dict.fromkeys(names, np.ones(shape)))
    for function in FUNCTIONS.values():
        for text in {function.example, function.example.replace("20", "5h")}:
            if "holiday" in text or "SPY" in text or "SH0" in text:
                continue
            try:
                expression = parse(text, columns=names, lead=LABEL)
            except TemplateError:
                continue  # it counts steps alone
            assert values(expression, grid).shape == shape, text
            assert len(expression.first_seen(times)) == shape[0]

"""Each function of a window gives what its slow twin gives, whatever is missing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.workers.expressions.functions.windows import FUNCTIONS, TOPIC
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.kernels.decay import rows_of
from tests.unit.workers.expressions.grids import values
from tests.unit.workers.expressions.twins import NAN, PAIRS, WINDOWS, Window, quantile, there

ROWS = 24
SHAPES = st.tuples(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.1, 0.6]),
    st.sampled_from(["normal", "ties", "far"]),
    st.integers(2, 30),
)
LEAST = st.sampled_from([None, 1, 3])


def made(seed: int, missing: float, kind: str) -> Grid:
    """Values that are scattered, that are often equal, or that lie far from 0 beside their spread."""
    random = np.random.default_rng(seed)
    fields = {}
    for name in ("x", "y"):
        one = random.normal(size=(ROWS, 3))
        one = np.round(one * 2) if kind == "ties" else one + 1e6 if kind == "far" else one
        one[random.uniform(size=one.shape) < missing] = np.nan
        one[random.uniform(size=one.shape) < missing / 10] = np.inf
        fields[name] = one
    return Grid(pd.date_range("2024-01-01", periods=ROWS, freq="h"), pd.Index(list("abc")), fields)


def windows_of(matrix: Values, row: int, column: int, length: int) -> Window:
    """The rows of a window, the oldest first."""
    begin = row - length + 1
    return [float(matrix[one, column]) if one >= 0 else NAN for one in range(begin, row + 1)]


def expected(function: Callable[..., float], needs: int, least: int | None, length: int, *matrices: Values) -> Values:
    """The twin's values."""
    result = np.full(matrices[0].shape, np.nan)
    for row, column in np.ndindex(*result.shape):
        sides = [windows_of(one, row, column, length) for one in matrices]
        whole = sum(all(math.isfinite(one) for one in pair) for pair in zip(*sides, strict=True))
        if whole >= max(needs, length if least is None else least):
            result[row, column] = function(*sides)
    return result


def text(call: str, least: int | None) -> str:
    return f"{call})" if least is None else f"{call}, least={least})"


def close(found: Values, wanted: Values) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", WINDOWS)
@settings(max_examples=12, deadline=None)
@given(shape=SHAPES, least=LEAST)
def test_a_window_gives_what_its_twin_gives(name: str, shape: tuple[int, float, str, int], least: int | None) -> None:
    *of, length = shape
    length = max(length, 4)
    grid = made(*of)
    twin, needs = WINDOWS[name]
    wanted = expected(twin, needs, least, length, grid.fields["x"])
    if name in ("skew", "kurt", "rsquare"):  # of values that stand still, or nearly: a share of nothing
        wanted[np.isnan(values(text(f"{name}(x, {length}", least), grid))] = np.nan
    close(values(text(f"{name}(x, {length}", least), grid), wanted)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=12, deadline=None)
@given(shape=SHAPES, least=LEAST)
def test_a_window_of_pairs_gives_what_its_twin_gives(
    name: str, shape: tuple[int, float, str, int], least: int | None
) -> None:
    *of, length = shape
    least = least and min(least, length)
    grid = made(*of)
    wanted = expected(PAIRS[name], 2, least, length, grid.fields["x"], grid.fields["y"])
    close(values(text(f"{name}(x, y, {length}", least), grid), wanted)


@settings(max_examples=12, deadline=None)
@given(shape=SHAPES, least=LEAST, share=st.sampled_from([0.0, 0.2, 0.37, 1.0]))
def test_quantiles(shape: tuple[int, float, str, int], least: int | None, share: float) -> None:
    *of, length = shape
    least = least and min(least, length)
    grid = made(*of)
    wanted = expected(lambda window: quantile(window, share), 1, least, length, grid.fields["x"])
    close(values(text(f"quantile(x, {length}, {share}", least), grid), wanted)


def test_a_count_is_always_there() -> None:
    grid = made(0, 0.6, "normal")
    found = values("count(x, 5)", grid)
    wanted = [len(there(windows_of(grid.fields["x"], row, 1, 5))) for row in range(ROWS)]
    assert list(found[:, 1]) == wanted


@pytest.mark.parametrize(("call", "decay"), [("halflife=3", 0.5 ** (1 / 3)), ("span=5", 1 - 2 / 6)])
def test_weights_that_fall_off(call: str, decay: float) -> None:
    grid = made(1, 0.1, "normal")
    found = values(f"ewm(x, {call}, least=2)", grid)

    def twin(window: Window) -> float:
        weights = [(decay**back, one) for back, one in enumerate(reversed(window)) if math.isfinite(one)]
        return sum(weight * one for weight, one in weights) / sum(weight for weight, _ in weights)

    close(found, expected(twin, 2, 2, rows_of(decay), grid.fields["x"]))
    frame = pd.DataFrame(grid.fields["x"]).replace(np.inf, np.nan)
    close(found, frame.ewm(alpha=1 - decay, min_periods=2).mean().to_numpy())


@pytest.mark.parametrize("name", [*WINDOWS, *PAIRS, "count"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", None])
def test_a_window_of_a_span_counts_the_hours_that_there_were(name: str, zone: str | None) -> None:
    times = pd.date_range("2024-03-29 04:00", periods=80, freq="h", tz=zone).delete([10, 11, 30, 31, 32])
    random = np.random.default_rng(3)
    fields = {one: random.normal(size=(len(times), 2)) for one in ("x", "y")}
    sides = "x, y" if name in PAIRS else "x"
    for span, least in (("9h", None), ("9h", 1), ("1d", 5)):
        found = values(text(f"{name}({sides}, {span}", least), Grid(times, pd.Index(["a", "b"]), fields))
        for row in (3, 9, 12, 36, 50, len(times) - 1):
            local = times[row].tz_localize(None) - pd.Timedelta(days=1)
            cut = times[row] - pd.Timedelta(hours=9) if span == "9h" else local.tz_localize(zone)
            length = int(((times > cut) & (times <= times[row])).sum())
            alone = Grid(times[: row + 1], pd.Index(["a", "b"]), {key: one[: row + 1] for key, one in fields.items()})
            wanted = np.full(2, np.nan)
            if length >= (least or 1):
                wanted = values(text(f"{name}({sides}, {length}", least or length), alone)[-1]
            if times[0] <= cut:
                np.testing.assert_array_equal(found[row], wanted)
            elif least is None and name != "count":
                assert np.isnan(found[row]).all()  # the window began before the data: it may be longer
            else:
                np.testing.assert_allclose(found[row], wanted, rtol=1e-9)


def test_every_function_of_a_window_has_a_twin() -> None:
    assert {one.name for one in FUNCTIONS if one.topic == TOPIC} == {*WINDOWS, *PAIRS, "quantile", "count", "ewm"}

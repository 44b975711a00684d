"""Other rows: by steps of the grid, by hours, by days of the local clock; and the five features of closes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import DataError
from rollq.workers.expressions.functions import other_rows, prices
from rollq.workers.expressions.grid import Grid, Values
from tests.unit.workers.expressions.grids import made_grid, values

ZONE = "Europe/Berlin"
NAMES = pd.Index(["a"])


def hours(begin: str, periods: int) -> Grid:
    """The value of each hour is its number."""
    times = pd.date_range(begin, periods=periods, freq="h", tz=ZONE)
    return Grid(times, NAMES, {"x": np.arange(float(periods))[:, None]})


def at(grid: Grid, text: str, time: str, fold: int = 0) -> float:
    """The value at a local time; of an hour that there is twice, the first or second."""
    found = values(text, grid)[:, 0]
    local = grid.times.tz_localize(None)
    places = np.flatnonzero(local == pd.Timestamp(time))
    return float(found[places[fold]])


def test_hours_are_absolute_and_days_are_local_when_clocks_go_forward() -> None:
    grid = hours("2024-03-30 00:00", 72)  # on the 31st there is no 02:00
    assert at(grid, "x - lag(x, 24h)", "2024-03-31 12:00") == 24
    assert at(grid, "x - lag(x, 1d)", "2024-03-31 12:00") == 23
    assert np.isnan(at(grid, "lag(x, 1d)", "2024-04-01 02:00"))
    assert at(grid, "x - lag(x, 24)", "2024-04-01 02:00") == 24
    assert at(grid, "lead(x, 1d) - x", "2024-03-30 12:00") == 23


def test_of_an_hour_that_there_is_twice_the_first_counts() -> None:
    grid = hours("2024-10-26 00:00", 80)  # on the 27th there is 02:00 twice
    assert at(grid, "x - lag(x, 1d)", "2024-10-28 02:00") == 25
    assert at(grid, "x - lag(x, 1d)", "2024-10-27 02:00", fold=0) == 24
    assert at(grid, "x - lag(x, 1d)", "2024-10-27 02:00", fold=1) == 25
    assert at(grid, "x - lag(x, 24h)", "2024-10-28 02:00") == 24
    assert at(grid, "delta(x, 1w)", "2024-10-28 02:00") != 0


def test_a_span_needs_a_row_at_exactly_that_time() -> None:
    times = pd.DatetimeIndex(["2024-01-05", "2024-01-08", "2024-01-12", "2024-01-15"])
    grid = Grid(times, NAMES, {"x": np.array([[1.0], [2.0], [4.0], [8.0]])})
    np.testing.assert_array_equal(values("lag(x, 7d)", grid)[:, 0], [np.nan, np.nan, 1, 2])
    np.testing.assert_array_equal(values("lag(x, 1w)", grid), values("lag(x, 7d)", grid))
    np.testing.assert_array_equal(values("lag(x, 1d)", grid)[:, 0], [np.nan] * 4)
    np.testing.assert_array_equal(values("lag(x)", grid)[:, 0], [np.nan, 1, 2, 4])
    np.testing.assert_array_equal(values("lead(x, 9)", grid)[:, 0], [np.nan] * 4)


def test_changes() -> None:
    grid = made_grid(missing=0.1)
    close = pd.DataFrame(grid.fields["close"])
    for text, wanted in (
        ("delta(close, 3)", close - close.shift(3)),
        ("change(close, 3)", close / close.shift(3) - 1),
        ("log_change(close)", np.log(close / close.shift())),
        ("lead(close, 2)", close.shift(-2)),
    ):
        np.testing.assert_allclose(values(text, grid), wanted, rtol=1e-9, atol=1e-12)


def test_one_instrument_for_all() -> None:
    grid = made_grid()
    found = values('close - of(close, "I2")', grid)
    np.testing.assert_array_equal(found, grid.fields["close"] - grid.fields["close"][:, [2]])
    with pytest.raises(DataError, match="Did you mean 'I2'"):
        values('of(close, "I2 ")', grid)


@pytest.mark.parametrize("window", [2, 3, 5, 20, 63])
def test_the_five_features_of_closes(window: int) -> None:
    grid = made_grid(120, missing=0.01)
    close = pd.DataFrame(grid.fields["close"])
    returns = np.log(close / close.shift())
    twins = {
        "momentum": close / close.shift(window) - 1,
        "volatility": returns.rolling(window).std(),
        "ma_distance": close / close.rolling(window).mean() - 1,
        "high_distance": close / close.rolling(window).max() - 1,
        "low_distance": close / close.rolling(window).min() - 1,
    }
    assert twins.keys() == {one.name for one in prices.FUNCTIONS}
    for name, wanted in twins.items():
        np.testing.assert_allclose(values(f"{name}(close, {window})", grid), wanted, rtol=1e-9, atol=1e-12)


def joined(frame: pd.DataFrame, window: int, combine: Callable[[Values, Values], Values]) -> pd.DataFrame:
    """Blocks of 1, 2, 4, ... rows, joined, as panels have been computed since the first."""
    block, result, size, covered = frame.to_numpy(), None, 1, 0
    while covered < window:
        if window & size:
            part = pd.DataFrame(block).shift(covered).to_numpy()
            result = part if result is None else combine(result, part)
            covered += size
        block = combine(block, pd.DataFrame(block).shift(size).to_numpy())
        size *= 2
    return pd.DataFrame(result)


@pytest.mark.parametrize("window", [2, 5, 20, 63, 64])
def test_the_bits_of_the_five_features_are_those_of_the_first_panels(window: int) -> None:
    grid = made_grid(150, missing=0.002)
    close = pd.DataFrame(grid.fields["close"])
    returns = np.log(close).diff()
    total, squares = joined(returns, window, np.add), joined(returns**2, window, np.add)
    wanted = {
        "momentum": close / close.shift(window) - 1,
        "volatility": ((squares - total**2 / window) / (window - 1)).clip(lower=0) ** 0.5,
        "ma_distance": close / (joined(close, window, np.add) / window) - 1,
        "high_distance": close / joined(close, window, np.maximum) - 1,
        "low_distance": close / joined(close, window, np.minimum) - 1,
    }
    for name, one in wanted.items():
        found = values(f"{name}(close, {window})", grid)
        assert np.isfinite(found).any()
        assert found.tobytes() == np.ascontiguousarray(one.to_numpy()).tobytes(), name


def test_every_function_is_tested_here() -> None:
    assert {one.name for one in other_rows.FUNCTIONS} == {"lag", "lead", "delta", "change", "log_change", "of"}

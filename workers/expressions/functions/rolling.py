"""Functions of the rows of an instrument: other rows, and windows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rollq.workers.expressions.functions.function import (
    Compute,
    Function,
    Kind,
    Options,
    Parameter,
    at_distance,
    back_by_distance,
    back_by_window,
    span_of,
    whole_of,
)
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.kernels import sums
from rollq.workers.expressions.kernels.window import Window
from rollq.workers.expressions.span import Span, exact_positions

X = Parameter("x")
WINDOW, LEAST = Parameter("window", Kind.WINDOW), Parameter("least", Kind.WHOLE, None, least=1)
DISTANCE = Parameter("distance", Kind.DISTANCE)
STEP = Parameter("distance", Kind.DISTANCE, Span(steps=1))
Kernel = Callable[[Values, Window], Values]
OTHER_ROWS, WINDOWS = "Other rows", "Windows"


def at(grid: Grid, values: Values, distance: Span) -> Values:
    """The values of the rows that lie exactly a distance away; NaN where there is none."""
    found = exact_positions(grid.times, distance)
    if len(values) != len(found):
        return values  # one row for all times: it is the same everywhere
    return np.where((found >= 0)[:, None], values[np.maximum(found, 0)], np.nan)


def window_of(grid: Grid, options: Options) -> Window:
    """The window of a call."""
    return Window.of(grid.times, span_of(options, "window"), whole_of(options, "least"))


def _lag(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return at(grid, values[0], -span_of(options, "distance"))


def _lead(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return at(grid, values[0], span_of(options, "distance"))


def _delta(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return values[0] - _lag(grid, values, options)


def _change(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return values[0] / _lag(grid, values, options) - 1


def _log_change(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    logs = np.log(values[0])
    return logs - _lag(grid, [logs], options)


def _windowed(kernel: Kernel) -> Compute:
    """A function of a window."""
    return lambda grid, values, options: kernel(grid_rows(grid, values[0]), window_of(grid, options))


def grid_rows(grid: Grid, values: Values) -> Values:
    """A matrix with a row for each time."""
    return np.broadcast_to(values, (len(grid.times), values.shape[1]))


def _window(name: str, kernel: Kernel, formula: str, example: str, least: float) -> Function:
    shortest = Parameter("window", Kind.WINDOW, least=least)
    return Function(
        name, (X, shortest, LEAST), _windowed(kernel), formula, example, looks=back_by_window, topic=WINDOWS
    )


FUNCTIONS = (
    Function(
        "lag",
        (X, STEP),
        _lag,
        "x of so many steps ago, or of exactly a span ago",
        "lag(close, 5)",
        looks=at_distance(-1),
        topic=OTHER_ROWS,
    ),
    Function(
        "lead",
        (X, STEP),
        _lead,
        "x of so many steps ahead, or of exactly a span ahead",
        "lead(close, 5)",
        looks=at_distance(1),
        topic=OTHER_ROWS,
    ),
    Function(
        "delta", (X, STEP), _delta, "x - lag(x, distance)", "delta(close, 5)", looks=back_by_distance, topic=OTHER_ROWS
    ),
    Function(
        "change",
        (X, STEP),
        _change,
        "x / lag(x, distance) - 1",
        "change(close, 5)",
        looks=back_by_distance,
        topic=OTHER_ROWS,
    ),
    Function(
        "log_change",
        (X, STEP),
        _log_change,
        "log(x) - log(lag(x, distance))",
        "log_change(close)",
        looks=back_by_distance,
        topic=OTHER_ROWS,
    ),
    _window("mean", sums.mean, "the sum of the values divided by their number", "mean(close, 20)", 1),
    _window("sum", sums.total, "the sum of the values", "sum(volume, 7d)", 1),
    _window("max", sums.highest, "the greatest value", "max(high, 20)", 1),
    _window("min", sums.lowest, "the smallest value", "min(low, 20)", 1),
    _window("count", sums.count, "how many values there are; 0 where there is none", "count(close, 20)", 1),
)

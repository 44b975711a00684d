"""Functions of other rows of the same instrument, and of what all instruments share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rollq.tasks.errors import DataError
from rollq.workers.expressions.functions.function import (
    Compute,
    Function,
    Kind,
    Options,
    Parameter,
    at_distance,
    back_by_distance,
    span_of,
)
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.nearest import nearest
from rollq.workers.expressions.span import Span, exact_positions

TOPIC = "Other rows"
X = Parameter("x")
STEP = Parameter("distance", Kind.DISTANCE, Span(steps=1))


def at(grid: Grid, values: Values, distance: Span) -> Values:
    """The values of the rows that lie exactly a distance away; NaN where there is none."""
    found = exact_positions(grid.times, distance)
    rows = np.broadcast_to(values, (len(found), values.shape[1]))
    return np.where((found >= 0)[:, None], rows[np.maximum(found, 0)], np.nan)


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


def of_instrument(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    """The values of one instrument: a matrix of one column."""
    name = str(options["instrument"])
    names = [str(one) for one in grid.instruments]
    if name not in names:
        raise DataError(f"There is no instrument {name!r}.", nearest(name, names))
    place = names.index(name)
    return values[0][:, place : place + 1] if values[0].shape[1] > 1 else values[0]


def _back(name: str, parameters: tuple[Parameter, ...], compute: Compute, formula: str, example: str) -> Function:
    return Function(name, parameters, compute, formula, example, looks=back_by_distance, topic=TOPIC)


FUNCTIONS = (
    Function(
        "lag",
        (X, STEP),
        _lag,
        "x of so many steps ago; for a span, of the row at exactly that time, NaN where there is none",
        "close / lag(close, 5)",
        looks=at_distance(-1),
        topic=TOPIC,
    ),
    Function(
        "lead",
        (X, STEP),
        _lead,
        "x of so many steps ahead, or of exactly a span ahead: for labels and for columns that are known in advance",
        "lead(close, 6) / lead(close) - 1",
        looks=at_distance(1),
        topic=TOPIC,
    ),
    _back("delta", (X, STEP), _delta, "x - lag(x, distance)", "delta(close, 5)"),
    _back("change", (X, STEP), _change, "x / lag(x, distance) - 1", "change(close, 5)"),
    _back("log_change", (X, STEP), _log_change, "log(x) - lag(log(x), distance)", "log_change(close)"),
    Function(
        "of",
        (X, Parameter("instrument", Kind.TEXT)),
        of_instrument,
        "x of one instrument, for all of them",
        'change(close) - of(change(close), "SPY")',
        across=True,
        topic=TOPIC,
    ),
)

"""Functions of the values of one row and instrument: arithmetic, comparisons, conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rollq.workers.expressions.functions.function import Compute, Function, Kind, Options, Parameter, number_of
from rollq.workers.expressions.grid import Flags, Grid, Values

TOPIC = "Arithmetic"
X, Y = Parameter("x"), Parameter("y")
Logical = Callable[..., Flags]


def _plain(ufunc: Callable[..., Values]) -> Compute:
    """A function of matrices alone."""
    return lambda grid, values, options: ufunc(*values)


def _missing(values: Sequence[Values]) -> Flags:
    """Where one of them is missing."""
    found = np.isnan(values[0])
    for one in values[1:]:
        found = np.logical_or(found, np.isnan(one))
    return np.asarray(found)


def _logical(function: Logical) -> Compute:
    """1 or 0; NaN where a value is missing."""

    def compute(grid: Grid, values: Sequence[Values], options: Options) -> Values:
        return np.where(_missing(values), np.nan, function(*values))

    return compute


def _clip(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return np.minimum(np.maximum(values[0], number_of(options, "lower")), number_of(options, "upper"))


def _where(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    condition, yes, no = values
    return np.where(np.isnan(condition), np.nan, np.where(condition != 0, yes, no))


def _fillna(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return np.where(np.isnan(values[0]), number_of(options, "value"), values[0])


def _isnan(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return np.isnan(values[0]).astype(np.float64)


def _bool(values: Values) -> npt.NDArray[np.bool_]:
    return np.not_equal(values, 0)


def _one(name: str, ufunc: Callable[..., Values], formula: str) -> Function:
    return Function(name, (X,), _plain(ufunc), formula, f"{name}(close)", topic=TOPIC)


def _two(name: str, compute: Compute, formula: str, example: str) -> Function:
    return Function(name, (X, Y), compute, formula, example, topic=TOPIC)


FUNCTIONS = (
    _two("add", _plain(np.add), "x + y", "open + close"),
    _two("subtract", _plain(np.subtract), "x - y", "high - low"),
    _two("multiply", _plain(np.multiply), "x * y", "close * volume"),
    _two("divide", _plain(np.divide), "x / y; dividing by 0 gives an infinite value or NaN", "value / volume"),
    _two("floor_divide", _plain(np.floor_divide), "x // y, the whole number at or below x / y", "hour // 6"),
    _two("remainder", _plain(np.mod), "x % y, what x is above a multiple of y", "day_of_year % 7"),
    _two("power", _plain(np.power), "x to the power of y", "power(close / open, 2)"),
    Function("negative", (X,), _plain(np.negative), "-x", "-close", topic=TOPIC),
    _one("abs", np.abs, "the distance of x from 0"),
    _one("sign", np.sign, "-1, 0 or 1"),
    _one("log", np.log, "natural logarithm; NaN below 0, minus infinity at 0"),
    _one("exp", np.exp, "e to the power of x"),
    _one("sqrt", np.sqrt, "square root; NaN below 0"),
    _two("greater", _plain(np.maximum), "the greater of x and y; NaN where one is missing", "greater(open, close)"),
    _two("less", _plain(np.minimum), "the smaller of x and y; NaN where one is missing", "less(open, close)"),
    Function(
        "clip",
        (X, Parameter("lower", Kind.NUMBER), Parameter("upper", Kind.NUMBER)),
        _clip,
        "x, at least lower and at most upper",
        "clip(close / open - 1, -0.1, 0.1)",
        topic=TOPIC,
    ),
    _two("gt", _logical(np.greater), "1 where x > y, else 0; NaN where one is missing", "close > open"),
    _two("ge", _logical(np.greater_equal), "1 where x >= y, else 0; NaN where one is missing", "close >= open"),
    _two("lt", _logical(np.less), "1 where x < y, else 0; NaN where one is missing", "close < open"),
    _two("le", _logical(np.less_equal), "1 where x <= y, else 0; NaN where one is missing", "close <= open"),
    _two("eq", _logical(np.equal), "1 where x == y, else 0; NaN where one is missing", "weekday == 0"),
    _two("ne", _logical(np.not_equal), "1 where x != y, else 0; NaN where one is missing", "weekday != 0"),
    _two(
        "both",
        _logical(lambda x, y: _bool(x) & _bool(y)),
        "x and y: 1 where neither is 0, else 0; NaN where one is missing",
        "close > open and volume > 0",
    ),
    _two(
        "either",
        _logical(lambda x, y: _bool(x) | _bool(y)),
        "x or y: 0 where both are 0, else 1; NaN where one is missing",
        "weekday == 5 or weekday == 6",
    ),
    Function(
        "negated",
        (X,),
        _logical(lambda x: ~_bool(x)),
        "not x: 1 where x is 0, else 0; NaN where it is missing",
        "not volume",
        topic=TOPIC,
    ),
    Function(
        "where",
        (Parameter("condition"), X, Y),
        _where,
        "x where the condition is not 0, y where it is 0; NaN where it is missing",
        "where(volume > 0, value / volume, close)",
        topic=TOPIC,
    ),
    Function("isnan", (X,), _isnan, "1 where x is missing, else 0", "isnan(volume)", topic=TOPIC),
    Function(
        "fillna",
        (X, Parameter("value", Kind.NUMBER)),
        _fillna,
        "x, and the given constant where it is missing",
        "fillna(volume, 0)",
        topic=TOPIC,
    ),
)

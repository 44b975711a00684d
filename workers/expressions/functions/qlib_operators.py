"""Qlib's operators, with its semantics: a window needs one value, and what is compared with NaN is not true.

Qlib's series of an instrument begin with its first value; a grid has rows before that. So a comparison is missing where
all that it compares is missing, and 0 where a part of it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rollq.workers.expressions.functions.function import (
    Compute,
    Function,
    Kind,
    Looks,
    Options,
    Parameter,
    back_by_distance,
    back_by_window,
    here,
    number_of,
    span_of,
)
from rollq.workers.expressions.functions.other_rows import at, of_instrument
from rollq.workers.expressions.functions.windows import as_rows
from rollq.workers.expressions.grid import Flags, Grid, Values
from rollq.workers.expressions.kernels import decay, moments, ordered, qlib_windows, shape, sums
from rollq.workers.expressions.kernels.window import Window
from rollq.workers.expressions.span import Span

TOPIC = "Qlib's operators"
STILL = 2e-5  # a standard deviation below which Qlib takes a series to stand still
X, Y, INSTRUMENT = Parameter("x"), Parameter("y"), Parameter("instrument", Kind.TEXT)
DISTANCE = Parameter("distance", Kind.STEPS)
Kernel = Callable[[Values, Window], Values]


def _plain(ufunc: Callable[..., Values]) -> Compute:
    return lambda grid, values, options: ufunc(*values)


def _logical(function: Callable[..., Flags]) -> Compute:
    """1 or 0; NaN where all that is no constant is missing."""

    def compute(grid: Grid, values: Sequence[Values], options: Options) -> Values:
        series = [np.isnan(one) for one in values if one.size > 1 or grid.shape == (1, 1)]
        missing = np.logical_and.reduce(np.broadcast_arrays(*series)) if series else np.zeros((1, 1), bool)
        return np.where(missing, np.nan, function(*values))

    return compute


def _true(values: Values) -> Flags:
    return np.asarray((values != 0) & ~np.isnan(values))


def _if(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    condition, yes, no = values
    return np.where(np.isnan(condition), np.nan, np.where(condition != 0, yes, no))


def _window(grid: Grid, options: Options) -> Window:
    return Window.of(grid.times, span_of(options, "window"), least=1)


def _of_one(kernel: Kernel) -> Compute:
    return lambda grid, values, options: kernel(as_rows(grid, values[0]), _window(grid, options))


def _of_line(function: Callable[[moments.Line], Values]) -> Compute:
    return _of_one(lambda values, window: moments.of_lines(values, window, function))


def _rsquare(values: Values, window: Window) -> Values:
    share = moments.of_lines(values, window, lambda line: line.share)
    return np.where(moments.deviation(values, window) <= STILL, np.nan, share)


def _corr(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    x, y = np.broadcast_arrays(*(as_rows(grid, one) for one in values))
    return moments.moving_correlation(x, y, _window(grid, options), STILL)


def _cov(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    x, y = np.broadcast_arrays(*(as_rows(grid, one) for one in values))
    return moments.covariance(x, y, _window(grid, options))


def _ref(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return at(grid, values[0], -span_of(options, "distance"))


def _ref_looks(options: Options) -> tuple[Span, Span]:
    there = -span_of(options, "distance")
    return there, there


def _delta(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return values[0] - _ref(grid, values, options)


def _quantile(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return ordered.quantile(as_rows(grid, values[0]), _window(grid, options), number_of(options, "qscore"))


def _decay(options: Options) -> float:
    number = number_of(options, "window")
    return 1 - number if number < 1 else 1 - 2 / (number + 1)


def _ema(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return decay.decayed_mean(as_rows(grid, values[0]), _decay(options), least=1)


def _ema_looks(options: Options) -> tuple[Span, Span]:
    return Span(steps=1 - decay.rows_of(_decay(options))), Span()


def _made(
    name: str, parameters: tuple[Parameter, ...], compute: Compute, formula: str, example: str, looks: Looks = here
) -> Function:
    across = INSTRUMENT in parameters
    return Function(name, parameters, compute, formula, example, looks, across=across, topic=TOPIC, qlib=True)


def _two(name: str, compute: Compute, formula: str) -> Function:
    return _made(name, (X, Y), compute, formula, f"{name}($close, $open)")


def _rolling(name: str, compute: Compute, formula: str, least: int = 1) -> Function:
    window = Parameter("window", Kind.WINDOW, least=least)
    return _made(name, (X, window), compute, formula, f"{name}($close, 20)", back_by_window)


def _rolling_pair(name: str, compute: Compute, formula: str) -> Function:
    window = Parameter("window", Kind.WINDOW)
    return _made(name, (X, Y, window), compute, formula, f"{name}($close, $volume, 20)", back_by_window)


FUNCTIONS = (
    _made("Abs", (X,), _plain(np.abs), "abs(x)", "Abs($close)"),
    _made("Sign", (X,), _plain(np.sign), "sign(x)", "Sign($close)"),
    _made("Log", (X,), _plain(np.log), "log(x)", "Log($close)"),
    _two("Power", _plain(np.power), "x ** y"),
    _two("Add", _plain(np.add), "x + y"),
    _two("Sub", _plain(np.subtract), "x - y"),
    _two("Mul", _plain(np.multiply), "x * y"),
    _two("Div", _plain(np.divide), "x / y"),
    _two("Greater", _plain(np.maximum), "greater(x, y)"),
    _two("Less", _plain(np.minimum), "less(x, y)"),
    _two("Gt", _logical(np.greater), "x > y; 0 where one of them is missing, NaN where both are"),
    _two("Ge", _logical(np.greater_equal), "x >= y, as Gt"),
    _two("Lt", _logical(np.less), "x < y, as Gt"),
    _two("Le", _logical(np.less_equal), "x <= y, as Gt"),
    _two("Eq", _logical(np.equal), "x == y, as Gt"),
    _two("Ne", _logical(np.not_equal), "x != y, as Gt; 1 where one of them is missing"),
    _two("And", _logical(lambda x, y: _true(x) & _true(y)), "x and y, as Gt"),
    _two("Or", _logical(lambda x, y: _true(x) | _true(y)), "x or y, as Gt"),
    _made("Not", (X,), _logical(lambda x: ~_true(x)), "not x", "Not($close > $open)"),
    _made("If", (Parameter("condition"), X, Y), _if, "where(condition, x, y)", "If($close > $open, $volume, 0)"),
    _made("Mask", (X, INSTRUMENT), of_instrument, "of(x, instrument)", "Mask($close, 'SH000300')"),
    _made(
        "ChangeInstrument",
        (INSTRUMENT, X),
        of_instrument,
        "of(x, instrument)",
        "$close / ChangeInstrument('SH000300', $close)",
    ),
    _made(
        "Ref",
        (X, Parameter("distance", Kind.SHIFT)),
        _ref,
        "lag(x, distance); a negative distance looks ahead, so only labels may have one",
        "Ref($close, 5) / $close",
        _ref_looks,
    ),
    _made("Delta", (X, DISTANCE), _delta, "x - Ref(x, distance)", "Delta($close, 5)", back_by_distance),
    _rolling("Mean", _of_one(sums.mean), "mean(x, window, least=1)"),
    _rolling("Sum", _of_one(sums.total), "sum(x, window, least=1)"),
    _rolling("Count", _of_one(lambda x, window: sums.count(x, Window(window.rows))), "count(x, window)"),
    _rolling("Max", _of_one(sums.highest), "max(x, window, least=1)"),
    _rolling("Min", _of_one(sums.lowest), "min(x, window, least=1)"),
    _rolling("Std", _of_one(moments.deviation), "std(x, window, least=1)"),
    _rolling("Var", _of_one(moments.variance), "var(x, window, least=1)"),
    _rolling("Skew", _of_one(shape.skewness), "skew(x, window, least=1)", least=3),
    _rolling("Kurt", _of_one(shape.kurtosis), "kurt(x, window, least=1)", least=4),
    _rolling(
        "IdxMax",
        _of_one(qlib_windows.place_of_highest),
        "the place of the greatest value in the window, from 1 for the first row that has a value; of equal ones the "
        "first. A row behind it without a value counts as the greatest",
    ),
    _rolling(
        "IdxMin",
        _of_one(lambda x, window: qlib_windows.place_of_highest(-x, window)),
        "the place of the smallest value, as IdxMax",
    ),
    _made(
        "Quantile",
        (X, Parameter("window", Kind.WINDOW), Parameter("qscore", Kind.NUMBER, least=0, most=1)),
        _quantile,
        "quantile(x, window, qscore, least=1)",
        "Quantile($close, 20, 0.8)",
        back_by_window,
    ),
    _rolling("Med", _of_one(lambda x, window: ordered.quantile(x, window, 0.5)), "median(x, window, least=1)"),
    _rolling("Mad", _of_one(ordered.mean_distance), "mad(x, window, least=1)"),
    _rolling("Rank", _of_one(ordered.rank), "ts_rank(x, window, least=1)"),
    _rolling("Slope", _of_line(lambda line: line.slope), "slope(x, window, least=1)"),
    _rolling("Resi", _of_line(lambda line: line.rest), "resi(x, window, least=1)"),
    _rolling("Rsquare", _of_one(_rsquare), f"rsquare(x, window, least=1); NaN where std is below {STILL:g}"),
    _rolling(
        "WMA",
        _of_one(qlib_windows.weighted_mean),
        "the sum of j / (1 + ... + m) * x of the j-th of the m rows of the window, divided by the number of its values",
    ),
    _made(
        "EMA",
        (X, Parameter("window", Kind.NUMBER, least=0.001, most=100_000)),
        _ema,
        "ewm(x, span=window); below 1, window is the weight of the last value",
        "EMA($close, 20)",
        _ema_looks,
    ),
    _rolling_pair("Corr", _corr, f"corr(x, y, window, least=1); NaN where a std is below {STILL:g}"),
    _rolling_pair("Cov", _cov, "cov(x, y, window, least=1)"),
)

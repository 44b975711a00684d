"""Functions of a window of rows that ends at each row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from rollq.workers.expressions.functions.function import (
    Compute,
    Function,
    Kind,
    Options,
    Parameter,
    back_by_window,
    number_of,
    span_of,
    whole_of,
)
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.kernels import decay, moments, ordered, shape, sums
from rollq.workers.expressions.kernels.window import Window
from rollq.workers.expressions.span import Span

TOPIC = "Windows"
X, Y = Parameter("x"), Parameter("y")
LEAST = Parameter("least", Kind.WHOLE, None, least=1)
SHARE = Parameter("share", Kind.NUMBER, least=0, most=1)
Kernel = Callable[[Values, Window], Values]
PairKernel = Callable[[Values, Values, Window], Values]


def window_of(grid: Grid, options: Options) -> Window:
    """The window of a call; all of it must be there unless ``least`` says how much."""
    return Window.of(grid.times, span_of(options, "window"), whole_of(options, "least"))


def as_rows(grid: Grid, values: Values) -> Values:
    """A matrix with a row for each time."""
    return np.broadcast_to(values, (len(grid.times), values.shape[1]))


def of_one(kernel: Kernel) -> Compute:
    """A function of the windows of one expression."""
    return lambda grid, values, options: kernel(as_rows(grid, values[0]), window_of(grid, options))


def of_two(kernel: PairKernel) -> Compute:
    """A function of the windows of two expressions."""

    def compute(grid: Grid, values: Sequence[Values], options: Options) -> Values:
        x, y = (as_rows(grid, one) for one in values)
        return kernel(x, y, window_of(grid, options))

    return compute


def of_line(function: Callable[[moments.Line], Values]) -> Compute:
    """A function of the straight line through the windows of an expression."""
    return of_one(lambda values, window: moments.of_lines(values, window, function))


def quantile(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    """A quantile of the windows of an expression."""
    return ordered.quantile(as_rows(grid, values[0]), window_of(grid, options), number_of(options, "share"))


def _ewm(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return decay.decayed_mean(as_rows(grid, values[0]), _decay(options), whole_of(options, "least") or 1)


def _decay(options: Options) -> float:
    """What the weight falls by in a step."""
    if options["halflife"] is not None:
        return math.pow(0.5, 1 / number_of(options, "halflife"))
    return 1 - 2 / (number_of(options, "span") + 1)


def _ewm_looks(options: Options) -> tuple[Span, Span]:
    return Span(steps=1 - decay.rows_of(_decay(options))), Span()


def _ewm_check(options: Options) -> str:
    both = (options["halflife"] is None) == (options["span"] is None)
    return "ewm takes either halflife or span" if both else ""


def _least_check(options: Options) -> str:
    window, least = span_of(options, "window"), whole_of(options, "least")
    more = least is not None and window.is_steps and least > window.steps
    return f"a window of {window} steps never has {least} values" if more else ""


def _window(name: str, compute: Compute, formula: str, example: str, least: int = 1, pair: bool = False) -> Function:
    """A function of windows of at least so many steps."""
    window = Parameter("window", Kind.WINDOW, least=least)
    parameters = (X, Y, window, LEAST) if pair else (X, window, LEAST)
    return Function(name, parameters, compute, formula, example, looks=back_by_window, topic=TOPIC, check=_least_check)


FUNCTIONS = (
    _window("mean", of_one(sums.mean), "the sum of the values, divided by their number", "mean(close, 20) / close"),
    _window("sum", of_one(sums.total), "the sum of the values", "sum(volume, 7d)"),
    _window("count", of_one(sums.count), "how many values there are, 0 where there is none", "count(close, 20)"),
    _window("max", of_one(sums.highest), "the greatest value", "max(high, 20) / close"),
    _window("min", of_one(sums.lowest), "the smallest value", "min(low, 20) / close"),
    _window(
        "argmax",
        of_one(sums.since_highest),
        "steps since the greatest value, 0 where it is that of the row; of equal ones, since the last",
        "argmax(high, 20)",
    ),
    _window(
        "argmin",
        of_one(lambda values, window: sums.since_highest(-values, window)),
        "steps since the smallest value; of equal ones, since the last",
        "argmin(low, 20)",
    ),
    _window(
        "var",
        of_one(moments.variance),
        "sample variance: the sum of the squared distances from the mean, divided by the number of values less 1",
        "var(change(close), 20)",
        least=2,
    ),
    _window("std", of_one(moments.deviation), "the square root of var", "std(log_change(close), 20)", least=2),
    _window(
        "skew",
        of_one(shape.skewness),
        "sample skewness, n * sqrt(n - 1) / (n - 2) * m3 / m2 ** 1.5, with the sums m of powers of the distances from "
        "the mean",
        "skew(change(close), 60)",
        least=3,
    ),
    _window(
        "kurt",
        of_one(shape.kurtosis),
        "sample excess kurtosis, (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * n * m4 / m2 ** 2 - 3 * (n - 1))",
        "kurt(change(close), 60)",
        least=4,
    ),
    _window("mad", of_one(ordered.mean_distance), "the mean distance of the values from their mean", "mad(close, 20)"),
    Function(
        "quantile",
        (X, Parameter("window", Kind.WINDOW), SHARE, LEAST),
        quantile,
        "the value below which a share of the window lies, on the straight line between two",
        "quantile(close, 20, 0.8) / close",
        looks=back_by_window,
        topic=TOPIC,
        check=_least_check,
    ),
    _window(
        "median",
        of_one(lambda values, window: ordered.quantile(values, window, 0.5)),
        "quantile(x, window, 0.5)",
        "median(volume, 20)",
    ),
    _window(
        "ts_rank",
        of_one(ordered.rank),
        "the place of the row's value among those of its window, divided by their number; equal ones share places",
        "ts_rank(close, 20)",
    ),
    _window(
        "corr",
        of_two(moments.correlation),
        "Pearson's correlation of the pairs of the window; NaN where one of the two stands still",
        "corr(close, log(volume + 1), 20)",
        least=2,
        pair=True,
    ),
    _window("cov", of_two(moments.covariance), "sample covariance", "cov(close, volume, 20)", least=2, pair=True),
    _window(
        "slope",
        of_line(lambda line: line.slope),
        "change in a step of the straight line by least squares through the window",
        "slope(close, 20) / close",
        least=2,
    ),
    _window(
        "resi",
        of_line(lambda line: line.rest),
        "the row's value less that of the straight line",
        "resi(close, 20) / close",
        least=2,
    ),
    _window(
        "rsquare",
        of_line(lambda line: line.share),
        "the share of the variance that the straight line explains; NaN where the values stand still",
        "rsquare(close, 20)",
        least=3,
    ),
    Function(
        "ewm",
        (
            X,
            Parameter("halflife", Kind.NUMBER, None, least=0.1, most=100_000),
            Parameter("span", Kind.NUMBER, None, least=1, most=100_000),
            Parameter("least", Kind.WHOLE, 1.0, least=1),
        ),
        _ewm,
        "mean with weights d ** k of the value k steps ago, where d is 0.5 ** (1 / halflife), or 1 - 2 / (span + 1). "
        f"Weights below {decay.NEGLIGIBLE:g} are left out, so that the look-back has an end",
        "ewm(close, halflife=10)",
        looks=_ewm_looks,
        topic=TOPIC,
        check=_ewm_check,
    ),
)

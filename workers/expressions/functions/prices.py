"""The five features of closes that templates of the old form name, by the same names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rollq.workers.expressions.functions.function import Compute, Function, Kind, Options, Parameter, span_of
from rollq.workers.expressions.grid import Values
from rollq.workers.expressions.kernels import price_features
from rollq.workers.expressions.span import Span

TOPIC = "Prices"


def _of(kernel: Callable[[Values, int], Values]) -> Compute:
    """A function of closes and a number of steps."""
    return lambda grid, values, options: kernel(
        np.ascontiguousarray(np.broadcast_to(values[0], (len(grid.times), values[0].shape[1]))),
        span_of(options, "window").steps,
    )


def _price(name: str, kernel: Callable[[Values, int], Values], formula: str, least: int, further: int) -> Function:
    """A feature of closes that looks ``further`` steps beyond the first row of its window."""

    def looks(options: Options) -> tuple[Span, Span]:
        return Span(steps=1 - further - span_of(options, "window").steps), Span()

    window = Parameter("window", Kind.STEPS, least=least)
    return Function(name, (Parameter("x"), window), _of(kernel), formula, f"{name}(close, 20)", looks, topic=TOPIC)


FUNCTIONS = (
    _price("momentum", price_features.momentum, "x / lag(x, window) - 1", 1, 1),
    _price("volatility", price_features.volatility, "std of log_change(x), by sums and sums of squares", 2, 1),
    _price("ma_distance", price_features.ma_distance, "x / mean(x, window) - 1", 2, 0),
    _price("high_distance", price_features.high_distance, "x / max(x, window) - 1", 2, 0),
    _price("low_distance", price_features.low_distance, "x / min(x, window) - 1", 2, 0),
)

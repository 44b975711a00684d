"""Processor time of the 158 features of ``alpha158``, beside pandas, which computes the same expressions.

Pandas keeps what expressions have in common, too. Its values are compared with ours: they agree but for the rounding of
its running sums.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.table import show
from rollq.workers.expressions.evaluation import evaluate
from rollq.workers.expressions.expression import Expression, parse
from rollq.workers.expressions.grid import Grid
from rollq.workers.expressions.node import Call, Column, Node, Number
from rollq.workers.expressions.sets.named import named_set
from rollq.workers.expressions.span import Span

SET = "alpha158"
COLUMNS = ("open", "high", "low", "close", "vwap", "volume")
Frame = pd.DataFrame


def main() -> None:
    """Compute the set in both ways, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datasets.expressions", description=__doc__)
    parser.add_argument("--instruments", type=int, default=300)
    parser.add_argument("--sessions", type=int, default=2_500)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    grid = _grid(given.sessions, given.instruments)
    expressions = {name: parse(text, columns=COLUMNS, lead=None) for name, text in named_set(SET, COLUMNS).items()}
    rows: dict[str, dict[str, float]] = {}
    ours = _timed(lambda: {name: float(np.nansum(one[-1])) for name, one in evaluate(expressions, grid)}, rows, "rollq")
    theirs = _timed(lambda: _by_pandas(expressions, grid), rows, "pandas")
    ratio = rows["rollq"]["processor seconds"] / rows["pandas"]["processor seconds"]
    apart = [name for name in ours if not np.isclose(ours[name], theirs[name], rtol=1e-5, atol=1e-6)]
    table = [{"by": name, **row} for name, row in rows.items()]
    show(f"expressions: {SET}", table, given.json, rollq_to_pandas=ratio, features_that_differ=len(apart))


def _timed(compute: Callable[[], dict[str, float]], rows: dict[str, dict[str, float]], name: str) -> dict[str, float]:
    """What was computed; the time goes into ``rows``."""
    begin = time.process_time()
    found = compute()
    rows[name] = {"features": len(found), "processor seconds": time.process_time() - begin}
    return found


def _grid(sessions: int, instruments: int) -> Grid:
    """Daily bars as random walks."""
    random = np.random.default_rng(7)
    shape = (sessions, instruments)
    close = 50 * np.exp(random.normal(0, 0.02, shape).cumsum(axis=0))
    fields = {"close": close, "open": close * random.uniform(0.99, 1.01, shape)}
    fields |= {"high": close * random.uniform(1.01, 1.02, shape), "low": close * random.uniform(0.98, 0.99, shape)}
    fields |= {"vwap": (close + fields["open"]) / 2, "volume": np.round(1e6 * np.exp(random.normal(0, 0.5, shape)))}
    return Grid(pd.bdate_range("2010-01-01", periods=sessions), pd.RangeIndex(instruments), fields)


def _by_pandas(expressions: dict[str, Expression], grid: Grid) -> dict[str, float]:
    """The last row of each feature, summed."""
    known: dict[str, Frame | float] = {}
    index = Frame({0: np.arange(len(grid.times), dtype=np.float64)})
    found = {}
    for name, expression in expressions.items():
        with np.errstate(all="ignore"):
            values = _values(expression.node, grid, known, index)
        found[name] = float(np.nansum(values.iloc[-1]))
    return found


def _values(node: Node, grid: Grid, known: dict[str, Frame | float], index: Frame) -> Frame:
    """The frame of a tree."""
    if isinstance(node, Number):
        return node.value
    if node.text not in known:
        if isinstance(node, Column):
            known[node.text] = Frame(grid.fields[node.name])
        else:
            sides = [_values(one, grid, known, index) for one in node.arguments]
            known[node.text] = _called(node, sides, index)
    return known[node.text]


def _called(node: Call, sides: list[Frame], index: Frame) -> Frame:
    """The frame of a call."""
    options = dict(node.options)
    span = options.get("window", options.get("distance"))
    rows = span.steps if isinstance(span, Span) else 0
    x = sides[0]
    if node.function in PLAIN:
        return PLAIN[node.function](*sides)
    if node.function == "Ref":
        return x.shift(rows)
    window = x.rolling(rows, min_periods=1)
    if node.function == "Quantile":
        return window.quantile(options["qscore"])
    if node.function == "Corr":
        return window.corr(sides[1])
    if node.function in ("Slope", "Rsquare", "Resi"):
        return _line(node.function, x, rows, index)
    return WINDOWS[node.function](window)


def _line(name: str, x: Frame, rows: int, index: Frame) -> Frame:
    """What is asked of the straight line through a window."""
    t = Frame(np.broadcast_to(index.to_numpy(), x.shape))
    window, times = x.rolling(rows, min_periods=2), t.rolling(rows, min_periods=2)
    slope = window.cov(t) / times.var()
    if name == "Slope":
        return slope
    if name == "Rsquare":
        return window.corr(t) ** 2
    return x - (window.mean() + slope * (t - times.mean()))


PLAIN: dict[str, Callable[..., Frame]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "Abs": np.abs,
    "Log": np.log,
    "Greater": np.maximum,
    "Less": np.minimum,
    "Gt": lambda x, y: (x > y).astype(np.float64),
    "Lt": lambda x, y: (x < y).astype(np.float64),
}
WINDOWS: dict[str, Callable[..., Frame]] = {
    "Mean": lambda window: window.mean(),
    "Sum": lambda window: window.sum(),
    "Std": lambda window: window.std(),
    "Max": lambda window: window.max(),
    "Min": lambda window: window.min(),
    "Rank": lambda window: window.rank(pct=True),
    "IdxMax": lambda window: window.apply(lambda one: one.argmax() + 1, raw=True),
    "IdxMin": lambda window: window.apply(lambda one: one.argmin() + 1, raw=True),
}


if __name__ == "__main__":
    main()

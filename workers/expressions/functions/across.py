"""Functions of all instruments of one time: of the members of the universe that have a value there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rollq.workers.expressions.functions.function import Compute, Function, Kind, Options, Parameter, number_of
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.kernels import across
from rollq.workers.expressions.kernels.across import by_rows

TOPIC, GROUPS = "Across instruments", "Groups of instruments"
X, G = Parameter("x"), Parameter("g", Kind.GROUP)


def _computed(grid: Grid, function: Callable[..., Values], values: Sequence[Values]) -> Values:
    return by_rows(function, grid.member, *(np.broadcast_to(one, grid.shape) for one in values))


def _plain(function: Callable[..., Values]) -> Compute:
    return lambda grid, values, options: _computed(grid, function, values)


def _rank(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    descending, pct = bool(options["descending"]), bool(options["pct"])
    return _computed(grid, lambda one: across.rank(one, descending, pct), values)


def _scale(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return _computed(grid, lambda one: across.scale(one, number_of(options, "to")), values)


def _winsorize(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    return _computed(grid, lambda one: across.winsorize(one, number_of(options, "share")), values)


def _cross_mean(values: Values) -> Values:
    return np.where(np.isfinite(values), across.mean(values), np.nan)


def _neutralize(grid: Grid, values: Sequence[Values], options: Options) -> Values:
    """Groups come first among the factors; the option says how many there are."""
    groups = int(number_of(options, "groups"))

    def rest(one: Values, *factors: Values) -> Values:
        return across.neutralize(one, factors[:groups], factors[groups:])

    return _computed(grid, rest, values)


def _one(name: str, compute: Compute, formula: str, example: str, more: tuple[Parameter, ...] = ()) -> Function:
    return Function(name, (X, *more), compute, formula, example, across=True, topic=TOPIC)


def _group(name: str, compute: Compute, formula: str) -> Function:
    return Function(name, (X, G), compute, formula, f"{name}(change(close, 5), sector)", across=True, topic=GROUPS)


FUNCTIONS = (
    _one(
        "rank",
        _rank,
        "the place of the value, from the smallest, divided by their number; equal ones share their places. With "
        "descending=True from the greatest. With pct=False it is the place itself, from 1, and so it is where it is "
        "compared with a number of 1 or more",
        "rank(mean(value, 20), descending=True) <= 200",
        (Parameter("descending", Kind.FLAG, False), Parameter("pct", Kind.FLAG, True)),
    ),
    _one("demean", _plain(across.demean), "x less the mean", "demean(change(close, 5))"),
    _one("zscore", _plain(across.zscore), "x less the mean, divided by the sample deviation", "zscore(volume)"),
    _one("cross_mean", _plain(_cross_mean), "the mean, for all that have a value", "cross_mean(change(close))"),
    _one(
        "scale",
        _scale,
        "x * to / the sum of abs(x)",
        "scale(demean(change(close, 5)))",
        (Parameter("to", Kind.NUMBER, 1.0),),
    ),
    _one(
        "winsorize",
        _winsorize,
        "x, at least its share quantile and at most that of 1 - share",
        "winsorize(change(close, 5), 0.01)",
        (Parameter("share", Kind.NUMBER, 0.01, least=0, most=0.5),),
    ),
    _group("group_rank", _plain(across.group_rank), "rank among those of the same group"),
    _group("group_mean", _plain(across.group_mean), "the mean of those of the same group"),
    _group("group_demean", _plain(across.group_demean), "x less the mean of its group"),
    _group("group_zscore", _plain(across.group_zscore), "zscore among those of the same group"),
    Function(
        "group",
        (X,),
        lambda grid, values, options: values[0],
        "x; in neutralize, that each of its values names a group",
        "neutralize(change(close, 5), group(month))",
        topic=GROUPS,
    ),
    Function(
        "neutralize",
        (X, Parameter("factors", Kind.FACTORS)),
        _neutralize,
        "what is left of x after least squares on an indicator of each group and on the other factors. A column of "
        "categories is a group, and so is group(y) for any y; other expressions and columns are factors. Without a "
        "group there is a constant",
        "neutralize(change(close, 5), sector, log(value))",
        across=True,
        topic=GROUPS,
    ),
)

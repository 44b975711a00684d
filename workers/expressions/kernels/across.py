"""What is computed of all instruments of one time: each row on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.workers.expressions.grid import Flags, Values
from rollq.workers.expressions.kernels.window import AT_ONCE, parts

Codes = npt.NDArray[np.int64]
TINY = 1e-12  # of a column's length: what is left of it then is rounding


def by_rows(function: Callable[..., Values], member: Flags | None, *inputs: Values) -> Values:
    """``function`` of matrices in which only members have values, computed in blocks of rows."""
    rows, width = inputs[0].shape
    result = np.empty((rows, width))
    for part in parts(rows, max(1, AT_ONCE // max(width, 1))):
        seen = np.ones((1, 1), bool) if member is None else member[part]
        result[part] = function(*(np.where(seen & np.isfinite(one[part]), one[part], np.nan) for one in inputs))
    return result


def rank(values: Values, descending: bool, pct: bool) -> Values:
    """The place of each value in its row, from 1; equal ones share their places."""
    frame = pd.DataFrame(values, copy=False)
    return np.asarray(frame.rank(axis=1, pct=pct, ascending=not descending))


def mean(values: Values) -> Values:
    """The mean of each row, one column."""
    there = np.isfinite(values)
    number = there.sum(axis=1, keepdims=True)
    total = np.where(there, values, 0.0).sum(axis=1, keepdims=True)
    return np.asarray(total / np.where(number > 0, number, np.nan))


def demean(values: Values) -> Values:
    """Less the mean of the row."""
    return np.asarray(values - mean(values))


def zscore(values: Values) -> Values:
    """Less the mean of the row, divided by its sample standard deviation."""
    apart = demean(values)
    number = np.isfinite(values).sum(axis=1, keepdims=True)
    squares = np.nansum(apart * apart, axis=1, keepdims=True)
    return np.asarray(apart / np.sqrt(squares / np.where(number > 1, number - 1, np.nan)))


def scale(values: Values, to: float) -> Values:
    """So that the sizes of the row's values add up to ``to``."""
    return np.asarray(values * (to / np.nansum(np.abs(values), axis=1, keepdims=True)))


def winsorize(values: Values, share: float) -> Values:
    """At least the ``share`` quantile of the row, and at most that of 1 - ``share``."""
    ordered = np.sort(values, axis=1)
    number = np.isfinite(values).sum(axis=1, keepdims=True)
    low, high = (_quantile(ordered, number, one) for one in (share, 1 - share))
    return np.minimum(np.maximum(values, low), high)


def group_rank(values: Values, groups: Values) -> Values:
    """The place of each value in its group of the row, divided by the number of values there."""
    values, keys = _keys(values, groups)
    ranks = pd.Series(values.ravel()).groupby(keys.ravel()).rank(pct=True)
    return np.asarray(ranks).reshape(values.shape)


def group_mean(values: Values, groups: Values) -> Values:
    """The mean of the values of a group of the row, for all that belong to it."""
    _, keys = _keys(groups, groups)
    there = np.isfinite(values) & np.isfinite(groups)
    means = _means(values, there, keys)
    return np.where(np.isfinite(groups), means[keys], np.nan)


def group_demean(values: Values, groups: Values) -> Values:
    """Less the mean of the group."""
    return values - group_mean(values, groups)


def group_zscore(values: Values, groups: Values) -> Values:
    """Less the mean of the group, divided by its sample standard deviation."""
    apart = group_demean(values, groups)
    _, keys = _keys(groups, groups)
    there = np.isfinite(apart)
    number = np.bincount(keys[there], minlength=keys.size + 1)
    squares = np.bincount(keys[there], (apart * apart)[there], minlength=keys.size + 1)
    spread = np.sqrt(squares / np.where(number > 1, number - 1, np.nan))
    return np.asarray(apart / spread[keys])


def neutralize(values: Values, groups: Sequence[Values], factors: Sequence[Values]) -> Values:
    """What is left of the values of each row after least squares on indicators of the groups and on the factors.

    By Gram and Schmidt's method, without matrices of a library whose sums depend on the number of threads.
    """
    there = np.isfinite(values)
    for one in (*groups, *factors):
        there &= np.isfinite(one)
    rest = np.where(there, values, np.nan)
    first = np.where(there, groups[0] if groups else 0.0, np.nan)
    columns = [np.where(there, one, np.nan) for one in factors]
    for one in groups[1:]:
        columns += [np.where(there, one == code, np.nan) for code in np.unique(one[there])]
    rest, directions = group_demean(rest, first), list[Values]()
    for one in columns:
        left, before = group_demean(one, first), _length(one)
        for _ in range(2):  # a second time takes away what rounding has left
            for direction in directions:
                left = left - direction * _product(left, direction)
        length = _length(left)
        direction = np.where(length > TINY * before, left / length, 0.0)
        rest = rest - direction * _product(rest, direction)
        directions.append(direction)
    return rest


def _product(one: Values, two: Values) -> Values:
    return np.asarray(np.nansum(one * two, axis=1, keepdims=True))


def _length(one: Values) -> Values:
    return np.sqrt(_product(one, one))


def _quantile(ordered: Values, number: npt.NDArray[np.int64], share: float) -> Values:
    """A quantile of each row of sorted values, on the straight line between two."""
    place = share * np.maximum(number - 1, 0)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(number - 1, 0))
    below, above = (np.take_along_axis(ordered, one, axis=1) for one in (low, high))
    return below + (above - below) * (place - low)


def _keys(values: Values, groups: Values) -> tuple[Values, Codes]:
    """The values that belong to a group, and a number of each group of each row; the greatest where there is none."""
    there = np.isfinite(values) & np.isfinite(groups)
    codes = np.unique(np.where(np.isfinite(groups), groups, np.inf), return_inverse=True)[1].reshape(groups.shape)
    rows, width = groups.shape
    # A number of its own for each pair that occurs, so that they are at most as many as there are values.
    pairs = codes.astype(np.int64) * rows + np.arange(rows)[:, None]
    keys = np.unique(pairs, return_inverse=True)[1].reshape(groups.shape)
    return np.where(there, values, np.nan), np.where(np.isfinite(groups), keys, rows * width).astype(np.int64)


def _means(values: Values, there: Flags, keys: Codes) -> Values:
    """The mean of each key."""
    number = np.bincount(keys[there], minlength=keys.size + 1)
    total = np.bincount(keys[there], values[there], minlength=keys.size + 1)
    return np.asarray(total / np.where(number > 0, number, np.nan))

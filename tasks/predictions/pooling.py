"""Metrics that can be pooled: each is a function of sums over rows, and the sums of windows add up.

So a metric of many windows is that of all of their rows, not the mean of the windows' values: the pooled RMSE is the
root of the mean over all rows, the pooled ICIR that of all days.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import BadInput

Sums = npt.NDArray[np.float64]  # of a metric: its last axis has the sums that the metric is a function of
Value = float | tuple[float, float]  # what a record returns of a metric: a number, or with its weight
MEAN, SUM, QUADRATIC, DETERMINATION = "mean", "sum", "quadratic", "determination"
DECLARED = (MEAN, SUM, QUADRATIC)  # those that a record may declare for its metrics


def _mean(sums: Sums) -> Sums:
    return sums[..., 0] / sums[..., 1]


def _sum(sums: Sums) -> Sums:
    return sums[..., 0]


def _quadratic(sums: Sums) -> Sums:
    root: Sums = np.sqrt(_mean(sums))
    return root


def _ratio(sums: Sums) -> Sums:
    """Mean / sample standard deviation, times a factor: of (n, sum, sum of squares, n x factor)."""
    n, total, squares, scaled = np.moveaxis(sums, -1, 0)
    spread = squares - total**2 / n
    # What is left of squares that cancel is rounding: a constant has no deviation.
    deviation = np.sqrt(np.where(spread > 1e-12 * squares, spread, np.nan) / (n - 1))
    ratio: Sums = total / n / deviation * (scaled / n)
    return ratio


def _deviation(sums: Sums) -> Sums:
    """The sample standard deviation, times a factor: of (n, sum, sum of squares, n x factor)."""
    n, total, squares, scaled = np.moveaxis(sums, -1, 0)
    deviation: Sums = np.sqrt(np.maximum(squares - total**2 / n, 0) / (n - 1)) * (scaled / n)
    return deviation


def _determination(sums: Sums) -> Sums:
    """1 - squared errors / squared deviations of the label from its mean: of (n, sum, squares, squared errors)."""
    n, total, squares, errors = np.moveaxis(sums, -1, 0)
    spread = squares - total**2 / n
    share: Sums = 1 - errors / np.where(spread > 1e-12 * squares, spread, np.nan)
    return share


def _f1(sums: Sums) -> Sums:
    """The mean over classes of 2 tp / (2 tp + fp + fn): of three numbers a class; one that is nowhere is left out."""
    tp, wrong, missed = (sums[..., place::3] for place in range(3))
    seen = 2 * tp + wrong + missed
    each = 2 * tp / np.where(seen > 0, seen, 1)
    return np.asarray(each.sum(axis=-1) / (seen > 0).sum(axis=-1))


def _growth(sums: Sums) -> Sums:
    """What growth by the factors exp(x) comes to, by unit of time: of (sum of x, time)."""
    return np.expm1(sums[..., 0] / sums[..., 1])


def _compound(sums: Sums) -> Sums:
    """What growth by the factors exp(x) comes to in all."""
    return np.expm1(sums[..., 0])


def _least(sums: Sums) -> Sums:
    return sums[..., 0]


LEAST = "least"
POOLINGS: dict[str, Callable[[Sums], Sums]] = {
    MEAN: _mean,
    SUM: _sum,
    QUADRATIC: _quadratic,
    LEAST: _least,
    "ratio": _ratio,
    "deviation": _deviation,
    "compound": _compound,
    DETERMINATION: _determination,
    "f1": _f1,
    "growth": _growth,
}


class Pooled(float):
    """A metric that knows what it was made of.

    Args:
        how: which of ``POOLINGS`` makes the metric of its sums.
        sums: over the rows of a window.
    """

    how: str
    sums: tuple[float, ...]

    def __new__(cls, how: str, sums: Sequence[float]) -> Pooled:
        """NaN, if there was no row."""
        with np.errstate(all="ignore"):
            made = super().__new__(cls, float(POOLINGS[how](np.asarray(sums, dtype=float))))
        made.how, made.sums = how, tuple(float(one) for one in sums)
        return made

    def __reduce__(self) -> tuple[type[Pooled], tuple[str, tuple[float, ...]]]:
        return Pooled, (self.how, self.sums)


@dataclass(frozen=True)
class RowSums:
    """What each row adds to the sums of a metric: rows x sums; a row that does not count adds 0 to each."""

    how: str
    sums: Sums

    @classmethod
    def of(cls, how: str, *columns: npt.ArrayLike, where: npt.NDArray[np.bool_] | None = None) -> RowSums:
        """Of columns, one a sum; only the rows ``where`` count."""
        made = np.stack(np.broadcast_arrays(*(np.asarray(one, dtype=float) for one in columns)), axis=-1)
        return cls(how, made if where is None else np.where(where[:, None], made, 0.0))

    def total(self) -> Pooled:
        """The metric of all rows."""
        return Pooled(self.how, self.sums.sum(axis=0).tolist())


def metrics_of(rows: Mapping[str, RowSums]) -> dict[str, float]:
    """Each metric over all rows; one that cannot be computed is left out."""
    return {name: value for name, one in rows.items() if math.isfinite(value := one.total())}


def metrics_by(rows: Mapping[str, RowSums], keys: pd.Index) -> dict[object, dict[str, float]]:
    """The metrics of each group of rows, by the group; one that cannot be computed is left out.

    Args:
        rows: by metric.
        keys: the group of each row; rows whose group is NaN are in none.
    """
    codes, groups = pd.factorize(keys, sort=True)
    found: dict[object, dict[str, float]] = {group: {} for group in groups}
    for name, one in rows.items():
        for group, sums in zip(groups, _sums_by(one, codes, len(groups)).tolist(), strict=True):
            if math.isfinite(value := Pooled(one.how, sums)):
                found[group][name] = value
    return found


def table_by(rows: Mapping[str, RowSums], keys: pd.Index) -> pd.DataFrame:
    """The same as a table: a row for each group, a column for each metric; NaN is what cannot be computed."""
    codes, groups = pd.factorize(keys, sort=True)
    with np.errstate(all="ignore"):
        values = {name: POOLINGS[one.how](_sums_by(one, codes, len(groups))) for name, one in rows.items()}
    return pd.DataFrame(values, index=pd.Index(groups, name=keys.name)).replace([np.inf, -np.inf], np.nan)


def _sums_by(one: RowSums, codes: npt.NDArray[np.intp], count: int) -> Sums:
    sums = np.zeros((count, one.sums.shape[1]))
    np.add.at(sums, codes[codes >= 0], one.sums[codes >= 0])
    return sums


def as_pooled(returned: Mapping[str, Value], declared: Mapping[str, str], rows: Callable[[], int]) -> dict[str, Pooled]:
    """What a record returned, so that it can be pooled; what is not finite is left out.

    Args:
        returned: by metric: a number, which counts as often as the window has rows; or ``(number, weight)``.
        declared: how a metric is pooled: ``mean`` (default), ``sum``, or ``quadratic``, a root of a mean of squares.
        rows: how many the test segment has; asked only where it is needed.

    Raises:
        BadInput: a metric is no number, or has a weight that is none; or a pooling is unknown.
    """
    found: dict[str, Pooled] = {}
    for name, value in returned.items():
        how = declared.get(name, MEAN)
        if how not in DECLARED:
            raise BadInput(f"{name} is pooled by {how!r}, which is unknown.", f"Declare one of {', '.join(DECLARED)}.")
        if isinstance(value, Pooled):
            made = value
        else:
            number, weight = _number_and_weight(name, value, rows)
            made = Pooled(how, _SUMS[how](number, weight))
        if math.isfinite(made):
            found[name] = made
    return found


def pool(windows: Iterable[Mapping[str, Pooled]]) -> dict[str, Pooled]:
    """The metrics of all rows of some windows; one that cannot be computed is left out.

    Where a record pools a metric in another way than it did before, its newest windows count: sums of two kinds do not
    add up.
    """
    found: dict[str, list[Pooled]] = {}
    for window in windows:
        for name, value in window.items():
            found.setdefault(name, []).append(value)
    made = {name: _joined(values) for name, values in found.items()}
    return {name: value for name, value in made.items() if math.isfinite(value)}


def _joined(values: Sequence[Pooled]) -> Pooled:
    how = values[-1].how
    alike = [value.sums for value in values if value.how == how]
    if how == LEAST:
        return Pooled(how, [min(sums[0] for sums in alike)])
    # One window may have seen more classes than another.
    sums = np.zeros((len(alike), max(map(len, alike))))
    for place, one in enumerate(alike):
        sums[place, : len(one)] = one
    return Pooled(how, sums.sum(axis=0).tolist())


_SUMS: dict[str, Callable[[float, float], tuple[float, ...]]] = {
    MEAN: lambda value, weight: (value * weight, weight),
    SUM: lambda value, weight: (value,),
    QUADRATIC: lambda value, weight: (value**2 * weight, weight),
}


def _number_and_weight(name: str, value: object, rows: Callable[[], int]) -> tuple[float, float]:
    """A metric as a record returned it, and how much it counts. Raises as ``as_pooled``."""
    parts = value if isinstance(value, tuple | list) else (value, None)
    try:
        number, given = parts
        weight = float(rows()) if given is None else float(given)
        found = float(number)
    except (TypeError, ValueError):
        raise BadInput(
            f"The metric {name!r} is {value!r}.", "Return a number, or (number, weight), for each metric."
        ) from None
    if not weight >= 0 or math.isinf(weight):
        raise BadInput(f"The metric {name!r} has the weight {weight}.", "Give it one of at least 0.")
    return found, weight

"""Codes of categories. A code depends on nothing that comes later: it is a number by first appearance, then by name.

A panel has codes by the first appearance in the whole table; a window has its own, by the first appearance in its train
segment, so that they depend on nothing that it does not see: on no row before it, and on none of another group. Those
that train does not have are unknown to it, and to its later predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rollq.tasks.errors import DataError

Level = str | float
Codes = npt.NDArray[np.float32]
Known = Sequence[tuple[Level, int]]  # the categories that train has, with their codes
UNKNOWN = -1.0
EXACT = 2.0**53  # from here on float64 takes neighbouring whole numbers for the same
KEY = "dataset.kwargs.categorical"


def coded(
    values: npt.NDArray[np.float64], time_of: npt.NDArray[np.integer], names: Sequence[str] | None
) -> tuple[Codes, list[Level]]:
    """Codes for the values of rows that are sorted by time, and the categories by code.

    Args:
        values: of rows; positions in ``names``, or the categories themselves; NaN where there is none.
        time_of: the position of each row's time.
        names: of the categories, sorted; None: they are numbers.

    Returns:
        NaN where there is no category.

    Raises:
        DataError: numbers are too great to be told apart.
    """
    there = np.isfinite(values)
    if names is None and (np.abs(values[there]) >= EXACT).any():
        raise DataError(
            f"{KEY}: there are categories of 2^53 or more, which as numbers are the same as their neighbours.",
            "Write the column as text.",
        )
    distinct, first, inverse = np.unique(values[there], return_index=True, return_inverse=True)
    order = np.lexsort((distinct, time_of[there][first]))
    code = np.empty(len(distinct))
    code[order] = np.arange(len(distinct))
    codes = np.full(len(values), np.nan, dtype=np.float32)
    codes[there] = code[inverse]
    levels = [float(distinct[at]) if names is None else names[int(distinct[at])] for at in order.tolist()]
    return codes, levels


def known_in(codes: Codes, levels: Sequence[Level], time_of: npt.NDArray[np.integer]) -> list[tuple[Level, int]]:
    """The categories that some rows have, with codes of their own.

    Args:
        codes, levels: of a panel; the rows are sorted by time.
        time_of: the position of each row's time.
    """
    there = np.flatnonzero(~np.isnan(codes))
    distinct, first = np.unique(codes[there].astype(np.int64), return_index=True)
    times = time_of[there][first].tolist()
    order = sorted(zip(times, [levels[code] for code in distinct.tolist()], strict=True))
    return [(level, code) for code, (_, level) in enumerate(order)]


def continued(known: Known, before: Known) -> list[tuple[Level, int]]:
    """The categories of an earlier window, with its codes, and the others of this one behind them."""
    earlier = {level for level, _ in before}
    first = max((code for _, code in before), default=-1) + 1
    new = [level for level, _ in known if level not in earlier]
    return [*before, *((level, code) for code, level in enumerate(new, first))]


def recoded(codes: Codes, levels: Sequence[Level], known: Known) -> Codes:
    """The codes by which a window knows the categories; ``UNKNOWN`` for those that it does not know.

    Args:
        codes, levels: of a panel, which may have been made anew from other data.
        known: of the window.
    """
    place: Mapping[Level, int] = dict(known)
    table = np.array([*(place.get(level, UNKNOWN) for level in levels), np.nan], dtype=np.float32)
    found: Codes = table[np.where(np.isnan(codes), len(levels), codes).astype(np.int64)]
    return found

"""All functions of the language, by name."""

from __future__ import annotations

from collections.abc import Mapping

from rollq.workers.expressions.functions import (
    across,
    calendar,
    elementwise,
    other_rows,
    prices,
    qlib_operators,
    windows,
)
from rollq.workers.expressions.functions.function import Function

FUNCTIONS: Mapping[str, Function] = {
    one.name: one
    for part in (elementwise, other_rows, windows, across, calendar, prices, qlib_operators)
    for one in part.FUNCTIONS
}

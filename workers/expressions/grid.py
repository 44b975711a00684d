"""The grid that expressions are computed on: a matrix of times x instruments for each column of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """What the expressions of one table are computed from.

    Args:
        times: sorted, each once; naive, or in the zone of the table.
        instruments: the columns of each matrix.
        fields: a column of the table -> times x instruments, float64; NaN where there is no value; categories as codes.
            A lazy mapping is asked for a column when it is needed, and for none twice unless memory runs short.
        member: times x instruments, the rows that are there and belong to the universe: what functions across
            instruments see. None: every value that there is.
    """

    times: pd.DatetimeIndex
    instruments: pd.Index
    fields: Mapping[str, Values]
    member: Flags | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Times, instruments."""
        return len(self.times), len(self.instruments)

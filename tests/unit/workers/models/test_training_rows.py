"""Rows to learn from: a weight is a number of 0 or more, or there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import PermanentError
from rollq.workers.models.training_rows import known_rows
from tests.unit.workers.models.made_dataset import MadeDataset, rows


def weights(odd: float) -> pd.Series:
    """1 for each row, but for one."""
    found = pd.Series(1.0, index=rows().index)
    found.iloc[5] = odd
    return found


@pytest.mark.parametrize(("odd", "says"), [(np.inf, "an infinite weight"), (-1.0, "a negative weight")])
def test_weights_that_mean_nothing_are_refused(odd: float, says: str) -> None:
    with pytest.raises(PermanentError, match=says):
        known_rows(MadeDataset(weights=weights(odd)), "train")


def test_a_row_without_a_weight_is_left_out() -> None:
    whole, without = (known_rows(MadeDataset(weights=weights(odd)), "train") for odd in (1.0, np.nan))
    assert len(without.label) == len(whole.label) - 1

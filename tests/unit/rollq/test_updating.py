"""Replacing a range of predictions, against the reference's cases."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rollq.tasks.predictions.ranges import replace_range
from tests.golden_cases import assert_joined, cases, frame


@pytest.mark.parametrize("case", cases("replace_range"))
def test_reference(case: dict[str, Any]) -> None:
    old, new = frame(case["old"], case["columns"]), frame(case["new"], case["columns"])
    before = old.copy()
    assert not case["reference_defect"]
    assert_joined(replace_range(old, new), case["output"])
    pd.testing.assert_frame_equal(old, before)


def test_series_and_vanished_instruments() -> None:
    old = frame([["2020-01-01", "A", 1], ["2020-01-02", "A", 2], ["2020-01-02", "B", 3]], ["score"])["score"]
    new = frame([["2020-01-02", "A", 9]], ["score"])["score"]
    assert replace_range(old, new).tolist() == [1, 9]

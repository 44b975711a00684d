"""A column of texts says what in it is no number, and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from rollq.workers.tables.text_column import TextColumn


@pytest.mark.parametrize(
    ("values", "decimal", "said", "fix"),
    [
        (["1", "", "2.5", "x", "3", "x"], ".", r"'x' (row 4; 2 of 5 values)", "leave the field empty"),
        (["1", "-1e3", "NA", " 2 ", "-"], ".", r"'-' (row 5; 1 of 5 values)", "Correct it"),
        (["bank", "mine"], ".", r"'bank' (row 1; 2 of 2 values)", "group_mean"),
        (["55,0", "1", "0,625"], ".", r"'55,0' (row 1; 2 of 3 values)", "decimal: ','"),
        (["0.65", "1"], ",", r"'0.65' (row 1; 1 of 2 values)", "decimal: '.'"),
        (["1,234.50", "7"], ".", r"'1,234.50' (row 1", "without marks of thousands"),
        (["1,234", "7"], ".", r"'1,234' (row 1", "without marks of thousands"),
        (["5 %"], ".", "'5 %'", "percents"),
        (["1", "2"], ".", "numbers as text, such as '1'", "Store them as numbers"),
    ],
)
def test_what_is_no_number_is_named_with_its_row_and_the_fix(
    values: list[str], decimal: str, said: str, fix: str
) -> None:
    texts = sorted({value for value in values if value})
    codes = np.array([texts.index(value) if value else -1 for value in values], dtype=np.int32)
    why = TextColumn(codes, texts, decimal).why()
    assert said in why[0]
    assert fix in why[1]

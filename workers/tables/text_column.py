"""Why a column of texts is no column of numbers: the first value that is none, where it stands, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.workers.tables.arrow_columns import Codes
from rollq.workers.tables.files.csv_file import NOTHING

COMMA = re.compile(r"-?[\d.]*,\d+")
# 1,234.50 and 1.234,50, $5, 7 %
THOUSANDS = re.compile(r"[$€£]? ?-?\d{1,3}([,. ']\d{3})+([.,]\d+)?|[$€£] ?-?[\d.,]+|-?[\d.,]+ ?[%€$£]")
FEW = 0.5  # share of texts that are no numbers: where there are fewer, numbers are meant
GROUP_FIX = "A text may be a group, as in group_mean(x, it), or a feature that categorical names."


@dataclass(frozen=True)
class TextColumn:
    """What a column of texts holds.

    Args:
        codes: the number of each row's text, in the order of the files; -1: none.
        texts: by their numbers.
        decimal: how numbers are written.
        is_csv: of a file in which everything is text.
    """

    codes: Codes
    texts: Sequence[str]
    decimal: str = "."
    is_csv: bool = True

    def why(self) -> tuple[str, str]:
        """What is no number, and the fix."""
        odd = ~_are_numbers(self.texts, self.decimal)
        bad = np.append(odd, False)[self.codes]
        there = int((self.codes >= 0).sum())
        if not bad.any():
            shown = self.texts[self.codes[self.codes >= 0][0]] if there else ""
            return f"holds its numbers as text, such as {shown!r}", "Store them as numbers."
        row = int(bad.argmax())
        said = f"holds text such as {self.texts[self.codes[row]]!r} (row {row + 1}; {int(bad.sum())} of {there} values)"
        return said, self._fix(
            [text for text, is_odd in zip(self.texts, odd, strict=True) if is_odd], bad.sum() / there
        )

    def _fix(self, odd: list[str], share: float) -> str:
        """What helps where so many values are no numbers."""
        if self.is_csv and self.decimal == "," and _are_numbers(odd, ".").all():
            return "Write decimal: '.', and numbers alike in all columns."
        plain = [text.strip() for text in odd]
        marked = all(THOUSANDS.fullmatch(text) for text in plain)
        if self.is_csv and self.decimal == "." and not marked and all(COMMA.fullmatch(text) for text in plain):
            return "Write decimal: ',', and numbers alike in all columns."
        if marked or all(THOUSANDS.fullmatch(text) or COMMA.fullmatch(text) for text in plain):
            return "Store numbers plainly: without marks of thousands, currencies and percents."
        if share < FEW:
            return "Correct it; where there is no number, leave the field empty."
        return GROUP_FIX


def _are_numbers(texts: Sequence[str], decimal: str) -> npt.NDArray[np.bool_]:
    """Which texts are numbers, or say that there is none."""
    # With another sign for decimals, a point is no part of a number.
    plain = [text.strip() if decimal == "." else text.strip().replace(".", "x").replace(decimal, ".") for text in texts]
    found = pd.to_numeric(pd.Series(plain, dtype=object), errors="coerce").notna().to_numpy()
    return np.asarray(found | np.isin(plain, NOTHING), dtype=bool)

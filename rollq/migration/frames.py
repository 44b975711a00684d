"""Frames of earlier versions of pandas, as today's makes them: texts were objects there, and have a type here."""

from __future__ import annotations

import pandas as pd


def todays(table: pd.DataFrame | pd.Series) -> pd.DataFrame | pd.Series:
    """The same values, with texts as texts: in the columns, in their names, and in the index."""
    made = table.infer_objects()
    made.index = _index(made.index)
    if isinstance(made, pd.DataFrame):
        made.columns = _index(made.columns)
    return made


def _index(index: pd.Index) -> pd.Index:
    if not isinstance(index, pd.MultiIndex):
        return index.infer_objects()
    levels = [level.infer_objects() for level in index.levels]
    return index.set_levels(levels, verify_integrity=False)

"""Which rows of a table count: those that are there once, on sessions that are not left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.rolling.data_checks import DUPLICATE, NAME, DataChecks
from rollq.workers.datasets.session_checks import misspelt, plain_name
from rollq.workers.tables.table import Table

Flags = npt.NDArray[np.bool_]
PLACE = (0, "place")  # a name that no column of a table has


@dataclass(frozen=True)
class TableRows:
    """The rows of a table, in its order.

    ``index``: (datetime, instrument), sorted; ``twice``: rows that stand beside another one of the same time and
    instrument that says something else; ``kept``: the rows that count.
    """

    index: pd.MultiIndex
    twice: Flags
    kept: Flags

    @property
    def sessions(self) -> list[str]:
        """All sessions, as ``YYYY-MM-DD``, whether they count or not."""
        days = session_days(pd.DatetimeIndex(self.index.levels[0])).unique()
        found: list[str] = np.datetime_as_string(np.sort(days.to_numpy("datetime64[D]"))).tolist()
        return found

    def days(self) -> npt.NDArray[np.str_]:
        """The session of each row."""
        texts: npt.NDArray[np.str_] = np.datetime_as_string(session_days(self.index).to_numpy("datetime64[D]"))
        return texts


def look_at_rows(
    table: Table, columns: Sequence[str], checks: DataChecks, out: Collection[str] = (), priced: bool = False
) -> TableRows:
    """The rows of a table. Of rows that say the same of a time and an instrument the last one counts; of those that say
    different things none does, unless the session is accepted: then the last one.

    Args:
        columns: all that are used.
        out: sessions that are left out.
        priced: it has prices: a name that is spelt as another one, but rarer, is a mistake.
    """
    index = table.frame([]).index
    index = index if isinstance(index, pd.MultiIndex) else pd.MultiIndex.from_tuples(index)
    index = index.remove_unused_levels()
    kept, twice = np.ones(len(index), dtype=bool), index.duplicated(keep=False)
    if twice.any():
        last = ~index.duplicated(keep="last")
        same = _same(table, index, columns, twice)
        kept &= ~twice | (last & (same | _accepted(index, checks, DUPLICATE)))
        twice = twice & ~same
    if priced and checks.name:
        kept &= ~_misspelt(index) | _accepted(index, checks, NAME)
    if out:
        days = session_days(index)
        kept &= ~days.isin(pd.DatetimeIndex(sorted(out)))
    return TableRows(index, twice, kept)


def _accepted(index: pd.MultiIndex, checks: DataChecks, check: str) -> Flags:
    """The rows of sessions of which a check is accepted."""
    accepted = [entry[:10] for entry in checks.accept if entry[10:] in ("", f":{check}")]
    return np.asarray(session_days(index).isin(pd.DatetimeIndex(accepted)), dtype=bool)


def _misspelt(index: pd.MultiIndex) -> Flags:
    """Rows whose name differs from another one by blanks, case or what cannot be seen, and is the rarer one."""
    names = index.levels[1].astype(str)
    if len({plain_name(name) for name in names}) == len(names):
        return np.zeros(len(index), dtype=bool)  # as nearly always: no table is made for it
    return misspelt(pd.DataFrame({"datetime": session_days(index), "instrument": names[index.codes[1]]}))


def _same(table: Table, index: pd.MultiIndex, columns: Sequence[str], twice: Flags) -> Flags:
    """Of the rows that are there twice, those whose values are all the same as those of the others."""
    frame = table.frame(list(columns))[twice]
    places = index.codes[0][twice].astype(np.int64) * len(index.levels[1]) + index.codes[1][twice]
    texts = {name: frame[name].astype(str) if frame[name].dtype == "category" else frame[name] for name in frame}
    plain = pd.DataFrame({**{name: values.to_numpy() for name, values in texts.items()}, PLACE: places})
    others = plain.drop_duplicates()[PLACE]
    found = np.zeros(len(index), dtype=bool)
    found[twice] = ~np.isin(places, others[others.duplicated()])
    return found

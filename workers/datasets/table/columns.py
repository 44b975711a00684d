"""Columns of a table as they are, such as a sector or a price: read when asked for, and kept once per machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import DataError
from rollq.tasks.files.shared_cache import new_folder, one_at_a_time
from rollq.tasks.rolling.data_checks import left_out
from rollq.workers.datasets.panel_cache import Panel, Rows
from rollq.workers.datasets.plan.plan import TablePlan
from rollq.workers.datasets.table.looked import findings_of
from rollq.workers.datasets.table.table_rows import look_at_rows
from rollq.workers.datasets.table.wide_table import spread
from rollq.workers.tables.table import Table

VALUES, LEVELS = "values.npy", "levels.json"
INSTRUMENT = "instrument"
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table, of the rows of a panel."""

    table: Table
    plan: TablePlan
    panel: Panel
    cache_dir: Path

    def values(self, name: str, rows: Rows) -> pd.Index:
        """The values of some rows: numbers; or texts, None where there is none.

        Raises:
            DataError: there is no such column.
        """
        numbers, levels = self._column(name)
        found = np.asarray(numbers[rows])
        if levels is None:
            return pd.Index(found)
        table = np.array([*levels, None], dtype=object)
        return pd.Index(table[np.where(np.isnan(found), -1, found).astype(np.int64)], dtype=object)

    def groups(self, name: str) -> list[str]:
        """The values of a column, or the instruments, as texts, sorted.

        Raises:
            DataError: there is no such column.
        """
        return sorted(self._texts(name))

    def has(self, name: str, value: str) -> Flags:
        """Which rows have a value, given as a text; none if there is no such value."""
        found = self._texts(name).get(value)
        if found is None:
            return np.zeros(len(self.panel.time_of), dtype=bool)
        numbers = self.panel.instrument_of if self.is_instrument(name) else self._column(name)[0]
        return np.asarray(numbers == found, dtype=bool)

    def _texts(self, name: str) -> dict[str, float]:
        """The values of a column as texts, with the numbers that stand for them."""
        if self.is_instrument(name):
            used = np.unique(self.panel.instrument_of).tolist()
            return {str(self.panel.instruments[code]): code for code in used}
        numbers, levels = self._column(name)
        distinct = np.unique(numbers[~np.isnan(numbers)]).tolist()
        return {_text(number) if levels is None else levels[int(number)]: number for number in distinct}

    def is_instrument(self, name: str) -> bool:
        return name == self.table.instrument or (name == INSTRUMENT and name not in self.table.columns)

    def _column(self, name: str) -> tuple[Numbers, list[str] | None]:
        """The numbers of a column, one per row, and what they stand for, if they are texts."""
        if name not in self.table.columns:
            raise DataError(f"there is no column {name!r}.", did_you_mean(name, self.table.columns))
        folder = self.cache_dir / f"column-{self._key(name)}"
        found = _open(folder)
        if found is None:
            with one_at_a_time(folder):
                found = _open(folder) or self._read(name, folder)
        return found

    def _key(self, name: str) -> str:
        """Everything that a column depends on: the table, and which rows it is of."""
        rows = [np.ascontiguousarray(part).data for part in (self.panel.time_of, self.panel.instrument_of)]
        parts = [
            name,
            self.table.fingerprint(),
            self.plan.read_as,
            *(hashlib.sha256(part).hexdigest() for part in rows),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]

    def _read(self, name: str, folder: Path) -> tuple[Numbers, list[str] | None]:
        """Read a column and keep it; the caller holds the lock."""
        checks, scratch = self.plan.plan.checks, "wide.tmp"
        out = left_out(findings_of(self.table, self.plan, self.cache_dir))
        rows = look_at_rows(self.table, self.plan.looked_at, checks, out, self.plan.price is not None)
        with new_folder(folder) as temporary:
            wide = spread(self.table, rows, [name], self.plan.plan.universe.names, temporary / scratch)
            numbers, levels = wide[name][self.panel.time_of, self.panel.instrument_of], wide.levels.get(name)
            np.save(temporary / VALUES, numbers, allow_pickle=False)
            (temporary / LEVELS).write_text(json.dumps(levels), encoding="utf-8")
            (temporary / scratch).unlink()
        return numbers, levels


def _text(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)


def _open(folder: Path) -> tuple[Numbers, list[str] | None] | None:
    try:
        numbers = np.load(folder / VALUES, mmap_mode="r", allow_pickle=False)
        return numbers, json.loads((folder / LEVELS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

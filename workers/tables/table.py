"""A table as a whole: one long frame, indexed (datetime, instrument), of the columns that are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from rollq.tasks.errors import DataError
from rollq.workers.tables.arrow_columns import CATEGORY, NUMBER, categorical
from rollq.workers.tables.join import FLAG, Join
from rollq.workers.tables.joined_rows import Side, Texts
from rollq.workers.tables.key_columns import no_column
from rollq.workers.tables.main_rows import MainRows, read_main
from rollq.workers.tables.rows import Block
from rollq.workers.tables.source import Source
from rollq.workers.tables.table_spec import JoinSpec, TableSpec

AT_ONCE = 1 << 25  # bytes of a joined source that are held beside the frame: so many, or this part of the frame
PART = 8
INSTRUMENT = "instrument"


class Table:
    """A table whose files were found and whose columns are known; values are read when they are asked for.

    Attributes:
        columns: the kind of each column that can be asked for: ``number`` or ``category``.
        time, instrument: names of these two columns in the main source; None: there is no such column.
    """

    def __init__(self, spec: TableSpec) -> None:
        self.spec = spec
        self.main = Source(spec.source, spec.key)
        self.joins = [Join(_with_zone(one, spec), self.main) for one in spec.joins]
        self.time, self.instrument = self.main.time, self.main.instrument
        self.columns = dict(self.main.kinds)
        if spec.source.wide:
            self.columns = {spec.source.wide: NUMBER}
        for join in self.joins:
            self._add(join)

    def frame(self, columns: Sequence[str], numbers: Collection[str] = ()) -> pd.DataFrame:
        """Rows indexed (datetime, instrument), sorted by it; rows that are there twice stay twice.

        Args:
            columns: in this order; the name of the instrument's own column is possible, too (a category).
            numbers: those of them that must be numbers, and not all missing.

        Returns:
            float64 and category columns.

        Raises:
            DataError: there is no such column, or it holds no numbers; times or instruments are missing or unclear.
            NotYet: a file is another one by now.
        """
        self._check(columns, numbers)
        joined = [name for name in columns if any(name in join.columns for join in self.joins)]
        spare = [name for name in joined if self._kind(name) == NUMBER]
        main = read_main(
            self.main, [name for name in columns if name in self.main.kinds], self._keys(columns), len(spare)
        )
        texts: dict[str, Texts] = {}
        place = dict(zip((*main.numbers, *spare), main.block, strict=True))
        for name in columns:
            if name == self.instrument:
                texts[name] = (main.instruments, main.names)
            elif name in main.texts:
                texts[name] = main.texts[name]
        for join in self.joins:
            texts.update(_joined(join, main, [name for name in columns if name in join.columns], place))
        for name in numbers:
            if main.count and np.isnan(place[name]).all():
                fix = "Leave it out, or look at the file."
                raise DataError(f"{self.spec.key}: the column {name!r} is missing in every row.", fix)
        return _frame(columns, list(place), texts, main)

    def check_numbers(self, wanted: Mapping[str, str]) -> None:
        """Refuse texts in place of numbers.

        Args:
            wanted: the key of the template that wants numbers, by the name of the column.

        Raises:
            DataError: a column holds texts; it names the first that is no number.
        """
        for name, key in wanted.items():
            if self._kind(name) != NUMBER:
                join = next((one for one in self.joins if name in one.columns), None)
                source, own = (join.source, join.columns[name]) if join else (self.main, name)
                raise source.refuse_text(own, key)

    def remarks(self, columns: Collection[str]) -> list[str]:
        """What is odd about the joins that some columns come from: few rows find a partner, or one from too early.

        Raises:
            DataError, NotYet: as ``frame``.
        """
        joins = [join for join in self.joins if set(columns) & set(join.columns)]
        main = read_main(self.main, [], self._keys(list(columns))) if joins else None
        return [said for join in joins if main for said in join.remarks(_side(join, main))]

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of all files, by their names relative to their source and their contents, as they were found."""
        parts = [self.main.sha256(), *(join.source.sha256() for join in self.joins)]
        return {"sha256": hashlib.sha256(json.dumps(parts).encode()).hexdigest()}

    def _add(self, join: Join) -> None:
        for name, column in join.columns.items():
            if name in (*self.columns, self.time, self.instrument):
                fix = "Write prefix: and a text for it, or name the columns that are meant: columns."
                raise DataError(f"{join.spec.key}: another column is called {name!r}, too.", fix)
            self.columns[name] = NUMBER if column == FLAG else join.source.kinds[column]

    def _kind(self, name: str) -> str:
        return CATEGORY if name == self.instrument else self.columns[name]

    def _check(self, columns: Sequence[str], numbers: Collection[str]) -> None:
        """Refuse columns that there are not, and text in place of numbers."""
        for name in columns:
            if name not in self.columns and name != self.instrument:
                fix = no_column(name, list(self.columns))
                raise DataError(f"{self.spec.key}: the table has no column {name!r}.", fix)
        self.check_numbers(dict.fromkeys(numbers, self.spec.key))

    def _keys(self, columns: Sequence[str]) -> list[str]:
        """Columns of the main table that are read as text, because asked joins need them."""
        asked = [join for join in self.joins if set(columns) & set(join.columns)]
        return sorted({name for join in asked for name in join.keys if name != self.instrument})


def read_table(spec: TableSpec) -> Table:
    """A table whose files were found and whose columns are known; no value is read yet.

    Raises:
        DataError: files are missing or no tables, or a column cannot be told; the message names key, cause and fix.
    """
    return Table(spec)


def _with_zone(join: JoinSpec, spec: TableSpec) -> JoinSpec:
    """Local times of a joined table are in the zone that the dataset names, if it names none itself."""
    if join.source.zone or not spec.source.zone:
        return join
    return replace(join, source=replace(join.source, zone=spec.source.zone))


def _side(join: Join, main: MainRows) -> Side:
    keys = [main.key(name) for name in join.keys] or (
        [(main.instruments, main.names)] if join.source.instrument else []
    )
    return Side(keys, main.times, main.count)


def _joined(join: Join, main: MainRows, columns: Sequence[str], place: dict[str, Block]) -> dict[str, Texts]:
    """Write the columns of a join to their place; a few at a time, because a source may be as large as the frame."""
    if not columns:
        return {}
    places = join.places(_side(join, main))
    found = places >= 0
    texts: dict[str, Texts] = {}
    for name in columns:
        if join.columns[name] == FLAG:
            place[name][:] = found
    columns = [name for name in columns if join.columns[name] != FLAG]
    for part in _parts(columns, main.block):
        numbers = [name for name in part if name in place]
        names = [join.columns[name] for name in part if name not in place]
        rows = join.source.rows([join.columns[name] for name in numbers], texts=names)
        for position, name in enumerate(numbers):
            place[name][:] = np.where(found, rows.numbers[position][places], np.nan)
        for name in part:
            if name not in place:
                codes, values = rows.texts[join.columns[name]]
                texts[name] = (np.where(found, codes[places], -1).astype(np.int32), values)
    return texts


def _parts(columns: Sequence[str], block: Block) -> Iterator[Sequence[str]]:
    size = max(1, AT_ONCE // max(1, 8 * block.shape[1]), len(block) // PART)
    for start in range(0, len(columns), size):
        yield columns[start : start + size]


def _frame(columns: Sequence[str], floats: Sequence[str], texts: dict[str, Texts], main: MainRows) -> pd.DataFrame:
    """The frame around one block of numbers: no copy is made of it."""
    wanted = [name for name in columns if name in floats]
    block = main.block[: len(floats)] if set(wanted) == set(floats) else main.block[:0]
    _reorder(block, [floats.index(name) for name in wanted])
    frame = pd.DataFrame(block.T, index=main.index(), columns=wanted, copy=False)
    for position, name in enumerate(columns):
        if name in texts and name not in floats:
            frame.insert(position, name, categorical(*texts[name]))
    return frame


def _reorder(block: Block, order: Sequence[int]) -> None:
    """Put the rows of a block into an order, in place: round each of its circles with one row in the hand."""
    done: set[int] = set()
    for start in range(len(order)):
        if start in done or order[start] == start:
            continue
        held, here = block[start].copy(), start
        while order[here] != start:
            done.add(here)
            block[here] = block[order[here]]
            here = order[here]
        done.add(here)
        block[here] = held

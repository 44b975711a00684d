"""A join: a source beside the main table, and which columns of it are taken under which name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError
from rollq.workers.tables.clock.times import Times, check_midnights, read_times
from rollq.workers.tables.joined_rows import Places, Side, Texts, as_known, at_any_time, at_same_time
from rollq.workers.tables.key_columns import listed, no_column
from rollq.workers.tables.source import Source
from rollq.workers.tables.table_spec import JoinSpec

Codes = npt.NDArray[np.int32]
SHOWN = 3
FEW = 0.5  # share of rows with a partner: where there are fewer, it is said
FLAG = ""  # in place of a column of the source: whether there is a row


class Join:
    """A source that is joined.

    Args:
        spec: what the template says of it.
        main: the main source.
        zone: in which local times are that have no zone.

    Attributes:
        columns: the source's name of each column that is taken, by the name that it has in the table;
            ``FLAG``: whether there is a row.

    Raises:
        DataError: it has no such columns, or no column that the tables have in common.
    """

    def __init__(self, spec: JoinSpec, main: Source) -> None:
        self.spec = spec
        own = {name for name in spec.on or () if name != main.instrument}
        self.source = Source(spec.source, spec.key, spec.known, spec.on, static=True)
        self._check_keys(main, own)
        out = {*(spec.on or ()), *self.source.parts}
        kept = {name: kind for name, kind in self.source.kinds.items() if name not in out}
        self.columns = {spec.prefix + name: name for name in chosen(kept, spec.columns, f"{spec.key}.columns")}
        if spec.flag:
            self.columns[spec.flag] = FLAG
        if not self.columns:
            fix = "Write flag: member: a column of this name is then 1 where it has a row, else 0."
            raise DataError(f"{spec.key}: {spec.source.path} has no columns beside its keys.", fix)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the main table that stand for the instrument; empty: itself, or the time alone."""
        return self.spec.on or ()

    def places(self, main: Side) -> Places:
        """The row of the source for each row of the main table; -1 where there is none.

        Args:
            main: its keys are the columns ``on``, or the instruments if the source has some, or none.

        Raises:
            DataError: times cannot be compared, rows are there twice, or nothing matches.
            NotYet: a file is another one by now.
        """
        source, spec = self.source, self.spec
        names = list(spec.on or ([source.instrument] if source.instrument else []))
        times = [name for name in (source.time, spec.known) if name is not None]
        rows = source.rows([], texts=names, times=times)
        keys = [rows.texts[name] for name in names]
        self._check_common(main.keys, keys, names)
        series = keys[0][0] if keys else None
        period = None
        if source.time is not None:
            period = read_times(rows.times[source.time], spec.source, f"{spec.key}.time", series)
            self._check_midnights(main, period)
        other = Side(keys, period, rows.count)
        if spec.known is not None:
            published = read_times(rows.times[spec.known], spec.source, f"{spec.key}.known", series)
            self._check_midnights(main, published)
            places = as_known(main, other, published, spec.key, spec.same_session)
        elif period is None:
            places = at_any_time(main, other, f"{spec.key}.path")
        else:
            places = at_same_time(main, other, spec.key, spec.same_session and not _dates(main))
        if main.rows and (places < 0).all():
            fix = "Compare the times of both files; times of publication must not lie after all rows."
            raise DataError(f"{spec.key}: no row of the main table has a row there.", fix)
        return places

    def remarks(self, main: Side) -> list[str]:
        """What is odd: rows may be used before they were published, or few have a partner."""
        spec = self.spec
        found = float((self.places(main) >= 0).mean()) if main.rows else 1.0
        share = f"{found:.0%} of the rows have a row there"
        if spec.known is None and (later := self.source.later_times()):
            why = f"{spec.key}: it is joined by {self.source.time!r}, and {later[0]!r} is later ({share})"
            return [f"{why}; if that says when a row was published, write known: {later[0]}"]
        if spec.flag is None and found < FEW:
            return [
                f"{spec.key}: {share}; compare the keys of both tables, or write known: and the date of publication"
            ]
        return []

    def _check_midnights(self, main: Side, times: Times) -> None:
        """Among dates, times of midnight are dates; among times of day they are moments."""
        if _dates(main):
            check_midnights(times, f"{self.spec.key}.zone")

    def _check_keys(self, main: Source, own: Collection[str]) -> None:
        """Refuse keys that the main table lacks, and tables that have nothing in common."""
        key, source = self.spec.key, self.source
        if missing := sorted(name for name in own if name not in main.kinds):
            fix = no_column(missing[0], list(main.kinds))
            raise DataError(f"{key}.on: the main table has no column {missing[0]!r}.", fix)
        if source.instrument is not None and main.instrument is None:
            fix = "Write instrument: and its column in the main table; or on: and a column that both have."
            raise DataError(f"{key}: it has instruments ({source.instrument!r}), the main table has none.", fix)
        if source.time is None and source.known is None and source.instrument is None and not self.spec.on:
            fix = f"Write time:, instrument: or on: for it. Columns: {listed(list(source.kinds))}."
            raise DataError(f"{key}: it has neither a time nor an instrument that can be told.", fix)

    def _check_common(self, mine: Sequence[Texts], theirs: Sequence[Texts], names: Sequence[str]) -> None:
        for (_, left), (_, right), name in zip(mine, theirs, names, strict=True):
            if len(left) and not left.isin(right).any():
                said = f"{_some(right)} there, {_some(left)} in the main table"
                fix = "Write names alike in both (the text 007 is not the number 7), or name another key: on."
                raise DataError(f"{self.spec.key}: no value of {name!r} is in both tables: {said}.", fix)


def chosen(names: Collection[str], wanted: Sequence[str] | None, key: str) -> list[str]:
    """The columns that names and patterns mean; None: all.

    Raises:
        DataError: one of them means none.
    """
    if wanted is None:
        return list(names)
    found: list[str] = []
    for one in wanted:
        # A column may have a name such as f[1], which as a pattern means another one.
        hits = [one] if one in names else [name for name in names if fnmatchcase(name, one)]
        if not hits:
            raise DataError(f"{key}: there is no column {one!r}.", no_column(one, list(names)))
        found.extend(hits)
    return list(dict.fromkeys(found))


def _dates(main: Side) -> bool:
    return main.times is not None and main.times.dates


def _some(names: pd.Index) -> str:
    return ", ".join(repr(str(name)) for name in names[:SHOWN])

"""TableDataset: features by expressions and a label from any table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.dataset import Dataset, Finding
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import DataError
from rollq.tasks.identity import canonical
from rollq.workers.datasets import processors as processing
from rollq.workers.datasets.panel_cache import Panel, Rows
from rollq.workers.datasets.plan.plan import TablePlan, check_keys, label_kind_of, read_only, read_plan
from rollq.workers.datasets.plan.weight import Weight
from rollq.workers.datasets.segment_rows import TRAIN, check_segment, segment_rows, segment_sessions
from rollq.workers.datasets.table import checks
from rollq.workers.datasets.table.build import VERSION, load_table_panel
from rollq.workers.datasets.table.columns import TableColumns
from rollq.workers.datasets.table.fitted import Fitted, check_fitted, codes_of
from rollq.workers.datasets.table.group_hashes import group_hashes
from rollq.workers.datasets.table.looked import findings_of, sessions_ahead
from rollq.workers.datasets.table.reach import Reach
from rollq.workers.tables.table import Table, read_table

KEY = "dataset.kwargs"
INFO = "info:"


class TableDataset(Dataset):
    """Any table in: features by expressions, and a label. docs/reference/dataset.md has every key.

    Args:
        path: a file, a folder, a pattern, or Qlib's folder; in a template, relative to it.
        label: an expression that may look ahead, or a mapping.
        segments: ``{name: (start, end)}``, both inclusive; an open end is None.
        features: named sets, columns, patterns, expressions, ``{name: expression}``, ``{op, windows}``.
        categorical: features, or columns, whose values are categories.
        weight: an expression, or ``{by, age}``.
        universe: a list, or ``{list, column, rule}``; None: all instruments.
        known_ahead: columns that are known in advance, and how far.
        normalize: ``rank``: features and label become their rank at each time; ``none``: they stay.
        processors: ``[{op, ...}]``, fitted on the train segment only.
        data_checks: what is odd about a session, as in a template; odd sessions are left out.
        only: ``{column: value}``: rows that have this value; what is computed across instruments sees all of them.
        cache_dir: where panels are kept; by default in the state folder.
        fitted: what was learned from train, as ``to_config`` gives it; None: it is learned when needed.
        table: how the table is read: time, instrument, zone, join and so on (``workers/tables``).

    Raises:
        TemplateError: an argument is wrong.
    """

    def __init__(
        self,
        path: str,
        label: object,
        segments: Mapping[str, Sequence[object]],
        features: Sequence[object] = (),
        categorical: Sequence[str] = (),
        weight: object = None,
        universe: object = None,
        known_ahead: Mapping[str, object] | None = None,
        normalize: str = "none",
        processors: Sequence[Mapping[str, object]] = (),
        data_checks: Mapping[str, object] | bool | None = None,
        only: Mapping[str, object] | None = None,
        cache_dir: str | None = None,
        fitted: Mapping[str, object] | None = None,
        **table: object,
    ) -> None:
        """Nothing is read here: a dataset is made to check a template, where the data may not be there yet."""
        given = {"features": features, "categorical": categorical, "weight": weight, "universe": universe}
        given |= {"known_ahead": known_ahead, "normalize": normalize, "processors": processors}
        given |= {"data_checks": data_checks, "only": only}
        # What is left out stays out of the configuration, so that a new key makes no other one of an old dataset.
        kept = {name: value for name, value in given.items() if value not in (None, ())}
        self._kwargs: dict[str, Any] = {"path": path, "label": label, **kept, **table}
        check_keys(table, given)
        self.segments = dict(segments)
        self._plan = read_plan(self._kwargs)
        self._processors = processing.check_processors(processors)
        self._only = read_only(only)
        self._cache_dir = cache_dir
        self._fitted_parts = check_fitted(fitted, len(self._processors))

    @cached_property
    def _table(self) -> Table:
        return read_table(self._plan.spec)

    @cached_property
    def _on_table(self) -> TablePlan:
        return self._plan.on(self._table.columns)

    @cached_property
    def _panel(self) -> Panel:
        return load_table_panel(self._table, self._on_table, self._folder())

    @cached_property
    def _columns(self) -> TableColumns:
        return TableColumns(self._table, self._on_table, self._panel, self._folder())

    @cached_property
    def _reach(self) -> Reach:
        return Reach(self._panel.times)

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in order."""
        return list(self._on_table.features)

    @property
    def categorical(self) -> Sequence[str]:
        """Names of the features whose values are codes: -1 is a category that train does not have, NaN none."""
        return self._plan.categorical

    @property
    def label_kind(self) -> str:
        """What the label is."""
        return label_kind_of(self._plan)

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self._plan.weight is not None

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """The sessions of the table, whatever the universe."""
        return self._panel.sessions

    @cached_property
    def label_lookahead(self) -> int:
        """Sessions that the label looks ahead."""
        declared = self._reach.lookahead_of(self._plan.label.declared)
        return max(declared, self._reach.lookahead(self._on_table.labels))

    @property
    def label_span(self) -> str:
        """The same in rows, or as a span."""
        return str(self._on_table.label_ahead)

    @cached_property
    def feature_lookback(self) -> int:
        """Sessions before t that the features of t reach back, at most, with the rules that choose their universe."""
        plan = self._on_table
        rules = self._reach.lookback(plan.rules)
        return rules + self._reach.lookback([*plan.features.values(), *([plan.weight] if plan.weight else [])])

    @cached_property
    def feature_lookahead(self) -> int:
        """Sessions after t whose columns that are known in advance are features of t."""
        return self._reach.lookahead(self._on_table.features.values())

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        """Rows of a segment, indexed (datetime, instrument).

        Args:
            segment, columns: names; ``feature`` (processed, float32), ``label`` (normalised), ``raw`` (as it is),
                ``weight``, or ``info:NAME``, a column of the table as it is.

        Raises:
            SegmentError: there is no such segment.
            DataError: it has no rows, or there is no such column.
        """
        rows = self._rows(segment)
        index = self._panel.index(rows)
        if columns == "feature":
            return pd.DataFrame(self._features(rows), index=index, columns=self.feature_names, copy=False)
        if columns in ("label", "raw"):
            return pd.DataFrame({"label": np.asarray(getattr(self._panel, columns)[rows])}, index=index)
        if columns == "weight" and self._plan.weight is not None:
            return pd.DataFrame({"weight": self._weights(segment, rows)}, index=index)
        if columns.startswith(INFO):
            name = columns.removeprefix(INFO)
            return pd.DataFrame({name: self._columns.values(name, rows)}, index=index)
        more = ", or weight" if self.weighted else ""
        raise DataError(f"There are no columns {columns!r}.", f"Use feature, label, raw or info:COLUMN{more}.")

    @property
    def info_columns(self) -> Sequence[str]:
        """The columns of the table."""
        return list(self._table.columns)

    def groups(self, column: str) -> list[str]:
        """The values of a column as texts, sorted.

        Raises:
            DataError: there is no such column.
        """
        return self._columns.groups(column)

    def config(self, segments: Mapping[str, Sequence[object]]) -> Self:
        """A copy with other segments.

        What was fitted stays when the train segment does, or when there is none, as for later predictions; another
        train segment is learned from anew.
        """
        stays = TRAIN not in segments or canonical(segments[TRAIN]) == canonical(self.segments.get(TRAIN))
        fitted = self._fitted().to_config() if stays else None
        return type(self)(**self._kwargs, segments=segments, cache_dir=self._cache_dir, fitted=fitted)

    def to_config(self) -> dict[str, object]:
        """The kwargs that make this dataset again, with what was fitted; without the cache folder."""
        fitted = self._fitted().to_config()
        made = {**self._kwargs, "segments": self.segments, **({"fitted": fitted} if fitted else {})}
        config: dict[str, object] = canonical(made)
        return config

    def check(self) -> None:
        """Look at the data before anything is enqueued.

        Raises:
            DataError: the table cannot be read, too many sessions are odd, the universe is empty, the label or a
                feature is NaN everywhere, or the label is known earlier or later than it says.
            SegmentError: a segment is reversed, leaves the calendar, or has no rows.
        """
        panel = self._panel
        checks.check_left_out(self.findings(), len(panel.sessions))
        checks.check_panel(panel, self._on_table, self._columns)
        for name in self.segments:
            check_segment(panel, self.segments, name, self._plan.universe.if_empty)
            self._rows(name)
        if TRAIN in self.segments:
            checks.check_features(panel.features[self._rows(TRAIN)], self.feature_names, "in the whole train segment")

    def findings(self) -> tuple[Finding, ...]:
        """What is odd about the sessions of the table; those that are left out are in none of ``sessions``.

        Raises:
            DataError: the table cannot be read.
        """
        return findings_of(self._table, self._on_table, self._folder())

    @property
    def sessions_ahead(self) -> int:
        """How many sessions after today are meant to be there: as far as columns are known ahead."""
        return sessions_ahead(self._table, self._on_table, self._folder()) if self._plan.known_ahead else 0

    def fingerprint(self) -> dict[str, str]:
        """What identifies the content of all files, and the version of the computations."""
        return {**self._table.fingerprint(), "table_version": str(VERSION)}

    def session_hashes(self) -> dict[str, str]:
        """A hash of each session: of every column used, of all sources; of ``only`` alone, where that can be."""
        whole = self._panel.hashes()
        if self._only is None:
            return whole
        name = None if self._columns.is_instrument(self._only[0]) else self._only[0]
        return group_hashes(self._table, self._on_table, name, self._only[1], whole, self._folder())

    def _folder(self) -> Path:
        return Path(self._cache_dir) if self._cache_dir else current_settings().state_dir / "cache"

    def _rows(self, segment: str) -> Rows:
        """The rows of a segment: a slice, or, of one group, their positions."""
        rows = segment_rows(self._panel, self.segments, segment, self._plan.universe.if_empty)
        if self._only is None:
            return rows
        found: npt.NDArray[np.int64] = np.flatnonzero(self._columns.has(*self._only)[rows]) + rows.start
        if not len(found):
            start, end = self.segments[segment]
            what = f"The segment {segment} ({start} to {end}) has no row where {self._only[0]} is {self._only[1]}."
            raise DataError(what, "Look at the data of these days.")
        return found

    def _features(self, rows: Rows) -> npt.NDArray[np.float32]:
        """The processed features of rows; without processors and unknown categories the memory map itself."""
        features: npt.NDArray[np.float32] = self._panel.features[rows]
        if self._processors:
            features = processing.apply(self._processors, self._fitted().processors, np.asarray(features))
        return self._fitted().with_codes(features, self._panel, rows, self.feature_names)

    def _weights(self, segment: str, rows: Rows) -> npt.NDArray[np.float32]:
        """The weights of rows, by their age at the end of train."""
        panel, weight = self._panel, self._plan.weight or Weight()
        end = segment_sessions(panel, self.segments, TRAIN if TRAIN in self.segments else segment)[1]
        own = None if panel.weight is None else np.asarray(panel.weight[rows])
        return weight.of_age(panel.session_of(rows), end - 1, own)

    def start_from(self, earlier: Mapping[str, object]) -> None:
        """Go on with the codes of categories of an earlier window, of which this is ``to_config``."""
        self._fitted_parts = self._learned(codes_of(earlier))

    def _fitted(self) -> Fitted:
        """What was learned from train; it is learned when it is first asked for."""
        if self._fitted_parts is None:
            self._fitted_parts = self._learned()
        return self._fitted_parts

    def _learned(self, before: Fitted | None = None) -> Fitted:
        if not self._processors and not self._plan.categorical:
            return Fitted()
        return Fitted.learned(self._panel, self._rows(TRAIN), self._processors, self.feature_names, before)

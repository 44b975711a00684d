"""PanelDataset: features and labels of many instruments from one Parquet file of closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from tasks.errors import DataError, SegmentError, TemplateError
from tasks.identity import canonical
from tasks.settings import current_settings
from workers.datasets import processors as processing
from workers.datasets.base import Dataset
from workers.datasets.features import check_features
from workers.datasets.labels import check_label
from workers.datasets.panel_cache import VERSION, Panel, PanelSpec, file_sha256, load_panel

NORMALIZE = ("rank", "none")


class PanelDataset(Dataset):
    """Long prices (datetime, instrument, close) in, features and labels out.

    Args:
        path: Parquet file; in a template, relative to the template's folder.
        features: ``[{op, windows}]``; docs/reference/dataset.md lists the ops.
        label: ``{op, ...}``.
        segments: ``{name: (start, end)}``, both inclusive; an open end is None.
        normalize: ``rank``: features and label become their rank of the day; ``none``: they stay.
        processors: ``[{op, ...}]``, fitted on the train segment only.
        universe: instruments to use; None: all.
        cache_dir: where panels are kept; by default in the state folder.

    Raises:
        TemplateError: an argument is wrong.
    """

    def __init__(
        self,
        path: str,
        features: Sequence[Mapping[str, Any]],
        label: Mapping[str, Any],
        segments: Mapping[str, Any],
        normalize: str = "rank",
        processors: Sequence[Mapping[str, Any]] = (),
        universe: Sequence[str] | None = None,
        cache_dir: str | None = None,
    ) -> None:
        if normalize not in NORMALIZE:
            key = "dataset.kwargs.normalize"
            raise TemplateError(f"{normalize!r} is unknown.", f"Use one of {', '.join(NORMALIZE)}.", key)
        self._kwargs: dict[str, Any] = {
            "path": path,
            "features": features,
            "label": label,
            "normalize": normalize,
            "processors": list(processors),
            "universe": universe,
        }
        self.segments = dict(segments)
        self._features = check_features(features)
        self._label = check_label(label)
        self._processors = processing.check_processors(processors)
        names = None if universe is None else tuple(sorted(map(str, universe)))
        self._spec = PanelSpec(Path(path), tuple(self._features), self._label, normalize == "rank", names)
        self._cache_dir = cache_dir
        self._states: list[dict[str, Any]] | None = None
        self._loaded: Panel | None = None

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in order."""
        return [name for name, _, _ in self._features]

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """The trading days of the data."""
        return self._panel().sessions

    @property
    def label_lookahead(self) -> int:
        """Sessions that the label looks ahead."""
        return self._label.lookahead

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        """Rows of a segment, indexed (datetime, instrument).

        Args:
            columns: ``feature`` (processed, float32), ``label`` (normalised), or ``raw`` (the label as it is).

        Raises:
            SegmentError: there is no such segment.
            DataError: it has no rows.
        """
        rows = self._rows(segment)
        index = self._index(rows)
        if columns == "feature":
            return pd.DataFrame(self._processed(rows), index=index, columns=self.feature_names, copy=False)
        if columns in ("label", "raw"):
            return pd.DataFrame({"label": np.asarray(getattr(self._panel(), columns)[rows])}, index=index)
        raise DataError(f"There are no columns {columns!r}.", "Use feature, label or raw.")

    def config(self, segments: Mapping[str, Any]) -> Self:
        """A copy with other segments; it shares the panel, not what was fitted."""
        return type(self)(**self._kwargs, segments=segments, cache_dir=self._cache_dir)

    def to_config(self) -> dict[str, Any]:
        """The kwargs, and the state of the processors as fitted on train."""
        config: dict[str, Any] = canonical({**self._kwargs, "segments": self.segments, "fitted": self._states})
        return config

    def check(self) -> None:
        """Look at the data before anything is enqueued.

        Raises:
            DataError: the file is missing or no price table, the universe is empty, or every feature is NaN.
        """
        panel = self._panel()
        for position, name in enumerate(self.feature_names):
            if np.isnan(panel.features[:, position]).all():
                key = "dataset.kwargs.features"
                raise DataError(f"{key}: {name} is NaN everywhere.", "Use a shorter window, or look at the closes.")
        if np.isnan(panel.label).all():
            raise DataError("dataset.kwargs.label: it is NaN everywhere.", "Use a shorter horizon.")

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of the price file and the version of the computations."""
        return {"sha256": file_sha256(self._spec.path), "panel_version": str(VERSION)}

    def _panel(self) -> Panel:
        if self._loaded is None:
            folder = Path(self._cache_dir) if self._cache_dir else current_settings().state_dir / "cache"
            self._loaded = load_panel(self._spec, folder)
        return self._loaded

    def _rows(self, segment: str) -> slice:
        if segment not in self.segments:
            raise SegmentError(f"There is no segment {segment!r}.", f"There are {', '.join(self.segments)}.")
        start, end = self.segments[segment]
        panel = self._panel()
        first = 0 if start is None else int(panel.sessions.searchsorted(pd.Timestamp(start), "left"))
        last = len(panel.sessions) if end is None else int(panel.sessions.searchsorted(pd.Timestamp(end), "right"))
        rows = slice(int(panel.starts[first]), int(panel.starts[max(first, last)]))
        if rows.start == rows.stop:
            raise DataError(f"The segment {segment} ({start} to {end}) has no rows.", "Look at the data of these days.")
        return rows

    def _index(self, rows: slice) -> pd.MultiIndex:
        panel = self._panel()
        return pd.MultiIndex(
            levels=[panel.sessions, panel.instruments],
            codes=[panel.session_of[rows], panel.instrument_of[rows]],
            names=["datetime", "instrument"],
            verify_integrity=False,
        )

    def _processed(self, rows: slice) -> Any:
        features = self._panel().features[rows]
        if not self._processors:
            return features  # the memory map itself: no copy
        if self._states is None:
            self._states = processing.fit(self._processors, np.asarray(self._panel().features[self._rows("train")]))
        return processing.apply(self._processors, self._states, np.asarray(features))

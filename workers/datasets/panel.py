"""PanelDataset: features and labels of many instruments from one Parquet file of closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, Self, TypedDict

import numpy as np
import pandas as pd

from rollq.tasks.components.dataset import Dataset, Finding
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import DataError, TemplateError
from rollq.tasks.identity import canonical
from rollq.tasks.rolling.data_checks import DataChecks, some
from rollq.workers.datasets import processors as processing
from rollq.workers.datasets.features import check_features, lookback
from rollq.workers.datasets.found_odd import findings_of
from rollq.workers.datasets.labels import check_label
from rollq.workers.datasets.panel_arguments import check_fitted, check_universe
from rollq.workers.datasets.panel_cache import Panel
from rollq.workers.datasets.price_panel import VERSION, PanelSpec, load_panel
from rollq.workers.datasets.prices import KEY, file_sha256
from rollq.workers.datasets.segment_rows import TRAIN, check_segment, segment_rows

NORMALIZE = ("rank", "none")
CHECKS_KEY = "dataset.kwargs.data_checks"
MOST_LEFT_OUT = 0.1  # of the sessions; where more are odd, the thresholds or the file are


class Kwargs(TypedDict):
    """What a panel is made of, whatever its window and its cache: as the user has written it."""

    path: str
    features: Sequence[Mapping[str, object]]
    label: Mapping[str, object]
    normalize: str
    processors: Sequence[Mapping[str, object]]
    universe: Sequence[str] | None
    data_checks: NotRequired[Mapping[str, object] | bool]


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
        fitted: what the processors learned from train, as ``to_config`` gives it; None: they learn when needed.
        data_checks: what is odd about a session, as in a template; odd sessions are left out.

    Raises:
        TemplateError: an argument is wrong.
    """

    def __init__(
        self,
        path: str,
        features: Sequence[Mapping[str, object]],
        label: Mapping[str, object],
        segments: Mapping[str, Sequence[object]],
        normalize: str = "rank",
        processors: Sequence[Mapping[str, object]] = (),
        universe: Sequence[str] | None = None,
        cache_dir: str | None = None,
        fitted: Sequence[processing.State] | None = None,
        data_checks: Mapping[str, object] | bool | None = None,
    ) -> None:
        """Nothing is read here: a dataset is made to check a template, where the data may not be there yet."""
        if normalize not in NORMALIZE:
            key = "dataset.kwargs.normalize"
            raise TemplateError(f"{normalize!r} is unknown.", f"Use one of {', '.join(NORMALIZE)}.", key)
        self._kwargs: Kwargs = {
            "path": path,
            "features": features,
            "label": label,
            "normalize": normalize,
            "processors": processors,
            "universe": universe,
        }
        if data_checks is not None:
            self._kwargs["data_checks"] = data_checks
        for name, text in (("path", path), ("cache_dir", cache_dir)):
            if not isinstance(text, str | None if name == "cache_dir" else str):
                raise TemplateError(f"{text!r} is no path.", "Write it as text.", f"dataset.kwargs.{name}")
        self.segments = dict(segments)
        self._features = check_features(features)
        self._label = check_label(label)
        self._processors = processing.check_processors(processors)
        names = check_universe(universe)
        checks = DataChecks.of(data_checks, CHECKS_KEY)
        if checks.price not in (None, "close"):
            raise TemplateError(
                "its prices are called close.", "Leave it out, or use TableDataset.", "data_checks.price"
            )
        self._spec = PanelSpec(Path(path), tuple(self._features), self._label, normalize == "rank", names, checks)
        self._cache_dir = cache_dir
        self._states = check_fitted(fitted, len(self._processors), len(self._features))
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

    @property
    def feature_lookback(self) -> int:
        """Sessions before t that the features of t reach back, at most."""
        return lookback(self._features)

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        """Rows of a segment, indexed (datetime, instrument).

        Args:
            segment, columns: names; ``feature`` (processed, float32), ``label`` (normalised) or ``raw`` (as it is).

        Raises:
            SegmentError: there is no such segment.
            DataError: it has no rows.
        """
        rows = self._rows(segment)
        index = self._panel().index(rows)
        if columns == "feature":
            return pd.DataFrame(self._processed(rows), index=index, columns=self.feature_names, copy=False)
        if columns in ("label", "raw"):
            return pd.DataFrame({"label": np.asarray(getattr(self._panel(), columns)[rows])}, index=index)
        raise DataError(f"There are no columns {columns!r}.", "Use feature, label or raw.")

    def config(self, segments: Mapping[str, Sequence[object]]) -> Self:
        """A copy with other segments.

        What was fitted stays when the train segment does, or when there is none, as for later predictions; another
        train segment is learned from anew.
        """
        stays = TRAIN not in segments or canonical(segments[TRAIN]) == canonical(self.segments.get(TRAIN))
        fitted = self._fitted() if stays else None
        # The copy loads its panel by itself, from the same cache: a memory map of the same pages.
        return type(self)(**self._kwargs, segments=segments, cache_dir=self._cache_dir, fitted=fitted)

    def to_config(self) -> dict[str, object]:
        """The kwargs that make this dataset again, with what its processors learned; without the cache folder."""
        config: dict[str, object] = canonical({**self._kwargs, "segments": self.segments, "fitted": self._fitted()})
        return config

    def check(self) -> None:
        """Look at the data before anything is enqueued.

        Raises:
            DataError: the file is missing or no price table, too many sessions are odd, the universe is empty, the
                label or a feature is NaN everywhere, or a feature is NaN in the whole train segment.
            SegmentError: a segment is reversed, leaves the calendar, or has no rows.
        """
        panel = self._panel()
        self._check_left_out()
        self._check_features(slice(None), "in the whole file")
        if np.isnan(panel.label).all():
            raise DataError("dataset.kwargs.label: it is NaN everywhere.", "Use a shorter horizon.")
        for name in self.segments:
            check_segment(panel, self.segments, name)
        if TRAIN in self.segments:
            self._check_features(self._rows(TRAIN), "in the whole train segment")

    def findings(self) -> tuple[Finding, ...]:
        """What is odd about the sessions of the file; those that are left out are in none of ``sessions``.

        Raises:
            DataError: the file is missing, or is no price table.
        """
        return findings_of(self._spec.path, self._spec.universe, self._spec.checks, self._folder())

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of the price file and the version of the computations."""
        return {"sha256": file_sha256(self._spec.path), "panel_version": str(VERSION)}

    def session_hashes(self) -> dict[str, str]:
        """A hash of the closes of each session, of the instruments of the universe."""
        return self._panel().hashes()

    def _panel(self) -> Panel:
        if self._loaded is None:
            self._loaded = load_panel(self._spec, self._folder())
        return self._loaded

    def _folder(self) -> Path:
        return Path(self._cache_dir) if self._cache_dir else current_settings().state_dir / "cache"

    def _check_left_out(self) -> None:
        odd = [one for one in self.findings() if one.left_out]
        days = {one.session for one in odd}
        if len(days) > MOST_LEFT_OUT * (len(days) + len(self.sessions)):
            raise DataError(
                f"{KEY}: {len(days)} of {len(days) + len(self.sessions)} sessions are odd: {some(odd)}.",
                "See `rollq data check TEMPLATE`; repair the data, or set other thresholds: data_checks.",
            )

    def _check_features(self, rows: slice, where: str) -> None:
        empty = np.isnan(self._panel().features[rows]).all(axis=0)
        if empty.any():
            name = self.feature_names[int(empty.argmax())]
            raise DataError(
                f"dataset.kwargs.features: {name} is NaN {where}.", "Use a shorter window, or start train later."
            )

    def _rows(self, segment: str) -> slice:
        return segment_rows(self._panel(), self.segments, segment)

    def _processed(self, rows: slice) -> object:
        features = self._panel().features[rows]
        if not self._processors:
            return features  # the memory map itself: no copy
        return processing.apply(self._processors, self._fitted(), np.asarray(features))

    def _fitted(self) -> list[processing.State]:
        """What the processors learned; they learn from train when it is first asked for."""
        if not self._processors:
            return []
        if self._states is None:
            train = np.asarray(self._panel().features[self._rows(TRAIN)])
            self._states = processing.fit(self._processors, train)
        return self._states

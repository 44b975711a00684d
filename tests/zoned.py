"""A dataset whose instruments lie in zones, so that each zone can have a model: ``AAPL`` is of the zone ``A``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.workers.datasets.panel import PanelDataset

COMPONENT = "tests.zoned:ZonedDataset"


def zone_of(instrument: str) -> str:
    """The zone of an instrument; one whose name begins with ``_`` has none."""
    return instrument[0].strip("_")


class ZonedDataset(Dataset):
    """A PanelDataset of the instruments of one zone, or of all."""

    def __init__(
        self, path: str, segments: Mapping[str, Sequence[object]], only: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        self._only, self._kwargs = only, {**kwargs, "path": path}
        self.segments = dict(segments)

    def _panel(self) -> PanelDataset:
        names = sorted(pd.read_parquet(self._kwargs["path"], columns=["instrument"])["instrument"].unique())
        universe = [name for name in names if zone_of(name) == self._only["zone"]] if self._only else None
        return PanelDataset(**self._kwargs, segments=self.segments, universe=universe)

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        return self._panel().prepare(segment, columns)

    def config(self, segments: Mapping[str, Sequence[object]]) -> Self:
        return type(self)(segments=segments, only=self._only, **self._kwargs)

    def to_config(self) -> dict[str, object]:
        return {**self._kwargs, "segments": dict(self.segments), "only": self._only}

    def check(self) -> None:
        self._panel().check()

    def fingerprint(self) -> dict[str, str]:
        return self._panel().fingerprint()

    def session_hashes(self) -> Mapping[str, str]:
        return self._panel().session_hashes()

    @property
    def feature_lookback(self) -> int:
        return self._panel().feature_lookback

    @property
    def feature_names(self) -> list[str]:
        return self._panel().feature_names

    @property
    def sessions(self) -> pd.DatetimeIndex:
        return self._panel().sessions

    @property
    def label_lookahead(self) -> int:
        return self._panel().label_lookahead

    def groups(self, column: str) -> list[str]:
        names = pd.read_parquet(self._kwargs["path"], columns=["instrument"])["instrument"].unique()
        return sorted({zone_of(name) for name in names} - {""})


def prices(closes: pd.DataFrame, zones: Mapping[str, tuple[str, str]], folder: Path) -> Path:
    """Prices whose instruments have new names, two for each zone, from its first session to its last one.

    Args:
        closes: datetime, instrument, close; of at least two instruments for each zone.
        zones: first and last session by zone.
    """
    names = sorted(closes["instrument"].unique())
    parts = []
    for number, (zone, (first, last)) in enumerate(zones.items()):
        for place in (0, 1):
            own = closes[(closes["instrument"] == names[2 * number + place]) & closes["datetime"].between(first, last)]
            parts.append(own.assign(instrument=f"{zone}{place}"))
    path = folder / "prices.parquet"
    pd.concat(parts).to_parquet(path)
    return path

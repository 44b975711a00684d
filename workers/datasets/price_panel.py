"""The panel of a price file: features and label of closes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError
from rollq.tasks.predictions.day_hashes import DIGITS, frame_hashes
from rollq.tasks.rolling.data_checks import DataChecks, left_out
from rollq.workers.datasets.features import compute
from rollq.workers.datasets.found_odd import findings_of
from rollq.workers.datasets.labels import Label
from rollq.workers.datasets.panel_cache import Panel, kept_panel
from rollq.workers.datasets.panel_writer import LAYOUT, PanelWriter
from rollq.workers.datasets.prices import KEY, file_sha256, read_closes

VERSION = 2  # raise it when a feature or label is computed differently
BLOCK = 250  # sessions whose closes are hashed at once


@dataclass(frozen=True)
class PanelSpec:
    """What a panel is made of. ``rank`` replaces features and label by their rank of the day, in (-0.5, 0.5]."""

    path: Path
    features: tuple[tuple[str, str, int], ...]
    label: Label
    rank: bool
    universe: tuple[str, ...] | None
    checks: DataChecks = field(default_factory=DataChecks)

    def key(self, sha256: str, out: Collection[str]) -> str:
        """Name of the panel's folder in the cache: it changes with the data, the features, the label, and the code.

        Args:
            sha256: of the price file.
            out: sessions that are left out.
        """
        rows = [self.checks.name, self.checks.accept, sorted(out)]
        made = [self.features, str(self.label), self.rank, self.universe]
        parts = [VERSION, LAYOUT, sha256, *made, rows]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def load_panel(spec: PanelSpec, cache_dir: Path) -> Panel:
    """The panel, from the cache if it is there and whole. One process computes it, others wait.

    Raises:
        DataError: the file is missing, is no price table, or nothing of the universe is in it.
        NotYet: the file was replaced meanwhile.
        Unavailable: the cache cannot be written.
    """
    sha256 = file_sha256(spec.path)
    out = left_out(findings_of(spec.path, spec.universe, spec.checks, cache_dir, sha256))
    folder = cache_dir / f"panel-{spec.key(sha256, out)}"
    return kept_panel(folder, lambda writer: _build(spec, writer, out, sha256))


def _build(spec: PanelSpec, writer: PanelWriter, out: Collection[str], sha256: str) -> None:
    """A row for each close that is there, in the order of sessions, then instruments."""
    close = read_closes(spec.path, spec.universe, spec.checks, out, sha256)
    if close.empty:
        raise DataError(f"{KEY}: no session of {spec.path} can be used.", "See `rollq data check TEMPLATE`.")
    present = close.notna().to_numpy()
    time_of, instrument_of = (part.astype(np.int32) for part in np.nonzero(present))
    for wide in compute(close, spec.features):
        writer.add_feature(_ranked(wide, spec.rank).to_numpy()[present])
    raw = spec.label.compute(close)
    arrays = {
        "label": _ranked(raw, spec.rank).to_numpy()[present].astype(np.float32),
        "raw": raw.to_numpy()[present].astype(np.float32),
        "time_of": time_of,
        "instrument_of": instrument_of,
        "content": _content(close),
    }
    writer.finish(pd.DatetimeIndex(close.index), list(close.columns), arrays)


def _content(close: pd.DataFrame) -> npt.NDArray[np.bytes_]:
    """The hash of the closes of each session."""
    hashes: dict[str, str] = {}
    for start in range(0, len(close), BLOCK):
        # In blocks, because a stacked frame takes several times the memory of the wide one.
        hashes |= frame_hashes(close.iloc[start : start + BLOCK].stack().to_frame("close"))
    return np.array([hashes.get(f"{day:%Y-%m-%d}", "") for day in close.index], dtype=f"S{DIGITS}")


def _ranked(wide: pd.DataFrame, rank: bool) -> pd.DataFrame:
    clean = wide.replace([np.inf, -np.inf], np.nan)
    return clean.rank(axis=1, pct=True) - 0.5 if rank else clean
